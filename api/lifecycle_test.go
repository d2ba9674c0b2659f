package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gori/chat"
)

// Whatever ends a login ends its live sessions too, with the code that says
// why, and its token is worth nothing (CVE-2026-9162, CVE-2023-32682).
func TestEndedLoginsLoseTheirSessions(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(sys *system, root, ann actor, other string)
		code websocket.StatusCode
		dies bool // the first login, too
	}{
		"log out": {func(sys *system, _, ann actor, _ string) { sys.must(ann, "POST", "/logout", nil) }, 4101, true},
		"revoke": {func(sys *system, _, ann actor, other string) {
			sys.must(actor{token: other}, "POST", "/logins/revoke_others", nil)
		}, 4101, true},
		"password": {func(sys *system, _, ann actor, other string) {
			sys.must(actor{token: other}, "POST", "/password", object{"old": testPassword, "new": testPassword + "!"})
		}, 4101, true},
		"disable": {func(sys *system, root, ann actor, _ string) {
			sys.must(root, "POST", "/admin/users/"+ann.id+"/disable", nil)
		}, 4102, true},
	} {
		t.Run(name, func(t *testing.T) {
			sys := newSystem(t, nil)
			addr := sys.listen()
			root, ann := sys.signUp("root"), sys.signUp("ann")
			other := sys.must(actor{}, "POST", "/login", object{"login_name": "ann", "password": testPassword, "want_token": true}).text("token")
			live := mustDial(t, addr, ann)
			live.resume()
			c.end(sys, root, ann, other)
			if code := live.closed(); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
			if a := sys.do(ann, "GET", "/me", nil); a.status != 401 {
				t.Errorf("its token is answered %d", a.status)
			}
			if _, resp, err := dialAs(t, addr, "/n/n1/ws", bearer(ann)); err == nil || resp.StatusCode != 401 {
				t.Errorf("its token opens a socket: %v", err)
			}
		})
	}
}

// Who is removed hears nothing more by any door (CVE-2026-20796,
// CVE-2024-53867, CVE-2023-32678).
func TestRemovedMembersHearNothing(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{bob.id}}).text("id")
	seq := sys.say(bob, group, 1, "mine")
	live := mustDial(t, addr, bob)
	live.resume()
	live.send(object{"op": "open", "channel": group})
	live.next("presence")
	sys.must(ann, "DELETE", "/channels/"+group+"/members/"+bob.id, nil)
	sys.say(ann, group, 2, "not for bob")
	at := "/channels/" + group
	for _, c := range []struct{ method, path, body string }{
		{"GET", at, ""}, {"GET", at + "/members", ""}, {"GET", at + "/messages", ""}, {"GET", at + "/changes?after=0&up_to=99", ""},
		{"POST", at + "/messages", `{"body":"x"}`}, {"PATCH", fmt.Sprintf("%s/messages/%d", at, seq), `{"body":"x"}`},
		{"DELETE", fmt.Sprintf("%s/messages/%d", at, seq), ""}, {"PUT", fmt.Sprintf("%s/messages/%d/reactions/x", at, seq), ""},
		{"PUT", at + "/read", `{"seq":1}`}, {"PATCH", at + "/preference", `{"pinned":true}`},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		if a := sys.do(bob, c.method, c.path, body, "Idempotency-Key", uuid(9)); a.status != 404 {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	inbox := sys.must(bob, "GET", "/inbox", nil)
	if strings.Contains(string(inbox.body), "not for bob") {
		t.Errorf("the inbox tells: %s", inbox.body)
	}
	live.send(object{"op": "send", "channel": group, "client_msg_id": uuid(10), "body": "x"})
	live.send(object{"op": "typing", "channel": group})
	for {
		frame := live.next("nack", "msg", "change", "typing", "channel", "read")
		if frame["op"] == "nack" {
			if frame["code"] != "not_member" {
				t.Errorf("%v", frame)
			}
			break
		}
		if m, _ := frame["message"].(object); m != nil && m["body"] == "not for bob" {
			t.Errorf("heard %v", frame)
		}
	}
}

// Frames that are no protocol: refused, and at last closed (B14–B19).
func TestBadFramesOfTheProtocol(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann := sys.signUp("ann")
	first := map[string]websocket.StatusCode{
		`{"op":"send","channel":"1","client_msg_id":"` + uuid(1) + `","body":"x"}`: 4100,
		`{"op":"resume","v":2,"pos":0}`:                                            4103,
		`{"op":"resume","v":1,"pos":-1}`:                                           4100,
		`garbage`:                                                                  4100,
	}
	for frame, want := range first {
		c := mustDial(t, addr, ann)
		c.send(frame)
		if code := c.closed(); code != want {
			t.Errorf("%.40s first: %d, want %d", frame, code, want)
		}
	}
	c := mustDial(t, addr, ann)
	c.resume()
	for frame, code := range map[string]string{
		`{"op":"fly"}`: "unknown_op", `{"op":"read","channel":"1"`: "bad_request", `{"op":"read","channel":1,"seq":1}`: "bad_request",
		`{"op":"typing","channel":"01"}`: "bad_id", `{"op":"ping","active":true,"active":false}`: "bad_request",
		`{"op":"ping","Active":true}`: "bad_request", "{\"op\":\"open\",\"channel\":\"1\\u0000\"}": "bad_text",
		`{"op":"send","channel":"1","client_msg_id":"` + uuid(3) + `","body":"\ud800"}`: "bad_text",
		`{"op":"send","channel":"1","client_msg_id":"` + uuid(4) + `","body":"x"}`:      "not_member",
	} {
		c.send(frame)
		if nack := c.next("nack"); nack["code"] != code {
			t.Errorf("%s: %v, want %s", frame, nack, code)
		}
	}
	c.send(object{"op": "ping", "active": true})
	c.next("pong") // it lives
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for range chat.MaxBadFrames + 1 {
		if c.conn.Write(ctx, websocket.MessageText, []byte(`{"op":"fly"}`)) != nil {
			break
		}
	}
	if code := c.closed(); code != 4100 {
		t.Errorf("after many bad frames: %d", code)
	}
}

// Draining tells sessions to come back elsewhere, refuses new ones, fails
// /readyz and leaves nothing behind.
func TestDrain(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann := sys.signUp("ann")
	live := mustDial(t, addr, ann)
	live.resume()
	silent, _ := rawDial(t, addr, "/n/n1/ws", "Authorization: Bearer "+ann.token) // will not answer the close
	sys.must(actor{}, "GET", "/readyz", nil)
	done := make(chan struct{})
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		sys.api.Shutdown(ctx, 0)
		close(done)
	}()
	if code := live.closed(); code != 4002 {
		t.Errorf("closed with %d", code)
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Shutdown does not return")
	}
	_ = silent.Close()
	if a := sys.do(actor{}, "GET", "/readyz", nil); a.status != 503 || a.code() != chat.CodeDraining {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
	if a := sys.do(actor{}, "GET", "/healthz", nil); a.status != 200 {
		t.Errorf("/healthz: %d", a.status)
	}
	if _, resp, err := dialAs(t, addr, "/n/n1/ws", bearer(ann)); err == nil || resp.StatusCode != 503 {
		t.Errorf("a new socket while draining: %v", err)
	}
	if n := len(sys.api.sockets.live); n != 0 {
		t.Errorf("%d sockets are left", n)
	}
}

// A client that stops reading is given up; the others do not notice (F28).
func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	channel := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	deaf, br := rawDial(t, addr, "/n/n1/ws", "Authorization: Bearer "+bob.token)
	_ = deaf.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := deaf.Write(text(`{"op":"resume","v":1,"pos":0}`).bytes()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readRaw(br); err != nil {
		t.Fatal(err)
	}
	good := mustDial(t, addr, bob)
	good.resume()
	body := strings.Repeat("가", 100_000)
	for i := range 40 { // 12 MB: more than the queue and the kernel hold
		sys.say(ann, channel, i, body)
		// Both say that they live, as devices do: else a busy host gives them up for that.
		good.send(object{"op": "ping", "active": true})
		_, _ = deaf.Write(text(`{"op":"ping","active":true}`).bytes()) // it may be given up already
		if m := good.next("msg")["message"].(object); m["seq"] != float64(i+1) {
			t.Fatalf("message %v came as number %d", m["seq"], i+1)
		}
	}
	deadline := time.Now().Add(patience)
	for sys.svc.Hub().Stats().Sessions > 1 {
		if time.Now().After(deadline) {
			t.Fatal("the deaf session lives")
		}
		time.Sleep(10 * time.Millisecond) // the kernel's buffers have no other sign
	}
	if st := sys.svc.Hub().Stats(); st.Closed[chat.CloseSlow] == 0 {
		t.Errorf("closed: %v", st.Closed)
	}
}

// panicky is a store whose profiles panic.
type panicky struct{ chat.People }

func (panicky) Self(context.Context, chat.UserID) (chat.Self, error) { panic("at the disco") }

// A panic ends one request or one session, is counted, and tells nothing.
func TestPanicsAreContained(t *testing.T) {
	var broken atomic.Bool
	sys := newSystem(t, func(_ *Config, d *chat.PeopleDeps) { d.People = maybe{d.People, &broken} })
	ann := sys.signUp("ann")
	broken.Store(true)
	a := sys.do(ann, "GET", "/me", nil)
	if a.code() != chat.CodeInternal || strings.Contains(string(a.body), "disco") {
		t.Errorf("%d %s", a.status, a.body)
	}
	broken.Store(false)
	sys.must(ann, "GET", "/me", nil)
	w := sys.do(actor{}, "GET", "/healthz", nil)
	if w.status != 200 {
		t.Error("the process is ill")
	}
	if body := metricsOf(t, sys.api); !strings.Contains(body, "gori_panics_total 1") {
		t.Error("the panic is not counted")
	}
}

type maybe struct {
	chat.People
	broken *atomic.Bool
}

func (m maybe) Self(ctx context.Context, user chat.UserID) (chat.Self, error) {
	if m.broken.Load() {
		return panicky{m.People}.Self(ctx, user)
	}
	return m.People.Self(ctx, user)
}

func metricsOf(t testing.TB, s *Server) string {
	t.Helper()
	w := newRecorder()
	req, err := http.NewRequest("GET", "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Admin().ServeHTTP(w, req)
	return w.Body.String()
}

// Metrics, profiles and nothing else are on the admin address, and not on the
// public one.
func TestAdminAddress(t *testing.T) {
	sys := newSystem(t, nil)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		req := sys.request("GET", "/healthz", nil)
		req.URL.Path = path
		w := newRecorder()
		sys.api.Public().ServeHTTP(w, req)
		if strings.Contains(w.Body.String(), "gori_") || strings.Contains(w.Body.String(), "goroutine") {
			t.Errorf("%s is public", path)
		}
		w = newRecorder()
		sys.api.Admin().ServeHTTP(w, req)
		if w.Code != 200 {
			t.Errorf("%s on the admin address: %d", path, w.Code)
		}
	}
	text := metricsOf(t, sys.api)
	for _, name := range []string{"gori_sessions ", "gori_sockets ", "gori_http_requests_total", "gori_frames_dropped_total", "gori_acks_total ", "gori_sends_total ", "go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(text, name) {
			t.Errorf("no metric %s", name)
		}
	}
}
