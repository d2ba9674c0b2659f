package mesh

import (
	"log/slog"
	"slices"
	"sync"
	"testing"

	"gori/chat"
)

// ear is a Gossip and Listener that writes down what it hears. Its table of
// who is where is given by the test.
type ear struct {
	where map[string][]chat.UserID // static

	mu      sync.Mutex
	tidings []chat.Tiding
	users   [][]chat.UserID
	gossip  []string // node:payload, and +node, -node
	missed  int
	changed chan struct{} // replaced at each change
}

func newEar() *ear { return &ear{changed: make(chan struct{})} }

func (e *ear) note(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *ear) Heard(node string, payload []byte) {
	e.note(func() { e.gossip = append(e.gossip, node+":"+string(payload)) })
}
func (e *ear) NodeJoined(node string) { e.note(func() { e.gossip = append(e.gossip, "+"+node) }) }
func (e *ear) NodeGone(node string)   { e.note(func() { e.gossip = append(e.gossip, "-"+node) }) }

func (e *ear) NodesOf(users []chat.UserID, yield func(string, []chat.UserID)) {
	for node, there := range e.where {
		var both []chat.UserID
		for _, u := range users {
			if slices.Contains(there, u) {
				both = append(both, u)
			}
		}
		if len(both) > 0 {
			yield(node, both)
		}
	}
}

func (e *ear) Missed() { e.note(func() { e.missed++ }) }

// listener is the ear as a chat.Listener: both interfaces have a Heard.
type listener struct{ *ear }

func (l listener) Heard(users []chat.UserID, t chat.Tiding) {
	l.note(func() {
		l.tidings = append(l.tidings, chat.Tiding{Kind: t.Kind, Body: slices.Clone(t.Body)})
		l.users = append(l.users, slices.Clone(users))
	})
}

// until waits for what the ear has written down.
func (e *ear) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for {
		e.mu.Lock()
		done, changed := ok(), e.changed
		e.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("never: %s", what)
		}
	}
}

func (e *ear) deps() Deps {
	return Deps{Gossip: e, Listener: listener{e}, State: func() chat.NodeState {
		return chat.NodeState{Sessions: 3, Capacity: 10, Ready: true}
	}}
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}
