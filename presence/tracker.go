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
	maxLookups = 10_000  // sessions for which last_active_at is still to be read
)

// Options are the times of a Tracker; zero means the default.
type Options struct {
	Grace      time.Duration // after a dropped socket; 10 s
	Silence    time.Duration // after the last heartbeat; chat.SilenceSeconds
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

// Tracker follows the sessions of one node and what the other nodes say of
// theirs. Make it with New; Run tells, saves and gossips.
type Tracker struct {
	beats  Beats
	teller Teller
	opt    Options
	run    uint64        // tells this process from one before it; grows
	wake   chan struct{} // capacity 1: there is something to tell people
	keep   chan struct{} // capacity 1: there is something to save or read
	soon   chan struct{} // capacity 1: someone has arrived, and the nodes are to be told
	spread chan struct{} // capacity 1: there is something else to tell the nodes

	mu        sync.Mutex
	people    map[chat.UserID]*person        // who is here
	users     map[chat.SessionID]chat.UserID // whose a session is
	watchers  map[chat.UserID][]watcher      // sessions that watch the user
	kin       kin                            // friends of those who are here
	dirty     map[chat.UserID]was            // what is shown may differ from what was told
	lingering map[chat.UserID]struct{}       // in grace here
	unsaved   map[chat.UserID]struct{}       // to save at once, not at the next minute
	lookups   map[chat.SessionID]struct{}    // watchers for whom last_active_at of some is to be read
	found     []glimpse                      // what was read for them, to tell
	dropped   uint64                         // last_active_at given up, see maxUnsaved

	// the other nodes, guarded by mu
	peers       Peers // nil: there are none
	self        string
	nodes       nodes
	announces   map[chat.UserID]struct{} // people of whom the nodes have not heard the newest
	seenWords   map[chat.UserID]seenWord
	seq         uint64              // of the last change announced
	root        uint64              // the sum of digests
	digests     [bucketCount]uint64 // of what has been announced
	digested    time.Time           // when the last digest was sent
	changed     time.Time           // the round before the last change
	lastRound   time.Time
	doubt       time.Time                // sessions not heard since say nothing
	quietUntil  time.Time                // nothing is told to nodes until then
	untoldUntil time.Time                // nothing is told to people until then
	unsureUntil time.Time                // until then unknown users are not said to be offline; zero: sure
	owed        map[chat.UserID]struct{} // of whom nothing was said meanwhile
	rejoined    bool                     // a node has joined: who may see whom is to be read again
	counts      Stats
}

// New makes a Tracker that keeps times in beats and tells through teller.
func New(beats Beats, teller Teller, opt Options) *Tracker {
	t := &Tracker{
		beats: beats, teller: teller, opt: opt.withDefaults(),
		run:       uint64(time.Now().UnixNano()),
		wake:      make(chan struct{}, 1),
		keep:      make(chan struct{}, 1),
		soon:      make(chan struct{}, 1),
		spread:    make(chan struct{}, 1),
		people:    map[chat.UserID]*person{},
		users:     map[chat.SessionID]chat.UserID{},
		watchers:  map[chat.UserID][]watcher{},
		dirty:     map[chat.UserID]was{},
		lingering: map[chat.UserID]struct{}{},
		unsaved:   map[chat.UserID]struct{}{},
		lookups:   map[chat.SessionID]struct{}{},
		announces: map[chat.UserID]struct{}{},
		seenWords: map[chat.UserID]seenWord{},
		owed:      map[chat.UserID]struct{}{},
	}
	t.nodes.init()
	t.beUnsureLocked(time.Now())
	return t
}

var (
	_ chat.Attendance = (*Tracker)(nil)
	_ chat.Discretion = (*Tracker)(nil)
)

// Arrived notes a new session. Whether its person is active is not known
// before the first heartbeat: a user who was away stays away.
func (t *Tracker) Arrived(user chat.UserID, login chat.LoginID, session chat.SessionID) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.users[session]; known {
		return
	}
	before := t.sumLocked(user, now)
	p := t.personLocked(user)
	// Another device does not end the grace of the one that dropped.
	if i := slices.Index(p.dropped, login); i >= 0 {
		p.dropped = slices.Delete(p.dropped, i, i+1)
	}
	if before.say == sayNothing {
		p.touch(now)
	}
	p.sessions = append(p.sessions, &live{id: session, login: login, heard: now, say: back(before.say.level())})
	t.users[session] = user
	t.settleLocked(user, p, before, now)
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
		before := t.sumLocked(user, now)
		s.heard = now
		s.say = sayIdle
		if isActive {
			s.say = sayActive
			p.touch(now)
		}
		t.settleLocked(user, p, before, now)
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
	before := t.sumLocked(user, now)
	s := p.take(session)
	if s == nil {
		return
	}
	t.unwatchLocked(s)
	delete(t.users, session)
	delete(t.lookups, session)
	if explicit && s.say.level() == online {
		p.touch(now) // leaving is something a person does
	}
	if !explicit {
		p.drop(s, now, t.opt)
	}
	t.settleLocked(user, p, before, now)
}

// Watch replaces what a session watches and answers with their present state;
// nil ends it. Times of people who are not here are read in the background and
// told when they are known; so is the state of those of whom a node that has
// just begun is not sure yet.
func (t *Tracker) Watch(session chat.SessionID, users []chat.UserID) []chat.PresenceState {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	user := t.users[session]
	p := t.people[user]
	if p == nil {
		return nil
	}
	i := slices.IndexFunc(p.sessions, func(s *live) bool { return s.id == session })
	if i < 0 {
		return nil
	}
	s := p.sessions[i]
	t.unwatchLocked(s)
	s.watching = slices.Clone(users[:min(len(users), MaxWatched)])
	states := make([]chat.PresenceState, 0, len(users))
	for _, u := range s.watching {
		t.watchers[u] = append(t.watchers[u], watcher{session, p})
		states = t.showLocked(states, p, u, now)
	}
	if len(s.watching) > 0 && len(t.lookups) < maxLookups {
		t.lookups[session] = struct{}{}
		signal(t.keep)
	}
	return states
}

// Befriended replaces the accepted friends of a user who is here, and those who
// do not want to be seen by the user, and answers with the friends' present
// state; that of friends of whom a node that has just begun is not sure yet is
// told within Grace.
func (t *Tracker) Befriended(user chat.UserID, friends, hiding []chat.UserID) []chat.PresenceState {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	friends = slices.Clone(friends[:min(len(friends), chat.MaxFriends)])
	p := t.people[user]
	if p == nil || len(p.sessions) == 0 {
		p = &person{id: user, friends: slices.Sorted(slices.Values(friends))}
		p.hiding = slices.Sorted(slices.Values(hiding))
	} else {
		before := person{friends: p.friends, hiding: p.hiding}
		t.kin.set(p, slices.Clone(friends))
		p.hiding = slices.Sorted(slices.Values(hiding))
		t.lookAnewLocked(p, &before)
	}
	states := make([]chat.PresenceState, 0, len(friends))
	for _, u := range friends {
		states = t.showLocked(states, p, u, now)
	}
	return states
}

// lookAnewLocked has a person's sessions told of those they watch and now see
// differently, as a friend or as one who is shut out.
func (t *Tracker) lookAnewLocked(p, before *person) {
	for _, s := range p.sessions {
		for _, u := range s.watching {
			if p.friendOf(u) != before.friendOf(u) || p.mayNotSee(u) != before.mayNotSee(u) {
				t.found = append(t.found, glimpse{session: s.id, user: u})
				signal(t.wake)
			}
		}
	}
}

// Here counts users with a live session or in grace on this node, and its live
// sessions.
func (t *Tracker) Here() (users, sessions int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.people {
		if p.word.say() != sayNothing {
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

// personLocked finds or makes the person of a user who is here.
func (t *Tracker) personLocked(user chat.UserID) *person {
	p := t.people[user]
	if p == nil {
		p = &person{id: user}
		t.people[user] = p
	}
	return p
}

// settleLocked brings a person's word up to date and notes what Run has to do.
// before is the sum before whatever has happened.
func (t *Tracker) settleLocked(user chat.UserID, p *person, before sum, now time.Time) {
	was := p.word
	if came := makeWord(0, p.seen, len(p.sessions), false).known() - was.known(); came > 0 {
		t.cameBackLocked(user, nil, came, now)
	}
	p.word = p.speak(now, t.doubt)
	if was.empty() && !p.word.empty() {
		t.counts.Users++
	} else if !was.empty() && p.word.empty() {
		t.counts.Users--
	}
	if p.word.say() != sayNothing && len(p.sessions) == 0 {
		t.lingering[user] = struct{}{}
		signal(t.wake)
	} else {
		delete(t.lingering, user)
	}
	if len(p.sessions) == 0 {
		t.kin.clear(p)
		p.hiding = nil
	}
	if p.word.say().level() != online && p.lastActive > p.saved {
		t.unsaved[user] = struct{}{}
		signal(t.keep)
	}
	if p.word != p.said.word {
		if t.peers == nil {
			p.said.word = p.word
		} else {
			t.announces[user] = struct{}{}
			if p.word.here() && !was.here() {
				signal(t.soon)
			} else {
				signal(t.spread)
			}
		}
	}
	t.changedLocked(user, before, now)
	t.forgetLocked(user, p)
}

// forgetLocked drops a person of whom nothing remains to be done.
func (t *Tracker) forgetLocked(u chat.UserID, p *person) {
	if p.word.empty() && p.said.word.empty() && len(p.sessions) == 0 && p.saved >= p.lastActive && t.people[u] == p {
		delete(t.people, u)
		delete(t.unsaved, u)
		delete(t.lingering, u)
	}
}

func (t *Tracker) unwatchLocked(s *live) {
	for _, u := range s.watching {
		list := t.watchers[u]
		for i := range list {
			if list[i].session == s.id {
				list[i] = list[len(list)-1]
				list[len(list)-1] = watcher{}
				list = list[:len(list)-1]
				break
			}
		}
		if len(list) == 0 {
			delete(t.watchers, u)
		} else {
			t.watchers[u] = list
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
