package notifytest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gori/notify"
)

// Loopback are the networks that a Notifier must allow to reach a Service.
func Loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// Push is what a Service was given.
type Push struct {
	Path    string
	Topic   string
	Urgency string
	TTL     string
	Payload map[string]any
	Raw     []byte // the payload's JSON
}

// Text returns a field of the payload as text, "" if it is not there.
func (p Push) Text(field string) string {
	switch v := p.Payload[field].(type) {
	case string:
		return v
	case nil:
		return ""
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(b)
	}
}

// Service is a push service and a webhook receiver on this host. It decrypts
// what it is given, as the browser would, and checks who sent it.
type Service struct {
	t   testing.TB
	srv *httptest.Server

	mu        sync.Mutex
	receivers map[string]*Receiver
	secrets   map[string][]byte
	pushes    []Push
	answer    func(path string) (status int, header http.Header)
	hold      chan struct{}
	seen      int // requests, also those answered with an error
	key       string
}

// NewService starts a Service that ends with the test. vapidKey is the public
// key of whoever may send; empty: anyone's.
func NewService(t testing.TB, vapidKey string) *Service {
	s := &Service{t: t, key: vapidKey, receivers: map[string]*Receiver{}, secrets: map[string][]byte{}}
	s.srv = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.Release()
		s.srv.Close()
	})
	return s
}

// URL returns an address of the service; path begins with a slash.
func (s *Service) URL(path string) string { return s.srv.URL + path }

// Subscribe makes a subscription at a path, as a browser would.
func (s *Service) Subscribe(path string) notify.Registration {
	s.t.Helper()
	r := NewReceiver(s.t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receivers[path] = r
	return notify.Registration{Kind: notify.WebPush, Endpoint: s.URL(path), P256dh: r.P256dh(), Auth: r.Auth()}
}

// Expect makes a path a webhook's, with its secret.
func (s *Service) Expect(path, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[path] = []byte(secret)
}

// Answer makes the service answer by f; status 0 hangs up without an answer.
func (s *Service) Answer(f func(path string) (status int, header http.Header)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Hold lets requests wait until Release.
func (s *Service) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = make(chan struct{})
}

// Release ends Hold.
func (s *Service) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil {
		close(s.hold)
		s.hold = nil
	}
}

// Pushes returns what was taken, in order.
func (s *Service) Pushes() []Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Push(nil), s.pushes...)
}

// Seen counts all requests.
func (s *Service) Seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.seen++
	hold, answer := s.hold, s.answer
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}
	status, header := http.StatusCreated, http.Header(nil)
	if answer != nil {
		status, header = answer(r.URL.Path)
	}
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	for k, v := range header {
		w.Header()[k] = v
	}
	if status < 300 {
		s.take(r, body)
	}
	w.WriteHeader(status)
}

func (s *Service) take(r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plain := body
	if recv := s.receivers[r.URL.Path]; recv != nil {
		var err error
		if plain, err = recv.Decrypt(r.Header, body); err != nil {
			s.t.Errorf("the push to %s: %v", r.URL.Path, err)
			return
		}
		if err := checkVAPID(r.Header.Get("Authorization"), s.srv.URL, s.key, time.Now()); err != nil {
			s.t.Errorf("the push to %s: %v", r.URL.Path, err)
		}
	} else if secret := s.secrets[r.URL.Path]; secret != nil {
		if err := checkSignature(r.Header.Get(notify.SignatureHeader), secret, body, time.Now()); err != nil {
			s.t.Errorf("the webhook %s: %v", r.URL.Path, err)
		}
	}
	p := Push{Path: r.URL.Path, Topic: r.Header.Get("Topic"), Urgency: r.Header.Get("Urgency"), TTL: r.Header.Get("TTL"), Raw: plain}
	if err := json.Unmarshal(plain, &p.Payload); err != nil {
		s.t.Errorf("the push to %s is not JSON: %s", r.URL.Path, strings.ToValidUTF8(string(plain), "?"))
	}
	s.pushes = append(s.pushes, p)
}
