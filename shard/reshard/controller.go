package reshard

import (
	"slices"
	"time"
)

// controller decides how many bytes a second may move, from how slow live writes
// are: more little by little, less at once. It is arithmetic.
type controller struct {
	rate    float64 // bytes/s
	growing bool    // nothing has been too slow yet: double
}

// Bounds of the controller, in bytes/s.
const (
	firstRate  = 16e6
	lowestRate = 0.5e6
	mostRate   = 1e9
	lessBy     = 0.6
	moreBy     = 1.1
	leastMore  = 0.5e6
)

func newController() *controller { return &controller{rate: firstRate, growing: true} }

// step takes the p99 of the last seconds, the greatest one allowed and the
// bytes/s that were really moved. It says whether it went down.
func (c *controller) step(p99, limit time.Duration, used float64) (down bool) {
	if p99 > limit {
		// A rate that nobody used has no part in it.
		c.rate = max(lowestRate, lessBy*min(c.rate, max(used, lowestRate)))
		c.growing = false
		return true
	}
	switch {
	case used < c.rate/2:
	case c.growing:
		c.rate *= 2
	case p99 > limit*8/10: // near enough
	default:
		c.rate = max(c.rate*moreBy, c.rate+leastMore)
	}
	c.rate = min(c.rate, mostRate)
	return false
}

// window holds the latencies of the last seconds.
type window struct {
	samples []sample // in order of time
}

type sample struct {
	at time.Time
	d  time.Duration
}

const (
	windowLength = 2 * time.Second
	windowMost   = 4096
	enough       = 50 // samples to decide by
)

func (w *window) n() int { return len(w.samples) }

func (w *window) add(at time.Time, d time.Duration) {
	w.forget(at)
	if len(w.samples) == windowMost {
		w.samples = slices.Delete(w.samples, 0, 1)
	}
	w.samples = append(w.samples, sample{at: at, d: d})
}

func (w *window) forget(now time.Time) {
	old := 0
	for old < len(w.samples) && now.Sub(w.samples[old].at) > windowLength {
		old++
	}
	w.samples = slices.Delete(w.samples, 0, old)
}

// p99 returns the latency that 99 of 100 writes do not exceed, 0 without any.
func (w *window) p99() time.Duration {
	ds := make([]time.Duration, len(w.samples))
	for i, s := range w.samples {
		ds[i] = s.d
	}
	return percentile99(ds)
}

func percentile99(ds []time.Duration) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return ds[min(len(ds)*99/100, len(ds)-1)]
}
