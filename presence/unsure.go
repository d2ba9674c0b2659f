package presence

import (
	"time"

	"gori/chat"
)

// maxOwed is how many users are told of in one round once the node is sure.
const maxOwed = 10_000

// A node that has just begun, or stood still, does not know whose socket has
// dropped on another node, or on this one before it: graces are in memory only,
// and the nodes that remember them may be gone too. Until a grace has passed it
// is unsure: of those whom it does not know it says nothing, rather than
// "offline" of somebody who is about to come back. So too of who says goodbye
// meanwhile: another device may be about to.

// beUnsureLocked has nobody unknown said to be offline for a grace from now.
func (t *Tracker) beUnsureLocked(now time.Time) {
	t.unsureUntil = now.Add(t.opt.Grace)
	signal(t.wake)
}

// unsureLocked tells whether nothing is to be said of a user, whatever the
// viewer may see. It ends with the round that notices, not by the clock.
func (t *Tracker) unsureLocked(viewer, u chat.UserID, s sum) bool {
	return !t.unsureUntil.IsZero() && !s.known() && viewer != u
}

// showLocked adds to states what a viewer who is here is shown of a user, and
// will be told changes of. Of whom the node is unsure it adds nothing and owes
// the state.
func (t *Tracker) showLocked(states []chat.PresenceState, viewer *person, u chat.UserID, now time.Time) []chat.PresenceState {
	s := t.sumLocked(u, now)
	if t.unsureLocked(viewer.id, u, s) {
		t.owed[u] = struct{}{}
		return states
	}
	if d, changing := t.dirty[u]; changing && !d.mixed {
		d.mixed = true
		t.dirty[u] = d
	}
	return append(states, stateOf(viewer, u, s))
}

// sureLocked ends being unsure when it is time and has the states that are
// owed told, a part in each round. It says whether it is to be called again.
func (t *Tracker) sureLocked(now time.Time) bool {
	if !t.unsureUntil.IsZero() {
		if now.Before(t.unsureUntil) {
			return true
		}
		t.unsureUntil = time.Time{}
		signal(t.keep) // for what was not looked up meanwhile
	}
	n := 0
	for u := range t.owed {
		if n++; n > maxOwed {
			break
		}
		t.payLocked(u)
	}
	return len(t.owed) > 0
}

// payLocked has the state that is owed of a user told: to all, and to those who
// may not see the user, whom changes pass over, as well.
func (t *Tracker) payLocked(u chat.UserID) {
	delete(t.owed, u)
	d := t.dirty[u]
	d.mixed = true
	t.dirty[u] = d
	signal(t.wake)
	for _, w := range t.watchers[u] {
		if w.viewer.mayNotSee(u) {
			t.found = append(t.found, glimpse{session: w.session, user: u})
		}
	}
	t.kin.of(u, func(p *person) {
		for _, s := range p.sessions {
			if p.mayNotSee(u) {
				t.found = append(t.found, glimpse{session: s.id, user: u})
			}
		}
	})
}

// sureOfLocked is users without those of whom the node is unsure, and what is
// known of them.
func (t *Tracker) sureOfLocked(viewer chat.UserID, users []chat.UserID, now time.Time) ([]chat.UserID, []sum) {
	sure, sums := make([]chat.UserID, 0, len(users)), make([]sum, 0, len(users))
	for _, u := range users {
		if s := t.sumLocked(u, now); !t.unsureLocked(viewer, u, s) {
			sure, sums = append(sure, u), append(sums, s)
		}
	}
	return sure, sums
}
