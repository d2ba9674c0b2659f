package chat

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A bucket never lets more through than its burst and its rate allow.
func TestBucketNeverLetsMoreThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.1, 100).Draw(t, "rate")
		burst := float64(rapid.IntRange(1, 50).Draw(t, "burst"))
		l := newLimiter[int](rate, burst, 10)
		start := time.UnixMilli(1_000_000)
		now, passed := start, 0
		for range rapid.IntRange(1, 300).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 500).Draw(t, "pause")) * time.Millisecond)
			wait := l.take(1, now)
			if wait == 0 {
				passed++
			} else if l.take(1, now.Add(wait+2*time.Millisecond)) != 0 {
				t.Fatalf("not let through after the wait of %v it asked for", wait)
			} else {
				now = now.Add(wait + 2*time.Millisecond)
				passed++
			}
			if most := burst + rate*now.Sub(start).Seconds() + 1; float64(passed) > most {
				t.Fatalf("%d passed in %v at %.1f/s with a burst of %.0f", passed, now.Sub(start), rate, burst)
			}
		}
	})
}

func TestLimiterFailsClosed(t *testing.T) {
	l := newLimiter[int](0.1, 2, 100)
	now := time.UnixMilli(1_000_000)
	for range 3 {
		l.take(-1, now) // a key that is being limited
	}
	for k := range 1000 {
		l.take(k, now)
		l.take(k, now)
	}
	if l.take(5000, now) == 0 {
		t.Error("a new key was let in though the table is full")
	}
	if l.take(-1, now) == 0 {
		t.Error("filling the table lifted a limit")
	}
	if n := len(l.buckets); n > 100 {
		t.Errorf("%d keys are kept", n)
	}
	later := now.Add(time.Minute)
	if l.take(5000, later) != 0 {
		t.Error("a new key is refused after the old ones have recovered")
	}
}
