package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-chi/chi/v5"

	"gori/chat"
	"gori/chat/chattest"
	"gori/presence"
)

// system is a whole server over a store in memory.
type system struct {
	t      testing.TB
	api    *Server
	mem    *chattest.Memory
	svc    *chat.Service
	people *chat.PeopleService
	board  *fakeBoard
	fields *fieldSet // notes what answers hold; nil: not noted
}

// noBeats keeps no times of last visits.
type noBeats struct{}

func (noBeats) LastActive(context.Context, chat.UserID, []chat.UserID) (map[chat.UserID]chat.Millis, error) {
	return map[chat.UserID]chat.Millis{}, nil
}
func (noBeats) SeenBy(context.Context, []chat.UserID) (map[chat.UserID]chat.PresenceTo, error) {
	return nil, nil
}
func (noBeats) SaveActive(context.Context, map[chat.UserID]chat.Millis) error { return nil }

// patience ends what hangs. It is no promise: a busy host may take its time.
const patience = 2 * time.Minute

const testOrigin = "http://chat.test"

// newSystem starts a system that ends with the test. change may be nil.
func newSystem(t testing.TB, change func(*Config, *chat.PeopleDeps)) *system {
	t.Helper()
	mem := chattest.NewMemory()
	hub := chat.NewHub(chat.HubConfig{Log: quiet})
	mem.OnInbox = hub.InboxChanged
	svc, err := chat.NewService(chat.Deps{Log: mem, Directory: mem, Roster: mem, Inboxes: mem, Invites: mem, People: mem,
		Contacts: mem, Audit: mem, Hub: hub, Node: "n1", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	tracker := presence.New(noBeats{}, hub, presence.Options{Log: quiet})
	svc.SetAttendance(tracker)
	deps := chat.PeopleDeps{Accounts: mem, Logins: mem, People: mem, Avatars: mem, Service: svc, Audit: mem, Logger: quiet, Password: cheap}
	pushes := newPushes(t, svc)
	board := &fakeBoard{}
	cfg := Config{Chat: svc, Presence: tracker, Node: "n1", Version: "test", PublicURLs: []string{testOrigin},
		Pushes: pushes, Board: board, Reshards: board, Files: fstest.MapFS{}, Logger: quiet}
	if change != nil {
		change(&cfg, &deps)
	}
	people, err := chat.NewPeople(deps)
	if err != nil {
		t.Fatal(err)
	}
	cfg.People = people
	cfg.Programs, err = chat.NewPrograms(chat.ProgramDeps{Bots: mem, Hooks: mem, People: people, Service: svc, Webhooks: pushes, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = svc.Run(ctx) })
	work.Go(func() { _ = people.Run(ctx) })
	work.Go(func() { tracker.Run(ctx) })
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(end, 0)
		stop()
		work.Wait()
	})
	return &system{t: t, api: s, mem: mem, svc: svc, people: people, board: board}
}

// actor is someone with a token; the zero actor is nobody.
type actor struct {
	id    string
	name  string
	token string
}

// answered is what came back.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// code is the code of a refused request.
func (a answered) code() chat.Code {
	var e errorBody
	_ = json.Unmarshal(a.body, &e) // not JSON: no code
	return e.Error.Code
}

// field reads a field of a JSON object by its path.
func (a answered) field(path ...string) any {
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		return nil
	}
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func (a answered) text(path ...string) string { return fmt.Sprint(a.field(path...)) }

// request makes a request as a program of this host would.
func (sys *system) request(method, path string, body any) *http.Request {
	sys.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	default:
		enc, err := json.Marshal(b)
		if err != nil {
			sys.t.Fatal(err)
		}
		r = bytes.NewReader(enc)
	}
	if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/n/") && path != "/healthz" && path != "/readyz" {
		path = "/api/v1" + path
	}
	req := httptest.NewRequest(method, path, r)
	req.RemoteAddr = "127.0.0.1:5000"
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// serve answers a request and holds the answer against openapi.yaml.
func (sys *system) serve(req *http.Request) answered {
	sys.t.Helper()
	w := httptest.NewRecorder()
	sys.api.Public().ServeHTTP(w, req)
	a := answered{w.Code, w.Header(), w.Body.Bytes()}
	rc := chi.NewRouteContext()
	if !sys.api.public.(chi.Routes).Match(rc, req.Method, req.URL.EscapedPath()) || strings.HasSuffix(rc.RoutePattern(), "/*") {
		return a
	}
	if err := mustSpec(sys.t).checkAnswer(req.Method, rc.RoutePattern(), a.status, a.header, a.body); err != nil {
		sys.t.Errorf("the answer is not what openapi.yaml says: %v", err)
	}
	if sys.fields != nil {
		sys.fields.note(req.Method+" "+rc.RoutePattern(), a)
	}
	return a
}

// do makes a request as someone.
func (sys *system) do(who actor, method, path string, body any, headers ...string) answered {
	sys.t.Helper()
	req := sys.request(method, path, body)
	if who.token != "" {
		req.Header.Set("Authorization", "Bearer "+who.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return sys.serve(req)
}

// must makes a request that has to succeed.
func (sys *system) must(who actor, method, path string, body any, headers ...string) answered {
	sys.t.Helper()
	a := sys.do(who, method, path, body, headers...)
	if a.status >= 300 {
		sys.t.Fatalf("%s %s as %q: %d %s", method, path, who.name, a.status, a.body)
	}
	return a
}

type object = map[string]any

const testPassword = "correct horse 배터리"

func (sys *system) signUp(name string) actor {
	sys.t.Helper()
	a := sys.must(actor{name: name}, "POST", "/signup", object{"login_name": name, "password": testPassword, "display_name": name, "want_token": true})
	return actor{id: a.text("me", "id"), name: name, token: a.text("token")}
}

// uuid makes a client_msg_id from a number.
func uuid(n int) string { return fmt.Sprintf("0190b0c4-7e6b-7c3a-9d3f-%012x", n) }

// say sends a message and returns its seq.
func (sys *system) say(who actor, channel string, n int, body string) int {
	sys.t.Helper()
	a := sys.must(who, "POST", "/channels/"+channel+"/messages", object{"body": body}, "Idempotency-Key", uuid(n))
	return int(a.field("seq").(float64))
}
