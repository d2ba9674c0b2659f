package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is full-jitter back-off: the n-th pause is anything up to
// min(Cap, Base·2ⁿ). Source: Brooker, "Exponential Backoff And Jitter", 2015.
type Backoff struct {
	Base time.Duration                     // zero: 0.5 s
	Cap  time.Duration                     // zero: 30 s
	Rand func(time.Duration) time.Duration // a random part; nil: of math/rand
	n    int
}

// Next is the next pause, at least atLeast.
func (b *Backoff) Next(atLeast time.Duration) time.Duration {
	base, most := b.Base, b.Cap
	if base == 0 {
		base = 500 * time.Millisecond
	}
	if most == 0 {
		most = 30 * time.Second
	}
	top := min(most, base<<min(b.n, 20))
	b.n++
	if atLeast > 0 {
		return atLeast + b.within(min(top, atLeast)) // spread, so that not all come back at once
	}
	return b.within(top)
}

// within is a random part of d.
func (b *Backoff) within(d time.Duration) time.Duration {
	if b.Rand != nil {
		return b.Rand(d)
	}
	return rand.N(d + 1)
}

// Reset begins anew after a success.
func (b *Backoff) Reset() { b.n = 0 }

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
