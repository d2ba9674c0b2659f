package api

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"gori/chat"
)

// polling asks over a real connection, and returns once the poll waits.
func (sys *system) polling(ctx context.Context, addr string, who actor, after string, waiting int64) <-chan answered {
	sys.t.Helper()
	out := make(chan answered, 1)
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/api/v1/inbox?wait=55&after="+after, nil)
	if err != nil {
		sys.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+who.token)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			out <- answered{}
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body) // cut: the caller sees
		if resp.Close {
			resp.Header.Set("Connection", "close")
		}
		out <- answered{resp.StatusCode, resp.Header, body}
	}()
	sys.waits(waiting)
	return out
}

// waits waits until so many long polls wait.
func (sys *system) waits(n int64) {
	sys.t.Helper()
	for deadline := time.Now().Add(patience); sys.svc.Hub().Stats().Waits != n; {
		if time.Now().After(deadline) {
			sys.t.Fatalf("%d long polls wait, not %d", sys.svc.Hub().Stats().Waits, n)
		}
		<-time.After(time.Millisecond)
	}
}

func TestLongPollOverHTTP(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	direct := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	sys.say(ann, direct, 1, "first")
	pos := sys.must(bob, "GET", "/inbox?wait=0", nil).text("pos")

	answer := sys.polling(t.Context(), addr, bob, pos, 1)
	sys.say(ann, direct, 2, "second")
	got := <-answer
	if got.status != 200 || got.field("entries").([]any)[0].(object)["preview"] != "second" {
		t.Errorf("%d %s", got.status, got.body)
	}
	pos = got.text("pos")

	ctx, hangUp := context.WithCancel(t.Context())
	answer = sys.polling(ctx, addr, bob, pos, 1)
	hangUp()
	<-answer
	sys.waits(0)

	// Nothing is answered to an ended login, whatever comes at that moment (P7).
	answer = sys.polling(t.Context(), addr, bob, pos, 1)
	sys.must(bob, "POST", "/logout", nil)
	sys.say(ann, direct, 3, "not for bob")
	if got = <-answer; got.status != 401 || got.code() != chat.CodeUnauthenticated {
		t.Errorf("after logging out: %d %s", got.status, got.body)
	}
	for query, status := range map[string]int{"?wait=-1": 400, "?wait=x": 400, "?wait=1.5": 400, "?wait=": 400, "?wait=1&wait=2": 400,
		"?wait=99999999999999999999": 400, "?wait=1000000": 200} {
		if a := sys.do(ann, "GET", "/inbox"+query, nil); a.status != status {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

// A node that goes away answers its long polls at once and takes no more.
func TestLongPollsEndWithTheNode(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann := sys.signUp("ann")
	pos := sys.must(ann, "GET", "/inbox", nil).text("pos")
	answer := sys.polling(t.Context(), addr, ann, pos, 1)
	sys.api.Shutdown(t.Context(), 0)
	got := <-answer
	if got.status != 200 || len(got.field("entries").([]any)) != 0 || got.text("pos") != pos || got.header.Get("Connection") != "close" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if a := sys.do(ann, "GET", "/inbox?wait=5&after="+pos, nil); a.code() != chat.CodeDraining || a.header.Get("Retry-After") == "" {
		t.Errorf("another one: %d %v %s", a.status, a.header, a.body)
	}
}

func TestTooManyLongPolls(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann := sys.signUp("ann")
	ctx, hangUp := context.WithCancel(t.Context())
	var answers []<-chan answered
	for n := range int64(8) {
		answers = append(answers, sys.polling(ctx, addr, ann, "0", n+1))
	}
	if a := sys.do(ann, "GET", "/inbox?wait=5", nil); a.status != 503 || a.code() != chat.CodeOverloaded || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	sys.must(ann, "GET", "/inbox", nil) // without waiting there is room
	hangUp()
	for _, a := range answers {
		<-a
	}
	sys.waits(0)
}
