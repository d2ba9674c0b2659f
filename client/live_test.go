package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gori/client"
	"gori/client/clienttest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func signUp(t testing.TB, url, name string) *client.Client {
	t.Helper()
	c, err := client.New(url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SignUp(t.Context(), client.NewUser{LoginName: name, Password: "password", DisplayName: name}); err != nil {
		t.Fatal(err)
	}
	return c
}

// quick reconnects without long pauses.
var quick = client.Backoff{Base: time.Millisecond, Cap: 20 * time.Millisecond}

// ear remembers what a Live hands over.
type ear struct {
	mu   sync.Mutex
	cond *sync.Cond
	list []client.Message
	last map[client.Seq]string // the state by Seq, with changes
}

func newEar() *ear {
	e := &ear{last: map[client.Seq]string{}}
	e.cond = sync.NewCond(&e.mu)
	return e
}

func (e *ear) events() client.Events {
	return client.Events{
		Message: func(m client.Message) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.list = append(e.list, m)
			e.last[m.Seq] = m.Body
			e.cond.Broadcast()
		},
		Change: func(m client.Message) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.last[m.Seq] = m.Body
			e.cond.Broadcast()
		},
	}
}

// patience ends what hangs. It is no promise: a busy host may take its time.
const patience = 2 * time.Minute

func (e *ear) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.AfterFunc(patience, e.cond.Broadcast)
	defer late.Stop()
	end := time.Now().Add(patience - time.Second)
	e.mu.Lock()
	defer e.mu.Unlock()
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen; %d messages came", what, len(e.list))
		}
		e.cond.Wait()
	}
}

// bodies checks that the messages came once each and in order.
func (e *ear) bodies(t *testing.T, want int) {
	t.Helper()
	e.wait(t, fmt.Sprintf("message %d", want), func() bool { return len(e.list) >= want })
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.list) != want {
		t.Fatalf("%d messages came, want %d", len(e.list), want)
	}
	for i, m := range e.list {
		if m.Seq != client.Seq(i+1) || m.Body != fmt.Sprint("message ", i) {
			t.Fatalf("place %d holds seq %d, %q", i, m.Seq, m.Body)
		}
	}
}

func connect(t testing.TB, c *client.Client, opt client.LiveOptions) *client.Live {
	t.Helper()
	if opt.Backoff.Base == 0 {
		opt.Backoff = quick
	}
	l, err := c.Connect(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func pair(t *testing.T, url string) (a, b *client.Client, ch client.ChannelID) {
	a, b = signUp(t, url, "ada"), signUp(t, url, "bo")
	c, err := a.Direct(t.Context(), b.Me().ID)
	if err != nil {
		t.Fatal(err)
	}
	return a, b, c.ID
}

func sendAll(t *testing.T, l *client.Live, ch client.ChannelID, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		err := l.Enqueue(client.Outgoing{Channel: ch, Body: fmt.Sprint("message ", i)}, func(_ client.Receipt, err error) {
			if err != nil {
				t.Errorf("message %d: %v", i, err)
			}
			wg.Done()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

// TestFaultyNetwork cuts the connections of both people in the middle of
// frames, loses live frames and answers, and still every message comes once
// and in order.
func TestFaultyNetwork(t *testing.T) {
	s := clienttest.New(t)
	a, b, ch := pair(t, s.URL)
	var mu sync.Mutex
	n := 0
	s.Lose = func(_ client.UserID, op string) bool {
		mu.Lock()
		defer mu.Unlock()
		n++
		return op != "resumed" && op != "ack" && n%5 == 0
	}
	s.Forget = func(client.Outgoing) bool { return false }
	p := clienttest.NewProxy(t, strings.TrimPrefix(s.URL, "http://"), 6000, 1)
	through := func(c *client.Client) *client.Client {
		q, err := client.New(p.URL, client.Options{HTTP: client.NewHTTP(), Token: c.Token()})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	e := newEar()
	connect(t, through(b), client.LiveOptions{Events: e.events()})
	la := connect(t, through(a), client.LiveOptions{})
	sendAll(t, la, ch, 300)
	p.Calm()
	e.bodies(t, 300)
	if got := s.Messages(ch); len(got) != 300 {
		t.Fatalf("%d messages are stored, want 300", len(got))
	}
	if p.Cuts() < 5 {
		t.Fatalf("only %d connections were cut", p.Cuts())
	}
}

// TestRefusedSendsKeepTheirOrder: a send that is refused for now is tried
// again before any later one of its channel.
func TestRefusedSendsKeepTheirOrder(t *testing.T) {
	s := clienttest.New(t)
	a, b, ch := pair(t, s.URL)
	n := 0
	s.Refuse = func(client.Outgoing) *client.Error {
		if n++; n%3 == 0 {
			return &client.Error{Code: "moving", Retry: true, After: time.Millisecond}
		}
		return nil
	}
	e := newEar()
	connect(t, b, client.LiveOptions{Events: e.events()})
	la := connect(t, a, client.LiveOptions{})
	sendAll(t, la, ch, 60)
	e.bodies(t, 60)
}

func TestChangesConverge(t *testing.T) {
	s := clienttest.New(t)
	a, b, ch := pair(t, s.URL)
	e := newEar()
	lb := connect(t, b, client.LiveOptions{Events: e.events()})
	la := connect(t, a, client.LiveOptions{})
	sendAll(t, la, ch, 10)
	e.bodies(t, 10)
	edit := func(seq client.Seq, body string) {
		if _, err := a.Edit(t.Context(), ch, seq, body); err != nil {
			t.Fatal(err)
		}
	}
	edit(3, "live")
	e.wait(t, "a live change", func() bool { return e.last[3] == "live" })
	lose := true
	var mu sync.Mutex
	s.Lose = func(_ client.UserID, op string) bool {
		mu.Lock()
		defer mu.Unlock()
		return op == "change" && lose
	}
	edit(4, "lost")
	e.wait(t, "a change known only from the inbox", func() bool { return e.last[4] == "lost" })
	edit(5, "lost too")
	mu.Lock()
	lose = false
	mu.Unlock()
	lb.Drop()
	edit(6, "while away")
	e.wait(t, "changes missed while away", func() bool { return e.last[5] == "lost too" && e.last[6] == "while away" })
}

// TestResumeElsewhere: a new Live with the cursors of an earlier one gets what
// came between, and nothing twice.
func TestResumeElsewhere(t *testing.T) {
	s := clienttest.New(t)
	a, b, ch := pair(t, s.URL)
	e := newEar()
	lb := connect(t, b, client.LiveOptions{Events: e.events()})
	la := connect(t, a, client.LiveOptions{})
	for i := range 5 {
		if _, err := la.Send(t.Context(), client.Outgoing{Channel: ch, Body: fmt.Sprint("message ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	e.bodies(t, 5)
	lb.Close()
	pos, cursors := lb.Cursors()
	for i := 5; i < 500; i++ {
		if _, err := a.Post(t.Context(), client.Outgoing{Channel: ch, Body: fmt.Sprint("message ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	connect(t, b, client.LiveOptions{Events: e.events(), Pos: pos, Cursors: cursors})
	e.bodies(t, 500)
}

func TestLongGapIsSkippedAndSaid(t *testing.T) {
	s := clienttest.New(t)
	a, b, ch := pair(t, s.URL)
	for i := range 50 {
		if _, err := a.Post(t.Context(), client.Outgoing{Channel: ch, Body: fmt.Sprint("message ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	e := newEar()
	ev := e.events()
	var from, to client.Seq
	ev.Skipped = func(_ client.ChannelID, first, last client.Seq) { from, to = first, last }
	connect(t, b, client.LiveOptions{Events: ev, CatchUp: 10, Cursors: map[client.ChannelID]client.Cursor{ch: {Seq: 5}}})
	e.wait(t, "the last message", func() bool { return len(e.list) == 10 })
	if from != 6 || to != 40 || e.list[0].Seq != 41 {
		t.Fatalf("skipped %d to %d and began at %d", from, to, e.list[0].Seq)
	}
}

func TestCloseCodes(t *testing.T) {
	s := clienttest.New(t)
	a := signUp(t, s.URL, "ada")
	for _, tc := range []struct {
		code  int
		final bool
	}{{4001, false}, {4002, false}, {4003, false}, {1012, false}, {4004, true}, {4101, true}, {4102, true}, {4103, true}, {1009, true}} {
		l, err := a.Connect(t.Context(), client.LiveOptions{Backoff: quick})
		if err != nil {
			t.Fatal(err)
		}
		connects := l.Connects()
		s.CloseAll(tc.code, "test")
		if !tc.final {
			for end := time.Now().Add(patience); l.Connects() == connects; {
				if time.Now().After(end) {
					t.Fatalf("it does not come back after %d", tc.code)
				}
				select {
				case <-l.Done():
					t.Fatalf("%d ended it: %v", tc.code, l.Err())
				case <-time.After(time.Millisecond):
				}
			}
			l.Close()
			continue
		}
		select {
		case <-l.Done():
		case <-time.After(patience):
			t.Fatalf("it lives on after %d", tc.code)
		}
		var ce *client.CloseError
		if !errors.As(l.Err(), &ce) || ce.Code != tc.code {
			t.Fatalf("%d ended it with %v", tc.code, l.Err())
		}
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	s := clienttest.New(t)
	a, _, ch := pair(t, s.URL)
	s.Refuse = func(client.Outgoing) *client.Error {
		return &client.Error{Code: "shard_unavailable", Retry: true, After: time.Hour}
	}
	l, err := a.Connect(t.Context(), client.LiveOptions{Queue: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 2)
	for range 2 {
		if err := l.Enqueue(client.Outgoing{Channel: ch, Body: "x"}, func(_ client.Receipt, err error) { got <- err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Enqueue(client.Outgoing{Channel: ch, Body: "x"}, nil); !errors.Is(err, client.ErrOutboxFull) {
		t.Fatalf("a third message in an outbox of 2: %v", err)
	}
	l.Close()
	for range 2 {
		if err := <-got; !errors.Is(err, client.ErrClosed) {
			t.Fatalf("after Close: %v", err)
		}
	}
	if _, err := l.Send(t.Context(), client.Outgoing{Channel: ch, Body: "x"}); !errors.Is(err, client.ErrClosed) {
		t.Fatalf("a send after Close: %v", err)
	}
}

func TestCancelledSendIsWithdrawn(t *testing.T) {
	s := clienttest.New(t)
	a, _, ch := pair(t, s.URL)
	l := connect(t, a, client.LiveOptions{Queue: 1})
	s.Refuse = func(client.Outgoing) *client.Error {
		return &client.Error{Code: "shard_unavailable", Retry: true, After: time.Hour}
	}
	for range 3 { // each needs the one place of the outbox
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := l.Send(ctx, client.Outgoing{Channel: ch, Body: "x"})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

func TestUnauthenticatedEnds(t *testing.T) {
	s := clienttest.New(t)
	c, err := client.New(s.URL, client.Options{Token: "7.nobody"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Connect(t.Context(), client.LiveOptions{}); client.CodeOf(err) != "unauthenticated" {
		t.Fatalf("got %v", err)
	}
}

// TestSilentServerIsLeft: a connection on which pings are not answered is given
// up, and the Live comes back.
func TestSilentServerIsLeft(t *testing.T) {
	s := clienttest.New(t)
	a := signUp(t, s.URL, "ada")
	s.Lose = func(_ client.UserID, op string) bool { return op == "pong" }
	back := make(chan struct{}, 100)
	connect(t, a, client.LiveOptions{Heartbeat: 20 * time.Millisecond,
		Events: client.Events{Connected: func(client.Resumed) { back <- struct{}{} }}})
	for range 3 {
		select {
		case <-back:
		case <-time.After(patience):
			t.Fatal("it stays on a silent connection")
		}
	}
}
