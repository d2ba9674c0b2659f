package presence

import (
	"slices"
	"time"

	"gori/chat"
)

// maxDropped bounds the logins that a person's graces are kept of.
const maxDropped = 64

// live is one live session.
type live struct {
	id       chat.SessionID
	login    chat.LoginID
	say      say       // of its last heartbeat
	heard    time.Time // arrival or the last heartbeat
	watching []chat.UserID
}

// watcher is a session that watches someone, and whose it is.
type watcher struct {
	session chat.SessionID
	viewer  *person
}

// person is a user with a live session or a listener here, in grace here, of
// whom the other nodes are to be told, or with a last_active_at not yet saved.
// Others of this node's users are not in memory.
type person struct {
	id         chat.UserID
	word       word   // what is to be said of the person
	said       record // what the other nodes were told
	seen       seen
	sessions   []*live
	listeners  int
	friends    []chat.UserID // sorted; of kin, as slot is
	slot       uint32
	hiding     []chat.UserID  // sorted: those whom the person may not see
	dropped    []chat.LoginID // of sockets in grace that have not come back, the oldest first
	dropSay    say            // what is said during grace
	graceUntil time.Time
	lastActive chat.Millis
	saved      chat.Millis // what Beats is known to have
}

// speak sums up the sessions. Those not heard since doubt, when the process
// stood still, say nothing yet.
func (p *person) speak(now, doubt time.Time) word {
	s := sayNothing
	for _, l := range p.sessions {
		if !l.heard.Before(doubt) {
			s = max(s, l.say)
		}
	}
	if len(p.dropped) > 0 && now.Before(p.graceUntil) {
		s = max(s, p.dropSay)
	} else {
		p.dropped, p.dropSay, p.graceUntil = nil, sayNothing, time.Time{}
	}
	return makeWord(s, p.seen, len(p.sessions), p.listeners > 0)
}

// touch moves lastActive, never back.
func (p *person) touch(now time.Time) {
	if at := chat.MillisOf(now); at > p.lastActive {
		p.lastActive = at
	}
}

// drop notes that a session's socket is gone without a word: grace lasts
// graceTime, but no longer than silence since the person was last heard, so
// that a session ended for its silence gets none.
func (p *person) drop(s *live, now time.Time, o Options) {
	until := now.Add(o.Grace)
	if end := s.heard.Add(o.Silence); end.Before(until) {
		until = end
	}
	if !until.After(now) {
		return
	}
	if p.graceUntil.Before(now) {
		p.dropped, p.dropSay = nil, sayNothing // what dropped long ago is not coming back
	}
	if len(p.dropped) == maxDropped {
		p.dropped = slices.Delete(p.dropped, 0, 1)
	}
	p.dropped = append(p.dropped, s.login)
	p.dropSay = max(p.dropSay, s.say.lingering())
	if until.After(p.graceUntil) {
		p.graceUntil = until
	}
}

// take removes a session, nil if it is not there.
func (p *person) take(id chat.SessionID) *live {
	for i, s := range p.sessions {
		if s.id == id {
			p.sessions = append(p.sessions[:i:i], p.sessions[i+1:]...)
			return s
		}
	}
	return nil
}

// friendOf tells whether user is a friend of the person.
func (p *person) friendOf(user chat.UserID) bool {
	_, found := slices.BinarySearch(p.friends, user)
	return found
}

// mayNotSee tells whether user has shut the person out.
func (p *person) mayNotSee(user chat.UserID) bool {
	_, found := slices.BinarySearch(p.hiding, user)
	return found
}
