package presence

import (
	"time"

	"gori/chat"
)

// sum is what all nodes together say of a user.
type sum struct {
	say  say
	seen seen // the strictest that is known
	live bool // a session is live somewhere
	last chat.Millis
}

// was is what was told of a user before it changed.
type was struct {
	friends, others level
	mixed           bool        // some have been answered otherwise meanwhile: all are told
	last            chat.Millis // of an end that nobody keeps
}

// known tells whether it is known what to show of the user: someone says that
// the user is there, and who may see it.
func (s sum) known() bool { return s.say != sayNothing && s.seen != 0 }

// shown is what friends and other people are shown.
func (s sum) shown() (friends, others level) {
	l := s.say.level()
	switch s.seen {
	case seenByAll:
		return l, l
	case seen(chat.PresenceToFriends) + 1:
		return l, offline
	}
	return offline, offline
}

// sumLocked adds up what is known of a user.
func (t *Tracker) sumLocked(u chat.UserID, now time.Time) sum {
	var s sum
	add := func(w word, last chat.Millis) {
		s.say = max(s.say, w.say())
		s.seen = max(s.seen, w.seen())
		s.live = s.live || w.live() > 0
		s.last = max(s.last, last)
	}
	if p := t.people[u]; p != nil {
		add(p.word, p.lastActive)
	}
	t.nodes.table.each(u, func(sp spot) {
		w, last := t.nodes.word(sp), min(millisOf(sp.last), chat.MillisOf(now))
		if w.say() == sayActive {
			last = chat.MillisOf(now) // heartbeats of other nodes are not told
		}
		add(w, last)
	})
	return s
}

// changedLocked has people told of a user whose sum has changed from before.
func (t *Tracker) changedLocked(u chat.UserID, before sum, now time.Time) {
	s := t.sumLocked(u, now)
	if _, owed := t.owed[u]; owed && s.known() {
		t.payLocked(u)
	}
	f, o := before.shown()
	if d, waiting := t.dirty[u]; waiting {
		d.last = before.last
		t.dirty[u] = d
		return
	}
	if nf, no := s.shown(); nf != f || no != o {
		t.dirty[u] = was{friends: f, others: o, last: before.last}
		signal(t.wake)
	}
}

// stateOf is what a viewer is shown of a user.
func stateOf(viewer *person, u chat.UserID, s sum) chat.PresenceState {
	l, last := s.say.level(), s.last
	friends, others := s.shown()
	switch {
	case viewer.id == u: // sees the truth
	case viewer.mayNotSee(u):
		l = offline
	case viewer.friendOf(u):
		l = friends
	default:
		l = others
	}
	if l == offline && viewer.id != u && !mayKnow(viewer, u, s) {
		last = 0
	}
	return chat.PresenceState{User: u, State: l.String(), LastActiveAt: last}
}

// mayKnow tells whether a viewer may know when an offline user was last active,
// as far as memory can tell.
func mayKnow(viewer *person, u chat.UserID, s sum) bool {
	if viewer.mayNotSee(u) {
		return false
	}
	return s.seen == seenByAll || s.seen == seen(chat.PresenceToFriends)+1 && viewer.friendOf(u)
}

// SeenBy tells who may see a user's presence from now on. Every node may be
// told; those where the user is take it over.
func (t *Tracker) SeenBy(user chat.UserID, to chat.PresenceTo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setSeenLocked(user, seen(to)+1)
}

// SeenByChanged is SeenBy on all nodes.
func (t *Tracker) SeenByChanged(user chat.UserID, to chat.PresenceTo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setSeenLocked(user, seen(to)+1)
	if t.peers != nil {
		t.seenWords[user] = seenWord{to, chat.MillisOf(time.Now()), seenRounds}
		t.repeatSeenLocked()
	}
}

func (t *Tracker) setSeenLocked(user chat.UserID, to seen) {
	p := t.people[user]
	if p == nil || p.seen == to {
		return
	}
	now := time.Now()
	before := t.sumLocked(user, now)
	p.seen = to
	t.settleLocked(user, p, before, now)
}

// settleAllLocked looks at everyone here anew.
func (t *Tracker) settleAllLocked(now time.Time) {
	for u, p := range t.people {
		t.settleLocked(u, p, t.sumLocked(u, now), now)
	}
}

// endGracesLocked drops the users of nodes that have been gone for grace.
func (t *Tracker) endGracesLocked(now time.Time) {
	for _, p := range t.nodes.all {
		if p == nil || p.joined || now.Before(p.until) || now.Before(t.untoldUntil) {
			continue
		}
		for b := range bucketCount {
			for _, u := range t.nodes.table.inBucket(uint8(b), p.index) {
				before := t.sumLocked(u, now)
				t.nodes.put(p, u, record{})
				t.changedLocked(u, before, now)
			}
		}
		t.nodes.drop(p)
	}
}
