package presence

import (
	"time"

	"gori/chat"
)

// activity is what a session's last heartbeat said of its person.
type activity uint8

const (
	unknown activity = iota // no heartbeat yet
	active
	idle
)

// live is one live session.
type live struct {
	id       chat.SessionID
	activity activity
	heard    time.Time // arrival or the last heartbeat
	watching []chat.UserID
}

// person is a user with a live session, in grace, or with a last_active_at not
// yet saved. Others are not in memory.
type person struct {
	status     Status
	told       string // what others were last told
	sessions   []*live
	friends    []chat.UserID // as given by Befriended; shared, not changed
	dropped    int           // sockets in grace that have not come back
	graceUntil time.Time
	lastActive chat.Millis
	saved      chat.Millis // what Beats is known to have
}

// event sums up the sessions.
func (p *person) event(now time.Time) Event {
	if len(p.sessions) == 0 {
		if p.dropped > 0 && now.Before(p.graceUntil) {
			return EventDropped
		}
		return EventLeft
	}
	e := EventIdle
	for _, s := range p.sessions {
		switch s.activity {
		case active:
			return EventActive
		case unknown:
			e = EventBack
		}
	}
	return e
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
		p.dropped = 0 // what dropped long ago is not coming back
	}
	p.dropped++
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

func (p *person) state(user chat.UserID) chat.PresenceState {
	return chat.PresenceState{User: user, State: p.status.Told(), LastActiveAt: p.lastActive}
}
