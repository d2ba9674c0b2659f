package presence

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"gori/chat"
)

// Limits of a Tracker.
const (
	MaxWatched = 500     // people one session watches; more are not watched
	MaxBatch   = 500     // users in one call of Beats and one batch told
	maxUnsaved = 200_000 // offline people whose last_active_at waits for a shard
	maxLookups = 10_000  // people whose last_active_at is still to be read for a watcher
)

// Options are the times of a Tracker; zero means the default.
type Options struct {
	Grace      time.Duration // after a dropped socket; 10 s
	Silence    time.Duration // after the last heartbeat; 45 s
	BatchEvery time.Duration // the longest a change waits for others before it is told; 100 ms
	SaveEvery  time.Duration // how often last_active_at of people who stay is saved; 1 min
	Log        *slog.Logger
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Grace, 10*time.Second)
	def(&o.Silence, chat.SilenceSeconds*time.Second)
	def(&o.BatchEvery, 100*time.Millisecond)
	def(&o.SaveEvery, time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Tracker follows the sessions of one node. Make it with New; Run tells and
// saves.
type Tracker struct {
	beats  Beats
	teller Teller
	opt    Options
	wake   chan struct{} // capacity 1: there is something to tell
	keep   chan struct{} // capacity 1: there is something to save or read

	mu        sync.Mutex
	people    map[chat.UserID]*person
	users     map[chat.SessionID]chat.UserID   // whose a session is
	watchers  map[chat.UserID][]chat.SessionID // sessions that watch the user
	dirty     map[chat.UserID]struct{}         // status may differ from what was told
	lingering map[chat.UserID]struct{}         // in grace
	unsaved   map[chat.UserID]struct{}         // to save at once, not at the next minute
	lookups   map[chat.UserID]struct{}         // watched strangers whose last_active_at is to be read
	found     map[chat.UserID]chat.Millis      // what was read of them, to tell
	dropped   uint64                           // last_active_at given up, see maxUnsaved
}

// New makes a Tracker that keeps times in beats and tells through teller.
func New(beats Beats, teller Teller, opt Options) *Tracker {
	return &Tracker{
		beats: beats, teller: teller, opt: opt.withDefaults(),
		wake:      make(chan struct{}, 1),
		keep:      make(chan struct{}, 1),
		people:    map[chat.UserID]*person{},
		users:     map[chat.SessionID]chat.UserID{},
		watchers:  map[chat.UserID][]chat.SessionID{},
		dirty:     map[chat.UserID]struct{}{},
		lingering: map[chat.UserID]struct{}{},
		unsaved:   map[chat.UserID]struct{}{},
		lookups:   map[chat.UserID]struct{}{},
		found:     map[chat.UserID]chat.Millis{},
	}
}

var _ chat.Attendance = (*Tracker)(nil)

// Arrived notes a new session. Whether its person is active is not known
// before the first heartbeat: a user who was away stays away.
func (t *Tracker) Arrived(user chat.UserID, session chat.SessionID) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.users[session]; known {
		return
	}
	p := t.people[user]
	if p == nil {
		p = &person{told: Offline.Told()}
		t.people[user] = p
	}
	if p.dropped > 0 {
		p.dropped-- // most likely the one that dropped
	}
	if p.status == Offline {
		p.touch(now)
	}
	p.sessions = append(p.sessions, &live{id: session, heard: now})
	t.users[session] = user
	t.settleLocked(user, p, now)
}

// Beat notes a heartbeat.
func (t *Tracker) Beat(user chat.UserID, session chat.SessionID, isActive bool) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.people[user]
	if p == nil {
		return
	}
	for _, s := range p.sessions {
		if s.id != session {
			continue
		}
		s.heard = now
		s.activity = idle
		if isActive {
			s.activity = active
			p.touch(now)
		}
		t.settleLocked(user, p, now)
		return
	}
}

// Left notes the end of a session.
func (t *Tracker) Left(user chat.UserID, session chat.SessionID, explicit bool) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.people[user]
	if p == nil {
		return
	}
	s := p.take(session)
	if s == nil {
		return
	}
	t.unwatchLocked(s)
	delete(t.users, session)
	if s.activity != idle && p.status == Online && explicit {
		p.touch(now) // leaving is something a person does
	}
	if !explicit {
		p.drop(s, now, t.opt)
	}
	t.settleLocked(user, p, now)
}

// Watch replaces what a session watches; nil ends it. Times of people who are
// not here are read in the background and told when they are known.
func (t *Tracker) Watch(session chat.SessionID, users []chat.UserID) []chat.PresenceState {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.people[t.users[session]]
	if p == nil {
		return t.statesLocked(users)
	}
	i := slices.IndexFunc(p.sessions, func(s *live) bool { return s.id == session })
	if i < 0 {
		return t.statesLocked(users)
	}
	s := p.sessions[i]
	t.unwatchLocked(s)
	s.watching = slices.Clone(users[:min(len(users), MaxWatched)])
	for _, u := range s.watching {
		t.watchers[u] = append(t.watchers[u], session)
		if t.people[u] == nil && len(t.lookups) < maxLookups {
			t.lookups[u] = struct{}{}
		}
	}
	if len(t.lookups) > 0 {
		signal(t.keep)
	}
	return t.statesLocked(users)
}

// Befriended replaces the accepted friends of a user who is here and answers
// with their present state.
func (t *Tracker) Befriended(user chat.UserID, friends []chat.UserID) []chat.PresenceState {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.people[user]; p != nil {
		p.friends = slices.Clone(friends[:min(len(friends), chat.MaxFriends)])
	}
	return t.statesLocked(friends)
}

// Here counts users with a live session or in grace, and live sessions.
func (t *Tracker) Here() (users, sessions int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.people {
		if p.status != Offline {
			users++
		}
	}
	return users, len(t.users)
}

// GivenUp counts last_active_at times that were dropped because a shard stayed
// down for too long.
func (t *Tracker) GivenUp() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}

func (t *Tracker) statesLocked(users []chat.UserID) []chat.PresenceState {
	states := make([]chat.PresenceState, 0, len(users))
	for _, u := range users {
		if p := t.people[u]; p != nil {
			states = append(states, p.state(u))
		} else {
			states = append(states, chat.PresenceState{User: u, State: Offline.Told()})
		}
	}
	return states
}

// settleLocked moves a person by the table and notes what Run has to do.
func (t *Tracker) settleLocked(user chat.UserID, p *person, now time.Time) {
	p.status = p.status.Next(p.event(now))
	if p.status.Lingering() {
		t.lingering[user] = struct{}{}
		signal(t.wake)
	} else {
		delete(t.lingering, user)
	}
	if p.status == Offline {
		p.dropped, p.graceUntil = 0, time.Time{}
	}
	if told := p.status.Told(); told != p.told || p.status == Offline {
		t.dirty[user] = struct{}{}
		if told != Online.Told() {
			t.unsaved[user] = struct{}{}
			signal(t.keep)
		}
		signal(t.wake)
	}
}

func (t *Tracker) unwatchLocked(s *live) {
	for _, u := range s.watching {
		rest := slices.DeleteFunc(t.watchers[u], func(id chat.SessionID) bool { return id == s.id })
		if len(rest) == 0 {
			delete(t.watchers, u)
		} else {
			t.watchers[u] = rest
		}
	}
	s.watching = nil
}

// signal wakes a loop of Run; it never waits.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
