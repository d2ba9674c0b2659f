package api

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"gori/chat"
	"gori/notify"
)

// Pushes keeps what a user is told through while away; package notify does.
type Pushes interface {
	Overview(ctx context.Context, who chat.Identity) (notify.Overview, error)
	SaveSettings(ctx context.Context, who chat.Identity, s notify.Settings) (notify.Settings, error)
	// Register adds a device; a webhook's secret is returned this once.
	Register(ctx context.Context, who chat.Identity, r notify.Registration) (notify.Device, string, error)
	Remove(ctx context.Context, who chat.Identity, id notify.DeviceID) error
	// Test sends a push at once.
	Test(ctx context.Context, who chat.Identity, id notify.DeviceID) error
}

func (s *Server) pushRoutes(r chi.Router) {
	r.Get("/push", s.do(s.pushes))
	r.Put("/push/settings", s.do(s.setPush))
	r.Post("/push/devices", s.do(s.addPushDevice))
	r.Delete("/push/devices/{id}", s.do(s.removePushDevice))
	r.With(s.limited(s.testLimit)).Post("/push/devices/{id}/test", s.do(s.testPush))
}

func (s *Server) pushes(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.cfg.Pushes.Overview(r.Context(), whoIs(r))
}

func (s *Server) setPush(w http.ResponseWriter, r *http.Request) (any, error) {
	// What is left out stays as it is.
	var in struct {
		HideBody  *bool   `json:"hide_body"`
		QuietFrom *int    `json:"quiet_from"`
		QuietTo   *int    `json:"quiet_to"`
		Zone      *string `json:"zone"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	o, err := s.cfg.Pushes.Overview(r.Context(), whoIs(r))
	if err != nil {
		return nil, err
	}
	set := o.Settings
	replace(&set.HideBody, in.HideBody)
	replace(&set.QuietFrom, in.QuietFrom)
	replace(&set.QuietTo, in.QuietTo)
	replace(&set.Zone, in.Zone)
	return s.cfg.Pushes.SaveSettings(r.Context(), whoIs(r), set)
}

func replace[T any](v *T, by *T) {
	if by != nil {
		*v = *by
	}
}

func (s *Server) addPushDevice(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Kind     string `json:"kind"`
		Endpoint string `json:"endpoint"`
		P256dh   string `json:"p256dh"`
		Auth     string `json:"auth"`
		URL      string `json:"url"`
		Name     string `json:"name"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	reg := notify.Registration{Kind: notify.WebPush, Name: in.Name, Endpoint: in.Endpoint, P256dh: in.P256dh, Auth: in.Auth}
	switch {
	case in.Kind == "webpush" && in.URL == "":
	case in.Kind == "webhook" && in.Endpoint == "":
		reg.Kind, reg.Endpoint = notify.Webhook, in.URL
	default:
		return nil, chat.Errorf(chat.CodeBadRequest, "kind is webpush with an endpoint, or webhook with a url")
	}
	d, secret, err := s.cfg.Pushes.Register(r.Context(), whoIs(r), reg)
	if err != nil {
		return nil, err
	}
	return made{struct {
		notify.Device
		Secret string `json:"secret,omitempty"`
	}{d, secret}}, nil
}

func (s *Server) removePushDevice(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := canonicalInt(chi.URLParam(r, "id"), 1)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Pushes.Remove(r.Context(), whoIs(r), notify.DeviceID(id))
}

func (s *Server) testPush(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := canonicalInt(chi.URLParam(r, "id"), 1)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Pushes.Test(r.Context(), whoIs(r), notify.DeviceID(id)); err != nil {
		return nil, err
	}
	return accepted{}, nil
}

// noPushes is a server that pushes to nobody.
type noPushes struct{}

var errNoPushes = chat.Errorf(chat.CodeNotFound, "this server sends no pushes")

func (noPushes) Overview(context.Context, chat.Identity) (notify.Overview, error) {
	return notify.Overview{}, errNoPushes
}

func (noPushes) SaveSettings(context.Context, chat.Identity, notify.Settings) (notify.Settings, error) {
	return notify.Settings{}, errNoPushes
}

func (noPushes) Register(context.Context, chat.Identity, notify.Registration) (notify.Device, string, error) {
	return notify.Device{}, "", errNoPushes
}

func (noPushes) Remove(context.Context, chat.Identity, notify.DeviceID) error { return errNoPushes }
func (noPushes) Test(context.Context, chat.Identity, notify.DeviceID) error   { return errNoPushes }

// WatchPushes counts what a notifier does.
func (m *Metrics) WatchPushes(n *notify.Notifier) { m.Registry.MustRegister(pushCollector{n}) }

type pushCollector struct{ n *notify.Notifier }

var (
	descPushWakes   = prometheus.NewDesc("gori_push_wakes_total", "News for users with a push device, by what became of them.", []string{"became"}, nil)
	descPushCalls   = prometheus.NewDesc("gori_push_calls_total", "Calls to push services and webhooks, by how they ended.", []string{"result"}, nil)
	descPushInHand  = prometheus.NewDesc("gori_push_in_hand", "Pushes that this node has in hand.", nil, nil)
	descPushWaiting = prometheus.NewDesc("gori_push_waiting", "Pushes to come, on all shards, by step.", []string{"step"}, nil)
	descPushOverdue = prometheus.NewDesc("gori_push_overdue_seconds", "How long the oldest push to come has been due.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c pushCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPushWakes, descPushCalls, descPushInHand, descPushWaiting, descPushOverdue} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c pushCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	wakes, jobs, overdue := c.n.Waiting(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descPushWaiting, float64(wakes), "wake")
	gauge(descPushWaiting, float64(jobs), "job")
	gauge(descPushOverdue, overdue.Seconds())
	st := c.n.Stats()
	gauge(descPushInHand, float64(st.InHand))
	for became, n := range st.Wakes {
		ch <- prometheus.MustNewConstMetric(descPushWakes, prometheus.CounterValue, float64(n), became)
	}
	for result, n := range st.Calls {
		ch <- prometheus.MustNewConstMetric(descPushCalls, prometheus.CounterValue, float64(n), result)
	}
}
