package presence

import (
	"time"

	"gori/chat"
)

// Stats is what a Tracker knows and has counted.
type Stats struct {
	Users     int            // with a session, a listener or grace here
	Elsewhere int            // likewise on other nodes
	Nodes     map[string]int // users of each other node that has joined
	Behind    int            // nodes of which not everything is known at this moment
	Asked     uint64         // times another node was asked for what differs
	Repaired  uint64         // buckets taken from answers
	Garbage   uint64         // payloads that were not well made
	Thaws     uint64         // times this process stood still for long
}

// Stats returns the counts.
func (t *Tracker) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.counts
	s.Nodes = map[string]int{}
	s.Elsewhere = t.nodes.table.users()
	for name, p := range t.nodes.byName {
		if !p.joined {
			continue
		}
		s.Nodes[name] = p.users
		if p.behind {
			s.Behind++
		}
	}
	return s
}

// Liveness tells whether a user has a live session on any node, and if not, how
// long at most the user is still in grace; a listener is no session.
func (t *Tracker) Liveness(user chat.UserID) (live bool, graceLeft time.Duration) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.people[user]; p != nil {
		live = len(p.sessions) > 0
		if p.word.say().lingers() {
			graceLeft = max(graceLeft, p.graceUntil.Sub(now))
		}
	}
	t.nodes.table.each(user, func(s spot) {
		w, p := t.nodes.word(s), t.nodes.all[s.node]
		live = live || w.live() > 0
		if !w.say().lingers() {
			return
		}
		left := t.opt.Grace // on another node: when it began is not known
		if p != nil && !p.joined {
			left = p.until.Sub(now)
		}
		graceLeft = max(graceLeft, left)
	})
	if live {
		return true, 0
	}
	return false, graceLeft
}
