package reshard

import (
	"context"
	"math"
	"sync"
	"time"
)

// Throttle slows the movers of a Runner: to the bytes a second of the plan, and
// to the share of their time that leaves people's sends fast enough. Its methods
// may be called from any goroutine.
type Throttle struct {
	mu       sync.Mutex
	bound    float64 // bytes/s of the plan; 0: none
	slowdown float64
	baseline time.Duration // 0: not known
	ctl      *controller   // nil: nobody tells of sends
	free     float64       // share of the time then
	recent   []Times       // by looks, in order

	tokens float64 // may be negative: what was taken in advance
	filled time.Time
	total  int64
}

// Bounds of the throttle.
const (
	burst      = 100 * time.Millisecond // how much of a second's bytes may go at once
	noiseFloor = 5 * time.Millisecond   // a p99 below is never too slow
	// anySlowdown and more is no bound.
	anySlowdown = 1000
	// usual is taken for the p99 where too few sends were counted before.
	usual       = 10 * time.Millisecond
	enough      = 100              // sends to know their p99 by
	recentLooks = 20               // of sends that are shown
	workMost    = time.Second / 4  // that is made up for at once
	restLeast   = time.Millisecond // what is less is rested later
)

// NewThrottle returns a Throttle without any bound.
func NewThrottle() *Throttle { return &Throttle{slowdown: 2, free: 1} }

// Set takes the plan's bounds: MB/s (0: none) and how much slower people's sends
// may become.
func (t *Throttle) Set(mbps, slowdown float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fill(time.Now())
	t.bound, t.slowdown = mbps*1e6, slowdown
}

// unheard sets the share of their time that movers work while nobody tells of
// sends.
func (t *Throttle) unheard(share float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = share
}

// Figures says how the throttle stands.
type Figures struct {
	Share    float64       `json:"share"` // of their time that movers work
	Baseline time.Duration `json:"baseline_ns"`
	P99      time.Duration `json:"p99_ns"` // of sends in the last seconds
	Limit    time.Duration `json:"limit_ns"`
	Moved    int64         `json:"moved"` // bytes
}

// Figures returns how the throttle stands.
func (t *Throttle) Figures() Figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := Figures{Share: t.share(), Baseline: t.baseline, Moved: t.total}
	if t.ctl != nil {
		var all Times
		for _, h := range t.recent {
			all = all.Plus(h)
		}
		f.P99, f.Limit = all.P99(), t.limit()
	}
	return f
}

// lane returns the Pace of one mover.
func (t *Throttle) lane() *lane { return &lane{t: t, since: time.Now()} }

// lane is the Pace of one mover, which works from one Take to the next.
type lane struct {
	t     *Throttle
	since time.Time
	owed  time.Duration // rest
}

// Take implements Pace.
func (l *lane) Take(ctx context.Context, bytes int) error {
	worked := min(time.Since(l.since), workMost)
	l.owed += l.t.rest(worked)
	rest := time.Duration(0)
	if l.owed >= restLeast {
		rest, l.owed = l.owed, 0
	}
	for wait := l.t.take(bytes); max(rest, wait) > 0; wait = l.t.take(0) {
		// The bound may change meanwhile.
		nap := min(max(rest, wait), burst)
		if err := sleep(ctx, nap); err != nil {
			return err
		}
		rest -= nap
	}
	l.since = time.Now()
	return ctx.Err()
}

// rest is how long to rest after work.
func (t *Throttle) rest(worked time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Duration(float64(worked) * (1/t.share() - 1))
}

func (t *Throttle) share() float64 {
	if t.ctl == nil || t.slowdown >= anySlowdown {
		return t.free
	}
	return t.ctl.share
}

// take returns how long to wait for these bytes.
func (t *Throttle) take(bytes int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fill(time.Now())
	t.total += int64(bytes)
	if t.bound <= 0 {
		t.tokens = 0
		return 0
	}
	t.tokens -= float64(bytes)
	if t.tokens >= 0 {
		return 0
	}
	return time.Duration(min(-t.tokens/t.bound, 60) * float64(time.Second))
}

func (t *Throttle) fill(now time.Time) {
	if !t.filled.IsZero() && t.bound > 0 {
		t.tokens = math.Min(t.tokens+now.Sub(t.filled).Seconds()*t.bound, t.bound*burst.Seconds())
	}
	t.filled = now
}

// limit is the longest that a send may take without being too slow.
func (t *Throttle) limit() time.Duration {
	before := t.baseline
	if before == 0 {
		before = usual
	}
	return max(time.Duration(float64(before)*t.slowdown), noiseFloor)
}

// listen begins to look at how long sends take. Until somebody has told, and if
// nobody sends anything, there is reason to be careful and none to be slow.
func (t *Throttle) listen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctl = newController(t.limit())
}

// hear takes what was heard of sends since the last time: how long they took, and
// how long before the reshard.
func (t *Throttle) hear(before, now Times) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before.N() >= enough {
		t.baseline = before.P99()
	}
	if t.ctl == nil {
		t.ctl = newController(0)
	}
	t.ctl.limit = t.limit()
	t.ctl.step(now)
	if t.recent = append(t.recent, now); len(t.recent) > recentLooks {
		t.recent = append(t.recent[:0], t.recent[1:]...)
	}
}

// deaf forgets what was heard: nobody tells any more.
func (t *Throttle) deaf() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctl, t.recent = nil, nil
}
