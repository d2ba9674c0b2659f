package presence

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"gori/chat"
)

// Run tells and saves until ctx ends, then saves once more what is unsaved,
// within 5 s. It returns when its goroutines have stopped.
func (t *Tracker) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { t.keepLoop(ctx) })
	t.tellLoop(ctx)
	wg.Wait()
}

// tellLoop makes a batch of whatever came within BatchEvery, and looks at
// graces while there are any.
func (t *Tracker) tellLoop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	armed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
			if !armed {
				timer.Reset(t.opt.BatchEvery)
				armed = true
			}
		case <-timer.C:
			armed = false
			if t.tellRound(time.Now()) {
				timer.Reset(max(t.opt.BatchEvery, t.opt.Grace/20))
				armed = true
			}
		}
	}
}

// tellRound ends graces that are over, tells what has changed and says whether
// graces remain.
func (t *Tracker) tellRound(now time.Time) bool {
	t.mu.Lock()
	for u := range t.lingering {
		p := t.people[u]
		if p == nil {
			delete(t.lingering, u)
		} else if !now.Before(p.graceUntil) {
			t.settleLocked(u, p, now)
		}
	}
	batches := t.batchesLocked()
	remain := len(t.lingering) > 0
	t.mu.Unlock()
	for _, b := range batches {
		for chunk := range slices.Chunk(b.states, MaxBatch) {
			t.teller.TellPresence(b.users, b.sessions, chunk)
		}
	}
	return remain
}

// batch is what the same recipients are told at once.
type batch struct {
	users    []chat.UserID
	sessions []chat.SessionID
	states   []chat.PresenceState
}

// batchesLocked takes the dirty people, finds who hears of each, and groups
// recipients that hear the same, so that a frame is encoded once for them.
func (t *Tracker) batchesLocked() []batch {
	var states []chat.PresenceState
	users := map[chat.UserID][]byte{} // recipient → places in states, as uint32s
	sessions := map[chat.SessionID][]byte{}
	for u := range t.dirty {
		delete(t.dirty, u)
		p := t.people[u]
		if p == nil {
			continue
		}
		if told := p.status.Told(); told != p.told {
			p.told = told
			place := len(states)
			states = append(states, p.state(u))
			for _, f := range p.friends {
				if fp := t.people[f]; fp != nil && len(fp.sessions) > 0 {
					users[f] = appendPlace(users[f], place)
				}
			}
			for _, s := range t.watchers[u] {
				if t.users[s] != u {
					sessions[s] = appendPlace(sessions[s], place)
				}
			}
		}
		if p.status == Offline {
			p.friends = nil
			t.forgetLocked(u, p)
		}
	}
	for u, at := range t.found {
		delete(t.found, u)
		if t.people[u] != nil {
			continue // here by now, and told of
		}
		place := len(states)
		states = append(states, chat.PresenceState{User: u, State: Offline.Told(), LastActiveAt: at})
		for _, s := range t.watchers[u] {
			sessions[s] = appendPlace(sessions[s], place)
		}
	}
	return group(states, users, sessions)
}

func group(states []chat.PresenceState, users map[chat.UserID][]byte, sessions map[chat.SessionID][]byte) []batch {
	groups := map[string]*batch{}
	of := func(places []byte) *batch {
		b := groups[string(places)]
		if b == nil {
			b = &batch{}
			for i := 0; i < len(places); i += 4 {
				b.states = append(b.states, states[binary.LittleEndian.Uint32(places[i:])])
			}
			groups[string(places)] = b
		}
		return b
	}
	for u, places := range users {
		b := of(places)
		b.users = append(b.users, u)
	}
	for s, places := range sessions {
		b := of(places)
		b.sessions = append(b.sessions, s)
	}
	batches := make([]batch, 0, len(groups))
	for _, b := range groups {
		batches = append(batches, *b)
	}
	return batches
}

// forgetLocked drops a person of whom nothing remains to be done.
func (t *Tracker) forgetLocked(u chat.UserID, p *person) {
	if p.status == Offline && p.told == Offline.Told() && p.saved >= p.lastActive {
		delete(t.people, u)
		delete(t.unsaved, u)
	}
}

// appendPlace adds a place in the list of states to a recipient's key.
func appendPlace(key []byte, place int) []byte {
	return binary.LittleEndian.AppendUint32(key, uint32(place))
}
