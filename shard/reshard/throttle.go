package reshard

import (
	"context"
	"math"
	"sync"
	"time"
)

// Throttle is the Pace of a Runner: a bucket of bytes, filled at a rate that
// follows the latency of live writes, within the plan's bound. Its methods may
// be called from any goroutine.
type Throttle struct {
	mu       sync.Mutex
	bound    float64 // bytes/s of the plan; 0: none
	slowdown float64
	ctl      *controller // nil: latency is not looked at
	window   window
	baseline time.Duration

	tokens float64 // may be negative: what was taken in advance
	filled time.Time
	taken  int64 // bytes since the last adjustment
	since  time.Time
	total  int64
}

// Bounds of the throttle.
const (
	burst      = 100 * time.Millisecond // how much of a second's bytes may go at once
	noiseFloor = 5 * time.Millisecond   // a p99 below is never too slow
)

// NewThrottle returns a Throttle without any bound.
func NewThrottle() *Throttle { return &Throttle{slowdown: 2} }

// Set takes the plan's bounds: MB/s (0: none) and how much slower live writes
// may become.
func (t *Throttle) Set(mbps, slowdown float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fill(time.Now())
	t.bound, t.slowdown = mbps*1e6, slowdown
}

// Figures says how the throttle stands.
type Figures struct {
	MBps     float64       `json:"mbps"` // allowed; 0: no bound
	Baseline time.Duration `json:"baseline_ns"`
	P99      time.Duration `json:"p99_ns"` // of live writes in the last seconds
	Limit    time.Duration `json:"limit_ns"`
	Moved    int64         `json:"moved"` // bytes
}

// Figures returns how the throttle stands.
func (t *Throttle) Figures() Figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := Figures{Baseline: t.baseline, Moved: t.total}
	if rate := t.rate(); !math.IsInf(rate, 1) {
		f.MBps = rate / 1e6
	}
	if t.ctl != nil {
		f.P99, f.Limit = t.window.p99(), t.limit()
	}
	return f
}

// Take implements Pace.
func (t *Throttle) Take(ctx context.Context, bytes int) error {
	wait := t.take(bytes)
	for wait > 0 {
		// The rate may change meanwhile.
		if err := sleep(ctx, min(wait, burst)); err != nil {
			return err
		}
		wait = t.take(0)
	}
	return ctx.Err()
}

// take returns how long to wait before going on.
func (t *Throttle) take(bytes int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fill(time.Now())
	t.taken += int64(bytes)
	t.total += int64(bytes)
	rate := t.rate()
	if math.IsInf(rate, 1) {
		t.tokens = 0
		return 0
	}
	t.tokens -= float64(bytes)
	if t.tokens >= 0 {
		return 0
	}
	return time.Duration(min(-t.tokens/rate, 60) * float64(time.Second))
}

func (t *Throttle) fill(now time.Time) {
	rate := t.rate()
	if !t.filled.IsZero() && !math.IsInf(rate, 1) {
		t.tokens = min(t.tokens+now.Sub(t.filled).Seconds()*rate, rate*burst.Seconds())
	}
	t.filled = now
}

func (t *Throttle) rate() float64 {
	rate := math.Inf(1)
	if t.bound > 0 {
		rate = t.bound
	}
	if t.ctl != nil {
		rate = min(rate, t.ctl.rate)
	}
	return rate
}

// limit is the greatest p99 of live writes that is not too slow.
func (t *Throttle) limit() time.Duration {
	return max(time.Duration(float64(t.baseline)*t.slowdown), noiseFloor)
}

// follow begins to look at latency, against what it was before.
func (t *Throttle) follow(baseline time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.fill(now)
	t.baseline, t.ctl, t.window, t.since, t.taken = baseline, newController(), window{}, now, 0
	t.tokens = 0
}

// unfollow ends that.
func (t *Throttle) unfollow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fill(time.Now())
	t.ctl = nil
}

// heard notes the latency of one live write.
func (t *Throttle) heard(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window.add(time.Now(), d)
}

// adjust lets the controller decide, if it has enough to go by.
func (t *Throttle) adjust() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.window.forget(now)
	if t.ctl == nil || t.window.n() < enough {
		return
	}
	t.fill(now)
	used := float64(t.taken) / max(now.Sub(t.since).Seconds(), 0.001)
	if t.ctl.step(t.window.p99(), t.limit(), used) {
		// What was slow before says nothing about the new rate.
		t.window = window{}
	}
	t.taken, t.since = 0, now
}
