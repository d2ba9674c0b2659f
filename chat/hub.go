package chat

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// hubShards is the number of locks the table of sessions is spread over; a
// power of two, because a SessionID carries its shard in its low bits.
const hubShards = 64

// Frame is one encoded frame on its way to sessions. Its bytes are shared by
// all of them and never changed.
type Frame struct {
	Bytes   []byte
	Channel ChannelID // whose content it is; 0: of no channel. A removal takes these back.
	Light   bool      // typing, presence, others' read marks: the first to be dropped
}

// HubConfig configures a Hub. The zero value is right for production.
type HubConfig struct {
	Now                func() time.Time // time.Now
	Log                *slog.Logger     // slog.Default()
	MaxSessionsPerUser int              // MaxSessionsPerUser
	Silence            time.Duration    // SilenceSeconds
	ResumeWithin       time.Duration    // 15 s: from connecting to the resume frame
	WriteWithin        time.Duration    // 20 s: for one write, or the session is slow
	SweepEvery         time.Duration    // 2 s
	NoticeEvery        time.Duration    // 250 ms: how long inbox notices are gathered for a session
	RelayEvery         time.Duration    // 50 ms: how long they are gathered for other nodes
}

func (c *HubConfig) defaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.MaxSessionsPerUser == 0 {
		c.MaxSessionsPerUser = MaxSessionsPerUser
	}
	setDuration(&c.Silence, SilenceSeconds*time.Second)
	setDuration(&c.ResumeWithin, 15*time.Second)
	setDuration(&c.WriteWithin, 20*time.Second)
	setDuration(&c.SweepEvery, 2*time.Second)
	setDuration(&c.NoticeEvery, 250*time.Millisecond)
	setDuration(&c.RelayEvery, 50*time.Millisecond)
}

func setDuration(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

// Hub knows the live sessions of this node. Its methods may be called from any
// goroutine; those that tell something to sessions never block.
type Hub struct {
	// static after NewHub
	cfg HubConfig

	// own locks
	shards  [hubShards]hubShard
	viewers [hubShards]viewerShard
	notices noticeBoard
	abroad  abroadBoard
	behind  behindTable
	lease   lease
	gone    goneLogins
	workers workers
	waits   waitTable

	// atomics
	nextID    atomic.Uint64
	sessions  atomic.Int64
	users     atomic.Int64
	delivered atomic.Int64
	drops     [dropReasons]atomic.Int64
	closes    closeCounts
	draining  atomic.Bool
	relay     atomic.Pointer[Relay] // nil: this node is alone
}

type hubShard struct {
	mu    sync.RWMutex
	users map[UserID]*userSessions
	byID  map[SessionID]*Session
}

// userSessions is a user with at least one live session. Guarded by its
// shard's mu.
type userSessions struct {
	sessions []*Session // oldest first
	told     told
}

// NewHub makes an empty hub. Run must run for silence to be noticed and inbox
// notices to be passed on.
func NewHub(cfg HubConfig) *Hub {
	cfg.defaults()
	h := &Hub{cfg: cfg}
	for i := range h.shards {
		h.shards[i].users = make(map[UserID]*userSessions)
		h.shards[i].byID = make(map[SessionID]*Session)
		h.viewers[i].open = make(map[ChannelID][]*Session)
	}
	h.notices.init()
	h.abroad.init()
	h.behind.init()
	h.lease.init()
	h.gone.init()
	h.closes.init()
	h.waits.init()
	return h
}

// Run sweeps silent sessions and passes inbox notices on until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	sweep := time.NewTicker(h.cfg.SweepEvery)
	defer sweep.Stop()
	swept := time.Now()
	gather, pack := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	defer gather.Stop()
	defer pack.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			swept = h.sweepUnlessLate(swept, time.Now())
		case <-h.notices.wake:
			gather.Reset(h.cfg.NoticeEvery)
		case <-gather.C:
			h.flushNotices()
		case <-h.abroad.wake:
			pack.Reset(h.cfg.RelayEvery)
		case <-pack.C:
			h.flushAbroad()
		}
	}
}

func userShard(id UserID) uint64 {
	// Fibonacci hashing: ids are time in the high bits and random in the low.
	return (uint64(id) * 0x9E3779B97F4A7C15) >> 58
}

// add registers a session, replacing the user's oldest one when there are too
// many. It is refused when its login has just ended or the node is draining.
func (h *Hub) add(s *Session) error {
	if h.draining.Load() {
		return Retryable(CodeDraining, 0, nil, "this node is going away")
	}
	k := userShard(s.who.User)
	s.id = SessionID(h.nextID.Add(1)*hubShards + k)
	sh := &h.shards[k]
	var oldest *Session
	sh.mu.Lock()
	if h.gone.has(s.who, h.cfg.Now()) {
		sh.mu.Unlock()
		return Errorf(CodeUnauthenticated, "this login has ended")
	}
	u := sh.users[s.who.User]
	if u == nil {
		u = &userSessions{}
		sh.users[s.who.User] = u
		h.users.Add(1)
	}
	if len(u.sessions) >= h.cfg.MaxSessionsPerUser {
		oldest = u.sessions[0]
	}
	u.sessions = append(u.sessions, s)
	sh.byID[s.id] = s
	sh.mu.Unlock()
	h.sessions.Add(1)
	if oldest != nil {
		oldest.end(CloseReplaced, "too many sessions of this user")
	}
	return nil
}

// remove forgets a session that add has registered.
func (h *Hub) remove(s *Session) {
	h.unview(s)
	sh := &h.shards[userShard(s.who.User)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.byID[s.id] == nil {
		return
	}
	delete(sh.byID, s.id)
	if h.sessions.Add(-1) == 0 {
		h.workers.stop()
	}
	u := sh.users[s.who.User]
	for i, other := range u.sessions {
		if other == s {
			u.sessions = slices.Delete(u.sessions, i, i+1)
			break
		}
	}
	if len(u.sessions) == 0 {
		delete(sh.users, s.who.User)
		h.users.Add(-1)
	}
}

// Deliver puts frames, in order, on the queue of each live session of the users
// on this node. It never waits; a session whose queue is full is closed as slow.
func (h *Hub) Deliver(users []UserID, frames ...Frame) {
	n := 0
	for _, id := range users {
		sh := &h.shards[userShard(id)]
		sh.mu.RLock()
		if u := sh.users[id]; u != nil {
			for _, s := range u.sessions {
				n += s.enqueueAll(frames)
			}
		}
		sh.mu.RUnlock()
	}
	h.delivered.Add(int64(n))
}

// Send puts a light frame (presence, typing) on the queue of each live session
// of the users. It never waits.
func (h *Hub) Send(users []UserID, frame []byte) {
	h.Deliver(users, Frame{Bytes: frame, Light: true})
}

// SendSessions puts a light frame on the queues of single sessions.
func (h *Hub) SendSessions(ids []SessionID, frame []byte) {
	f := Frame{Bytes: frame, Light: true}
	for _, id := range ids {
		sh := &h.shards[uint64(id)%hubShards]
		sh.mu.RLock()
		s := sh.byID[id]
		sh.mu.RUnlock()
		if s != nil {
			s.enqueue(f)
		}
	}
}

// Online tells whether the user has a live session on this node.
func (h *Hub) Online(user UserID) bool {
	sh := &h.shards[userShard(user)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.users[user] != nil
}

// sessionsOf returns the user's sessions; the slice is a snapshot.
func (h *Hub) sessionsOf(user UserID) []*Session {
	sh := &h.shards[userShard(user)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	u := sh.users[user]
	if u == nil {
		return nil
	}
	return append([]*Session(nil), u.sessions...)
}

// HubStats is what a hub has counted.
type HubStats struct {
	Sessions  int64            // live now
	Users     int64            // with a live session now
	Waits     int64            // long polls waiting now
	Delivered int64            // frames put on queues since the start
	Dropped   map[string]int64 // frames dropped, by reason
	Closed    map[CloseCode]int64
}

// Sessions is the number of live sessions.
func (h *Hub) Sessions() int { return int(h.sessions.Load()) }

// Stats returns the counts.
func (h *Hub) Stats() HubStats {
	st := HubStats{Sessions: h.sessions.Load(), Users: h.users.Load(), Waits: h.waits.total.Load(), Delivered: h.delivered.Load(),
		Dropped: make(map[string]int64), Closed: h.closes.snapshot()}
	for r := range h.drops {
		st.Dropped[dropReason(r).String()] = h.drops[r].Load()
	}
	return st
}

// sweepUnlessLate sweeps, but not when that is long overdue: then the process
// stood still, and what the clients have sent meanwhile is still to be read. It
// returns when it was last called.
func (h *Hub) sweepUnlessLate(last, now time.Time) time.Time {
	if now.Sub(last) < 2*h.cfg.SweepEvery {
		h.sweep()
	}
	return now
}

// sweep ends the sessions that have been silent too long, have not resumed in
// time, or whose write does not end.
func (h *Hub) sweep() {
	now := h.cfg.Now().UnixMilli()
	var stale []*Session
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.RLock()
		for _, s := range sh.byID {
			if s.staleCode(now) != 0 {
				stale = append(stale, s)
			}
		}
		sh.mu.RUnlock()
	}
	for _, s := range stale {
		if code := s.staleCode(now); code != 0 {
			s.end(code, "too long without a sign of life")
		}
	}
	h.gone.forget(h.cfg.Now())
}
