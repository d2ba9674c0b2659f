package presence

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

// fakeBeats is Beats in memory, with the rule that times never go back.
type fakeBeats struct {
	mu    sync.Mutex
	at    map[chat.UserID]chat.Millis
	to    map[chat.UserID]chat.PresenceTo
	saves int
	most  int
	down  bool
}

func (b *fakeBeats) LastActive(_ context.Context, _ chat.UserID, ids []chat.UserID) (map[chat.UserID]chat.Millis, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errors.New("down")
	}
	m := map[chat.UserID]chat.Millis{}
	for _, u := range ids {
		if b.to[u] == chat.PresenceToEveryone {
			m[u] = b.at[u]
		}
	}
	return m, nil
}

func (b *fakeBeats) SaveActive(_ context.Context, at map[chat.UserID]chat.Millis) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errors.New("down")
	}
	b.saves++
	b.most = max(b.most, len(at))
	for u, when := range at {
		b.at[u] = max(b.at[u], when)
	}
	return nil
}

func (b *fakeBeats) SeenBy(_ context.Context, ids []chat.UserID) (map[chat.UserID]chat.PresenceTo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := map[chat.UserID]chat.PresenceTo{}
	for _, u := range ids {
		m[u] = b.to[u]
	}
	return m, nil
}

func (b *fakeBeats) get(u chat.UserID) chat.Millis {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at[u]
}

type told struct {
	after time.Duration
	users map[chat.UserID]bool
	sess  map[chat.SessionID]bool
	state chat.PresenceState
}

// ear is a Teller that remembers.
type ear struct {
	mu    sync.Mutex
	start time.Time
	heard []told
	calls int
}

func (e *ear) TellPresence(users []chat.UserID, sessions []chat.SessionID, states []chat.PresenceState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	us, ss := map[chat.UserID]bool{}, map[chat.SessionID]bool{}
	for _, u := range users {
		us[u] = true
	}
	for _, s := range sessions {
		ss[s] = true
	}
	for _, st := range states {
		e.heard = append(e.heard, told{time.Since(e.start), us, ss, st})
	}
}

// all is everything told so far.
func (e *ear) all() []told {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// words lists what a user was told of another, in order.
func (e *ear) words(to, of chat.UserID) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var w []string
	for _, h := range e.heard {
		if h.users[to] && h.state.User == of {
			w = append(w, h.state.State)
		}
	}
	return w
}

func (e *ear) sessionWords(to chat.SessionID, of chat.UserID) []told {
	e.mu.Lock()
	defer e.mu.Unlock()
	var w []told
	for _, h := range e.heard {
		if h.sess[to] && h.state.User == of {
			w = append(w, h)
		}
	}
	return w
}

// surely is after how long a node that has begun is sure of everybody.
const surely = 11 * time.Second

// bubble runs f in fake time with a Tracker that has been running for a while.
func bubble(t *testing.T, f func(tr *Tracker, e *ear, b *fakeBeats)) {
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBeats{at: map[chat.UserID]chat.Millis{}}
		e := &ear{}
		tr := New(b, e, Options{})
		defer running(t, tr)()
		time.Sleep(surely)
		e.start = time.Now()
		f(tr, e, b)
	})
}

// running runs a Tracker until what it returns is called.
func running(t *testing.T, tr *Tracker) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { tr.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// come is a session that arrives and whose user anyone may see.
func come(tr *Tracker, u chat.UserID, s chat.SessionID) {
	tr.Arrived(u, chat.LoginID(u), s)
	tr.SeenBy(u, chat.PresenceToEveryone)
}

// friends makes 1 and 2 friends, 2 being here by session 20 and kept awake.
func friends(tr *Tracker) {
	come(tr, 2, 20)
	tr.Befriended(2, []chat.UserID{1}, nil)
}

func arrive(tr *Tracker, s chat.SessionID) {
	come(tr, 1, s)
	tr.Befriended(1, []chat.UserID{2}, nil)
}

func eq(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("told %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("told %v, want %v", got, want)
		}
	}
}

// choose sets who may see a user.
func (b *fakeBeats) choose(u chat.UserID, to chat.PresenceTo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to[u] = to
}
