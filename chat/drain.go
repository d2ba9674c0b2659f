package chat

import (
	"context"
	"slices"
	"time"
)

const (
	// drainStep is the time between two batches of sessions told to leave.
	drainStep = 50 * time.Millisecond
	// leaveWithin is how long a session that was told to leave may take to
	// answer the sends it has taken and to write what is queued.
	leaveWithin = 2 * time.Second
	// drainReason is what a device is told.
	drainReason = "this node is going away"
)

// leaver is a session that has been told to leave.
type leaver struct {
	s     *Session
	since time.Time
}

// Drain refuses new sessions and tells the live ones to leave, spread evenly
// over the given time so that they do not all come back at once. A session that
// leaves takes no more sends, answers those it has taken, and is then closed
// with CloseDrain; one that has not resumed yet is closed at once. Drain returns
// when all are closed; what is left when ctx ends is closed then.
func (h *Hub) Drain(ctx context.Context, spread time.Duration) {
	h.draining.Store(true)
	h.drainWaits()
	fresh, staying := h.everybody()
	for _, s := range fresh {
		s.end(CloseDrain, drainReason)
	}
	batch := len(staying)
	if spread > 0 {
		batch = int((time.Duration(batch)*drainStep + spread - 1) / spread)
	}
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	var leaving []leaver
	for {
		n := min(batch, len(staying))
		for _, s := range staying[:n] {
			s.leave()
			leaving = append(leaving, leaver{s, h.cfg.Now()})
		}
		staying = staying[n:]
		leaving = slices.DeleteFunc(leaving, func(l leaver) bool {
			if l.s.busy() && h.cfg.Now().Sub(l.since) < leaveWithin {
				return false
			}
			l.s.end(CloseDrain, drainReason)
			return true
		})
		if len(staying)+len(leaving) == 0 {
			break
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	// Those that ctx has cut short, and who came in while draining began.
	fresh, staying = h.everybody()
	for _, s := range append(fresh, staying...) {
		s.end(CloseDrain, drainReason)
	}
}

// everybody returns the live sessions: those that have not resumed yet, and the
// others.
func (h *Hub) everybody() (fresh, resumed []*Session) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.RLock()
		for _, s := range sh.byID {
			if s.attended() {
				resumed = append(resumed, s)
			} else {
				fresh = append(fresh, s)
			}
		}
		sh.mu.RUnlock()
	}
	return fresh, resumed
}

// leave makes the session take no more sends.
func (s *Session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = true
}

// busy tells whether the session owes its device an answer.
func (s *Session) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended && s.phase == phaseLive && (s.sends > 0 || s.flushing || len(s.out.frames) > 0)
}
