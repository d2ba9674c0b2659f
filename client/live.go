package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Events is what a Live calls. All of them run one at a time, in the order of
// things, on goroutines of the Live: they should return soon, may call Enqueue,
// and must not call Send or Close. Nil ones are skipped, with the work for them.
type Events struct {
	// Message gets each new message of a channel once, in order, without gaps.
	Message func(Message)
	// Delivery is the same without decoding the message; see LiveOptions.CatchUp
	// for what history costs.
	Delivery func(Delivery)
	// Change gets a message in its new state. It may be called once for
	// several changes, and before Message for none.
	Change func(Message)
	// Skipped tells of a gap that was longer than LiveOptions.CatchUp: the
	// messages from first to last are not handed over.
	Skipped func(channel ChannelID, first, last Seq)

	// Inbox gets entries that changed; those of a resume come with Connected.
	Inbox    func([]InboxEntry)
	Presence func([]PresenceState)
	Typing   func(Typing)
	Read     func(ReadMark)
	User     func(User)
	Friend   func(Friend, User)
	Channel  func(Channel)

	// Connected is called after each resume; Disconnected after each loss that
	// the Live will mend by itself.
	Connected    func(Resumed)
	Disconnected func(error)
	// Restored tells that the server was restored from a backup, so what was
	// handed over may be no more: channels are handed over from their present
	// ends on.
	Restored func()
	// Left tells that the user is no member of a channel any more. Should it
	// become one again, messages are handed over from the first one on.
	Left func(ChannelID)
	// Refused tells of a send that the server did not take now, after what time;
	// it stays in the outbox and is sent again.
	Refused func(id ClientMsgID, why *Error, after time.Duration)
	// Frame sees every frame as it arrives, before it is judged; valid during
	// the call. For tests.
	Frame func([]byte)
}

// Cursor is how far a device has a channel: the highest Seq and Change without
// a gap before them.
type Cursor struct {
	Seq    Seq
	Change Change
}

// LiveOptions of Connect; zero means the default.
type LiveOptions struct {
	Events
	// Pos and Cursors are where an earlier Live of this device ended, as Cursors
	// has told; of channels that are not among them everything is handed over.
	// Without them (nil) messages are handed over from now on.
	Pos     Pos
	Cursors map[ChannelID]Cursor
	// Generation is the one they are of; see Live.Generation.
	Generation int64
	// CatchUp is how many missed messages of a channel are fetched at most,
	// default 10,000. Below 0 nothing is fetched and nothing is remembered:
	// messages come as they arrive.
	CatchUp int
	// Window is how many sends of one channel may be under way at once,
	// default 1. Above 1 a send that is refused and tried again may be stored
	// after later ones.
	Window int
	// Queue is how many messages may wait in the outbox, default 1,000.
	Queue int
	// Endpoint is the path of the socket, instead of asking discover.
	Endpoint string
	// First is that of the first connection only.
	First string
	// Heartbeat is the time between pings, default 17 s.
	Heartbeat time.Duration
	// Active tells whether the person is there; nil: always.
	Active func() bool
	// Backoff of reconnecting.
	Backoff Backoff
}

const (
	ackTimeout       = 10 * time.Second // a send without an answer: the connection is given up
	steadyAfter      = 5 * time.Second  // a connection that lasted this long resets the back-off
	discoverDeadline = 15 * time.Second // the proxy may keep it waiting for its turn
	dialDeadline     = 10 * time.Second
	overloadWait     = 5 * time.Second
	drainJitter      = 250 * time.Millisecond // after a drain the device comes back within it
)

// Live is one device on the socket. Make it with Client.Connect.
type Live struct {
	c    *Client
	opt  LiveOptions
	out  outbox
	stop context.CancelFunc
	done chan struct{} // closed when everything has ended
	err  error         // why; read after done

	first     chan struct{} // closed at the first resume
	firstOnce sync.Once
	wire      atomic.Pointer[wire] // the connection, nil between two
	meter     meter
	closing   atomic.Bool

	catchers sync.WaitGroup
	recv     receiver
}

// Connect starts a Live and waits for its first resume, or for a refusal that
// trying again would not cure. Losses from then on it mends itself, until Close
// or the end of ctx.
func (c *Client) Connect(ctx context.Context, opt LiveOptions) (*Live, error) {
	l := c.Start(ctx, opt)
	select {
	case <-l.first:
		return l, nil
	case <-l.done:
		return nil, l.err
	}
}

// Start is Connect without waiting.
func (c *Client) Start(ctx context.Context, opt LiveOptions) *Live {
	if opt.CatchUp == 0 {
		opt.CatchUp = 10_000
	}
	if opt.Window == 0 {
		opt.Window = 1
	}
	if opt.Queue == 0 {
		opt.Queue = 1_000
	}
	if opt.Heartbeat == 0 {
		opt.Heartbeat = 17 * time.Second
	}
	ctx, stop := context.WithCancel(ctx)
	l := &Live{c: c, opt: opt, stop: stop, done: make(chan struct{}), first: make(chan struct{})}
	l.out.init(l)
	l.recv.init(l, ctx)
	go l.run(ctx)
	return l
}

// Close says bye, ends the Live and waits until it has ended.
func (l *Live) Close() {
	l.closing.Store(true)
	if w := l.wire.Load(); w != nil {
		w.put([]byte(`{"op":"bye"}`))
	}
	l.stop()
	<-l.done
}

// Drop cuts the connection as a network would; the Live comes back. For tests
// and benchmarks.
func (l *Live) Drop() {
	if w := l.wire.Load(); w != nil {
		w.abort()
	}
}

// Ready is closed after the first resume.
func (l *Live) Ready() <-chan struct{} { return l.first }

// Done is closed when the Live has ended; Err says why.
func (l *Live) Done() <-chan struct{} { return l.done }

// Err is why the Live ended: ErrClosed after Close, a *CloseError or *Error
// after a refusal; nil while it lives.
func (l *Live) Err() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

// Cursors is how far this device has each channel, and the inbox position, for
// the next Connect.
func (l *Live) Cursors() (Pos, map[ChannelID]Cursor) { return l.recv.cursors() }

// Generation is the server's that the cursors are of, for the next Connect.
func (l *Live) Generation() int64 {
	l.recv.mu.Lock()
	defer l.recv.mu.Unlock()
	return l.recv.generation
}

func (l *Live) run(ctx context.Context) {
	defer close(l.done)
	back := l.opt.Backoff
	for {
		start := time.Now()
		err := l.connection(ctx)
		l.meter.lost()
		if time.Since(start) >= steadyAfter {
			back.Reset()
		}
		wait, final := l.afterLoss(err)
		if ctx.Err() != nil || l.closing.Load() {
			err, final = ErrClosed, true
		}
		if !final {
			if f := l.opt.Disconnected; f != nil {
				l.recv.locked(func() { f(err) })
			}
			if drained(err) {
				back.Reset()
				wait = back.within(drainJitter)
			} else {
				wait = back.Next(wait)
			}
			if pause(ctx, wait) == nil {
				continue
			}
			err = ErrClosed
		}
		l.err = err
		l.stop()
		l.recv.close()
		l.catchers.Wait()
		l.out.fail(err)
		return
	}
}

// drained tells that the node goes away and that another one waits.
func drained(err error) bool {
	var closed *CloseError
	return errors.As(err, &closed) && (closed.Code == 1012 || closed.Code == 4002)
}

// afterLoss says how long to wait at least, or that coming back is no use.
func (l *Live) afterLoss(err error) (wait time.Duration, final bool) {
	var closed *CloseError
	if errors.As(err, &closed) {
		switch closed.Code {
		case 1000, 1002, 1003, 1007, 1009, 4004:
			return 0, true
		case 4005:
			return overloadWait, false
		}
		return 0, closed.Code >= 4100 && closed.Code < 4200
	}
	var refused *Error
	if errors.As(err, &refused) {
		return refused.After, !refused.Retry
	}
	return 0, false
}

// connection is one connection from discover to its loss.
func (l *Live) connection(ctx context.Context) error {
	w, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer w.abort()
	unhook := context.AfterFunc(ctx, func() {
		w.drain() // let a bye out
		w.abort()
	})
	defer unhook()
	l.wire.Store(w)
	defer l.wire.Store(nil)
	defer l.out.offline()
	beat := l.heartbeat(w)
	defer beat.stop()
	w.put(l.recv.resumeFrame())
	return w.readAll(func(frame []byte) error {
		beat.heard()
		return l.handle(frame)
	})
}
