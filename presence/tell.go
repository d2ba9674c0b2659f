package presence

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"gori/chat"
)

// Run tells, saves and gossips until ctx ends, then saves once more what is
// unsaved, within 5 s. It returns when its goroutines have stopped.
func (t *Tracker) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { t.keepLoop(ctx) })
	wg.Go(func() { t.gossipLoop(ctx) })
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
// it is to be called again without being woken.
func (t *Tracker) tellRound(now time.Time) bool {
	t.mu.Lock()
	if t.wakefulLocked(now); now.Before(t.untoldUntil) {
		t.mu.Unlock()
		return true
	}
	unsure := t.sureLocked(now)
	for u := range t.lingering {
		p := t.people[u]
		if p == nil {
			delete(t.lingering, u)
		} else if !now.Before(p.graceUntil) {
			t.settleLocked(u, p, t.sumLocked(u, now), now)
		}
	}
	batches := t.batchesLocked(now)
	remain := unsure || len(t.lingering) > 0
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

// telling is who is told which of the states.
type telling struct {
	states   []chat.PresenceState
	users    map[chat.UserID][]byte    // recipient → places in states, as uint32s
	sessions map[chat.SessionID][]byte // likewise
}

// batchesLocked takes the dirty people, finds who hears of each, and groups
// recipients that hear the same, so that a frame is encoded once for them.
func (t *Tracker) batchesLocked(now time.Time) []batch {
	r := telling{users: map[chat.UserID][]byte{}, sessions: map[chat.SessionID][]byte{}}
	for u, before := range t.dirty {
		s := t.sumLocked(u, now)
		if t.unsureLocked(0, u, s) {
			continue // until it is known, or the node is sure
		}
		delete(t.dirty, u)
		t.tellOfLocked(&r, u, before, s)
	}
	for _, g := range t.found {
		p := t.people[t.users[g.session]]
		if p == nil || g.at > 0 && t.sumLocked(g.user, now).say != sayNothing {
			continue // the user has come meanwhile, and is told of
		}
		place := len(r.states)
		if r.states = t.showLocked(r.states, p, g.user, now); len(r.states) == place {
			continue // is owed now
		}
		r.states[place].LastActiveAt = max(r.states[place].LastActiveAt, g.at)
		r.sessions[g.session] = appendPlace(r.sessions[g.session], place)
	}
	t.found = nil
	return group(r.states, r.users, r.sessions)
}

// tellOfLocked adds one user, of whom s is known, to what is told: to friends and watchers who are
// here, each as far as they may see.
func (t *Tracker) tellOfLocked(r *telling, u chat.UserID, before was, s sum) {
	if s.say == sayNothing {
		s.last = max(s.last, before.last)
	}
	friends, others := s.shown()
	place := func(l level) func() int {
		at := -1
		return func() int {
			if at < 0 {
				at = len(r.states)
				state := chat.PresenceState{User: u, State: l.String(), LastActiveAt: s.last}
				if l == offline && s.say != sayNothing {
					state.LastActiveAt = 0 // is hidden
				}
				r.states = append(r.states, state)
			}
			return at
		}
	}
	toFriend, toOther := place(friends), place(others)
	if friends == others {
		toOther = toFriend
	}
	if friends != before.friends || before.mixed {
		t.kin.of(u, func(p *person) {
			if len(p.sessions) > 0 && !p.mayNotSee(u) {
				r.users[p.id] = appendPlace(r.users[p.id], toFriend())
			}
		})
	}
	for _, w := range t.watchers[u] {
		v, session := w.viewer, w.session
		switch {
		case v.id == u || v.mayNotSee(u) || v.friendOf(u): // a friend has been told
		case others != before.others || before.mixed:
			r.sessions[session] = appendPlace(r.sessions[session], toOther())
		}
	}
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

// appendPlace adds a place in the list of states to a recipient's key, once.
func appendPlace(key []byte, place int) []byte {
	if n := len(key); n >= 4 && binary.LittleEndian.Uint32(key[n-4:]) == uint32(place) {
		return key
	}
	return binary.LittleEndian.AppendUint32(key, uint32(place))
}
