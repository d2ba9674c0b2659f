package chat

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// phase is how far a session has come.
type phase uint8

const (
	phaseNew      phase = iota // connected; nothing may reach it
	phaseResuming              // subscribed; frames wait for the answer to resume
	phaseLive
)

// Session is one live connection of one login. Package api makes it with
// Service.NewSession and calls Run, which returns when the connection has ended
// and everything the session started has stopped.
type Session struct {
	// static after NewSession
	svc  *Service
	hub  *Hub
	conn Conn
	who  Identity
	id   SessionID       // set by hub.add, before any other goroutine knows the session
	ctx  context.Context // the connection's own; ended by stop
	stop context.CancelFunc

	// atomics
	open       atomic.Int64 // the ChannelID on the screen; 0: none
	heard      atomic.Int64 // Unix ms of the last frame from the client
	writeSince atomic.Int64 // Unix ms when the running write began; 0: none
	recalled   atomic.Bool  // some of what the running flush has taken may not go out any more

	// owned by the read loop
	bucket   bucket // frames a second
	bad      badFrames
	typed    typedAt
	explicit bool // the person said bye

	// guarded by mu
	mu       sync.Mutex
	phase    phase
	ended    bool
	leaving  bool // the node drains: sends are not taken any more
	flushing bool
	out      outQueue
	writing  writing
	lanes    map[ChannelID]*sendLane // channels with sends in flight; nil while there are none
	side     *sideQueue              // reads and opens under way; nil while there are none

	slots sync.Cond // of mu: a send has been answered
	sends int       // guarded by mu: sends not yet answered

	work sync.WaitGroup // every goroutine the session has started
}

// writing is what the running flush has taken from the queue.
type writing struct {
	frames int32
	bytes  int
	gone   []ChannelID // taken back meanwhile; it counts for what comes back to the queue
}

// NewSession makes the session of an authenticated connection.
func (svc *Service) NewSession(who Identity, conn Conn) *Session {
	s := &Session{svc: svc, hub: svc.hub, conn: conn, who: who}
	s.slots.L = &s.mu
	s.heard.Store(svc.now().UnixMilli())
	return s
}

// Run reads frames until the connection ends, the login is revoked, the node
// drains or ctx ends. It returns after every goroutine of the session has
// stopped, with nil unless the session could not begin.
func (s *Session) Run(ctx context.Context) error {
	s.ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	if err := s.hub.add(s); err != nil {
		code := CloseRevoked
		if CodeOf(err) == CodeDraining {
			code = CloseDrain
		}
		s.end(code, "not admitted")
		s.work.Wait()
		return err
	}
	s.readLoop()
	s.end(CloseNormal, "")
	s.hub.remove(s)
	s.work.Wait()
	if s.svc.attendance != nil && s.attended() {
		s.svc.attendance.Left(s.who.User, s.id, s.explicit)
	}
	return nil
}

func (s *Session) readLoop() {
	for {
		data, err := s.conn.ReadFrame(s.ctx)
		if err != nil {
			return
		}
		s.heard.Store(s.svc.now().UnixMilli())
		if !s.pace() || !s.hub.workers.handle(s, data) {
			return
		}
	}
}

// end ends the session once: nothing more is queued, the connection is closed
// with the code. It does not wait, so anyone may call it.
func (s *Session) end(code CloseCode, reason string) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	s.recalled.Store(true)
	dropped := len(s.out.frames)
	s.out = outQueue{}
	s.slots.Broadcast()
	s.work.Add(1)
	s.mu.Unlock()
	s.hub.closes.add(code)
	s.hub.drops[dropEnded].Add(int64(dropped))
	go func() {
		defer s.work.Done()
		s.conn.Close(code, reason)
		s.stop()
	}()
}

// staleCode tells why the sweep should end the session; 0: it is well.
func (s *Session) staleCode(nowMillis int64) CloseCode {
	if w := s.writeSince.Load(); w != 0 && nowMillis-w > s.hub.cfg.WriteWithin.Milliseconds() {
		return CloseSlow
	}
	silent := nowMillis - s.heard.Load()
	if silent > s.hub.cfg.Silence.Milliseconds() {
		return CloseSilent
	}
	if silent > s.hub.cfg.ResumeWithin.Milliseconds() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.phase == phaseNew {
			return CloseSilent
		}
	}
	return 0
}

// survive is deferred by the session's goroutines: a fault in one ends this
// session and not the node.
func (s *Session) survive() {
	if v := recover(); v != nil {
		s.svc.logger.Error("panic in a session", "panic", v, "stack", string(debug.Stack()))
		s.end(closeFault, "internal error")
	}
}

// viewing is the channel on the session's screen; 0: none.
func (s *Session) viewing() ChannelID { return ChannelID(s.open.Load()) }

// attended tells whether Attendance has heard of the session.
func (s *Session) attended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase != phaseNew
}

// ID names the session within its node.
func (s *Session) ID() SessionID { return s.id }
