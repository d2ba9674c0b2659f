package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gori/chat"
)

// Metrics is the node's Prometheus registry and what package api counts in it.
// Make it first, hand Registry to the other parts, then give it to New. Label
// values come from closed sets only: codes, ops, routes, shard names.
type Metrics struct {
	Registry *prometheus.Registry
	// Acked, if not nil, hears how long each send took that was acknowledged. Set it
	// before anybody sends.
	Acked func(took time.Duration)

	requests   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	refused    *prometheus.CounterVec
	panics     prometheus.Counter
	sockets    prometheus.Gauge
	handshakes *prometheus.CounterVec
	framesIn   *prometheus.CounterVec
	framesOut  prometheus.Counter
	bytesIn    prometheus.Counter
	bytesOut   prometheus.Counter
	writes     prometheus.Counter
	closes     *prometheus.CounterVec

	sends  prometheus.Counter
	acks   prometheus.Counter
	nacks  *prometheus.CounterVec
	append *prometheus.HistogramVec
}

// NewMetrics makes the registry with the collectors of the Go runtime and the
// process.
func NewMetrics() *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry()}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "gori_" + name, Help: help})
		m.Registry.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gori_" + name, Help: help}, labels)
		m.Registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "gori_" + name, Help: help, Buckets: buckets}, labels)
		m.Registry.MustRegister(h)
		return h
	}
	seconds := []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}
	m.requests = counters("http_requests_total", "Answered HTTP requests.", "route", "method", "status")
	m.latency = histogram("http_request_seconds", "Time to answer an HTTP request.", seconds, "route")
	m.refused = counters("http_errors_total", "Refused HTTP requests by code.", "code")
	m.panics = counter("panics_total", "Panics recovered in handlers and sessions.")
	m.sockets = prometheus.NewGauge(prometheus.GaugeOpts{Name: "gori_sockets", Help: "Open WebSockets."})
	m.Registry.MustRegister(m.sockets)
	m.handshakes = counters("handshakes_total", "WebSocket handshakes by result.", "result")
	m.framesIn = counters("frames_in_total", "Frames received by op.", "op")
	m.framesOut = counter("frames_out_total", "Frames written to sockets.")
	m.bytesIn = counter("frame_bytes_in_total", "Bytes of frames received.")
	m.bytesOut = counter("frame_bytes_out_total", "Bytes of frames written.")
	m.writes = counter("frame_writes_total", "Write system calls for frames; frames_out over this is the coalescing.")
	m.closes = counters("closes_total", "WebSockets closed by us, by close code.", "code")
	m.sends = counter("sends_total", "Messages asked to be sent.")
	m.acks = counter("acks_total", "Messages acknowledged as stored.")
	m.nacks = counters("nacks_total", "Refused frames by code.", "code")
	m.append = histogram("append_seconds", "Time from a send to its acknowledgement.", seconds, "result")
	return m
}

// The methods below are what package chat counts by; they are safe from any
// goroutine and never block.

// FrameIn counts a frame received by a session. Ops that the protocol does not
// know are counted as "other".
func (m *Metrics) FrameIn(op string) {
	if !clientOps[op] {
		op = "other"
	}
	m.framesIn.WithLabelValues(op).Inc()
}

var clientOps = map[string]bool{
	chat.OpResume: true, chat.OpSend: true, chat.OpRead: true, chat.OpTyping: true,
	chat.OpOpen: true, chat.OpPing: true, chat.OpBye: true,
}

// Sent counts a send and how it ended; an empty code is an acknowledgement.
func (m *Metrics) Sent(code chat.Code, took time.Duration) {
	m.sends.Inc()
	if code == "" {
		m.acks.Inc()
		m.append.WithLabelValues("ack").Observe(took.Seconds())
		if m.Acked != nil {
			m.Acked(took)
		}
		return
	}
	m.append.WithLabelValues("nack").Observe(took.Seconds())
}

// Nacked counts a refused frame.
func (m *Metrics) Nacked(code chat.Code) { m.nacks.WithLabelValues(string(code)).Inc() }

// Gauge registers a value that is read when metrics are scraped, such as the
// length of a queue or the health of a shard. labels are name, value pairs.
func (m *Metrics) Gauge(name, help string, read func() float64, labels ...string) {
	set := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		set[labels[i]] = labels[i+1]
	}
	m.Registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "gori_" + name, Help: help, ConstLabels: set}, read))
}

// Gauges is Gauge for values that come and go, each with its own value of one
// label.
func (m *Metrics) Gauges(name, help, label string, read func() map[string]float64) {
	m.Registry.MustRegister(gauges{prometheus.NewDesc("gori_"+name, help, []string{label}, nil), read})
}

type gauges struct {
	desc *prometheus.Desc
	read func() map[string]float64
}

// Describe implements prometheus.Collector.
func (g gauges) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	for value, n := range g.read() {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, n, value)
	}
}

func (m *Metrics) answered(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.latency.WithLabelValues(route).Observe(took.Seconds())
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// watch counts what the hub counts by itself.
func (m *Metrics) watch(hub *chat.Hub) { m.Registry.MustRegister(hubCollector{hub}) }

type hubCollector struct{ hub *chat.Hub }

var (
	descSessions  = prometheus.NewDesc("gori_sessions", "Live sessions.", nil, nil)
	descUsers     = prometheus.NewDesc("gori_session_users", "Users with a live session.", nil, nil)
	descWaits     = prometheus.NewDesc("gori_long_polls", "Long polls waiting.", nil, nil)
	descDelivered = prometheus.NewDesc("gori_frames_queued_total", "Frames put on the queues of sessions.", nil, nil)
	descDropped   = prometheus.NewDesc("gori_frames_dropped_total", "Frames dropped, by reason.", []string{"reason"}, nil)
	descClosed    = prometheus.NewDesc("gori_sessions_closed_total", "Sessions ended, by close code.", []string{"code"}, nil)
)

// Describe implements prometheus.Collector.
func (c hubCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSessions, descUsers, descWaits, descDelivered, descDropped, descClosed} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c hubCollector) Collect(ch chan<- prometheus.Metric) {
	st := c.hub.Stats()
	ch <- prometheus.MustNewConstMetric(descSessions, prometheus.GaugeValue, float64(st.Sessions))
	ch <- prometheus.MustNewConstMetric(descUsers, prometheus.GaugeValue, float64(st.Users))
	ch <- prometheus.MustNewConstMetric(descWaits, prometheus.GaugeValue, float64(st.Waits))
	ch <- prometheus.MustNewConstMetric(descDelivered, prometheus.CounterValue, float64(st.Delivered))
	for reason, n := range st.Dropped {
		ch <- prometheus.MustNewConstMetric(descDropped, prometheus.CounterValue, float64(n), reason)
	}
	for code, n := range st.Closed {
		ch <- prometheus.MustNewConstMetric(descClosed, prometheus.CounterValue, float64(n), strconv.Itoa(int(code)))
	}
}
