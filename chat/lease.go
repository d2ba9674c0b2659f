package chat

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrMayNot says that what was to be written was not, since it has to be found
// out first for whom it still is.
var ErrMayNot = errors.New("chat: not before the next look at what was taken away")

// leaseFor is how long after the beginning of a look at the revocations sessions
// may be written to.
const leaseFor = 900 * time.Millisecond

// lease is the right to write to sessions: it lasts until shortly after the last
// look at the revocations that has ended began. A node that was frozen, thaws
// with frames in its queues; they wait here until it knows for whom they still
// are. Where nothing looks, it lasts for ever.
//
// Whoever writes compares it with the time at that moment: no timer has to have
// fired before. Both clocks count: the monotonic one stands still while a machine
// sleeps, the other one may be set back.
type lease struct {
	on     atomic.Bool
	began  time.Time     // set before on is
	until  atomic.Int64  // milliseconds after began
	wall   atomic.Int64  // the same as Unix ms of the wall clock
	wanted chan struct{} // asks for a look now; capacity 1
	lapsed atomic.Int64  // how often the lease was renewed that had lapsed
	taking atomic.Int64  // milliseconds after began, from when on writes are taken; see standstill.go

	mu     sync.Mutex
	waiter chan struct{} // closed by the next renewal; nil: nobody waits
}

func (l *lease) init() { l.wanted = make(chan struct{}, 1) }

func (l *lease) begin(now time.Time) {
	l.began = now
	l.set(now)
	l.on.Store(true)
}

func (l *lease) set(looked time.Time) {
	l.until.Store((looked.Sub(l.began) + leaseFor).Milliseconds())
	l.wall.Store(looked.Add(leaseFor).UnixMilli())
}

// renew lets whoever waits go on.
func (l *lease) renew(looked time.Time) {
	if !l.holds(looked) {
		l.lapsed.Add(1)
	}
	l.set(looked)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiter != nil {
		close(l.waiter)
		l.waiter = nil
	}
}

func (l *lease) end() {
	l.on.Store(false)
	l.renew(l.began)
}

func (l *lease) holds(now time.Time) bool {
	return !l.on.Load() || l.over(now) <= 0
}

// over is for how many milliseconds a lease that is on has been over, by the clock
// that says more.
func (l *lease) over(now time.Time) int64 {
	return max(now.Sub(l.began).Milliseconds()-l.until.Load(), now.UnixMilli()-l.wall.Load())
}

// Steady waits until this node knows what was taken away lately, and returns
// what tells whether that which is read from now on may be handed out: it was
// read a moment ago, or the node has not stood still since.
func (svc *Service) Steady(ctx context.Context) (still func() bool) {
	l, now := &svc.hub.lease, svc.hub.cfg.Now
	l.await(ctx, now)
	lapsed, began := l.lapsed.Load(), now()
	return func() bool {
		at := now()
		return elapsed(began, at) < leaseFor || l.holds(at) && l.lapsed.Load() == lapsed
	}
}

// elapsed is the time between two moments by the clock that says more.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// away is how long ago the look was that last renewed the lease, by the clock
// that says more; 0: it holds.
func (l *lease) away(now, last time.Time) time.Duration {
	if l.holds(now) {
		return 0
	}
	return max(elapsed(last, now), leaseFor)
}

// await returns when the lease holds, or ctx ends.
func (l *lease) await(ctx context.Context, now func() time.Time) {
	for !l.holds(now()) {
		l.mu.Lock()
		if l.waiter == nil {
			l.waiter = make(chan struct{})
		}
		next := l.waiter
		l.mu.Unlock()
		if l.holds(now()) {
			return
		}
		select {
		case l.wanted <- struct{}{}:
		default:
		}
		select {
		case <-next:
		case <-ctx.Done():
			return
		}
	}
}
