package reshard

import "time"

// controller decides which share of its time a mover may work, from how many
// sends are too slow: less at once, more little by little. It is arithmetic.
type controller struct {
	share  float64 // of the time
	limit  time.Duration
	slices []slice // the last ones, in order
	calm   int     // slices without a slow send, in a row
}

// slice is what was heard between two looks.
type slice struct{ n, slow int64 }

// Bounds of the controller.
const (
	firstShare  = 0.5
	lowestShare = 0.08 // so that every move ends
	lessBy      = 0.5
	moreBy      = 1.25
	slicesMost  = 50
	slowAllowed = 0.01 // of the sends: what p99 means
	calmBefore  = 2    // slices, before more is tried
	// shareOfCleaning is that of the time in which old rows are deleted where nobody
	// tells how long sends take: there is time.
	shareOfCleaning = 0.25
)

func newController(limit time.Duration) *controller {
	return &controller{share: firstShare, limit: limit}
}

// step takes what was heard since the last step.
func (c *controller) step(heard Times) {
	s := slice{heard.N(), heard.Over(c.limit)}
	if c.slices = append(c.slices, s); len(c.slices) > slicesMost {
		c.slices = append(c.slices[:0], c.slices[1:]...)
	}
	if s.slow > 0 && float64(s.slow) > slowAllowed*float64(s.n) {
		c.share, c.calm = max(lowestShare, c.share*lessBy), 0
		return
	}
	// One slow send of a hundred is as it should be: it is made up for by those that
	// are not, before there may be another.
	if c.calm++; c.calm >= calmBefore && c.slowShare() <= slowAllowed {
		c.share = min(1, c.share*moreBy)
	}
}

// slowShare is that of the slow ones in the last seconds.
func (c *controller) slowShare() float64 {
	var all slice
	for _, s := range c.slices {
		all.n, all.slow = all.n+s.n, all.slow+s.slow
	}
	return float64(all.slow) / float64(max(all.n, 1))
}
