package mesh

import (
	"sync"
	"sync/atomic"
	"time"
)

// faults loses messages on purpose, for tests and gori torture.
type faults struct {
	closed atomic.Bool
	drop   func() bool // static after Lose; nil: never

	any atomic.Bool // there are cuts; spares the lock
	mu  sync.Mutex
	cut map[string]time.Time // until when, by the peer's name
}

// Cut loses everything to and from the node of that name for a while, as a
// broken network between the two does. Each side has to be told.
func (m *Mesh) Cut(node string, d time.Duration) {
	f := &m.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut == nil {
		f.cut = make(map[string]time.Time)
	}
	f.cut[node] = m.now().Add(d)
	f.any.Store(true)
}

// Lose has drop decide, for each message to be sent, whether it is lost. For
// tests; call it before Run.
func (m *Mesh) Lose(drop func() bool) { m.faults.drop = drop }

// lose tells whether a message to the node is to be lost.
func (f *faults) lose(node string, now time.Time) bool {
	return (f.drop != nil && f.drop()) || f.deaf(node, now)
}

// deaf tells whether nothing of the node is to be heard.
func (f *faults) deaf(node string, now time.Time) bool {
	if !f.any.Load() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	until, found := f.cut[node]
	if found && !now.Before(until) {
		delete(f.cut, node)
		f.any.Store(len(f.cut) > 0)
		return false
	}
	return found
}
