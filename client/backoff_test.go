package client

import (
	"testing"
	"time"
)

func TestBackoffIsFullJitter(t *testing.T) {
	var tops []time.Duration
	b := Backoff{Rand: func(d time.Duration) time.Duration { tops = append(tops, d); return d / 2 }}
	for range 8 {
		b.Next(0)
	}
	want := []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000}
	for i, w := range want {
		if tops[i] != w*time.Millisecond {
			t.Fatalf("pause %d is up to %v, want %v ms", i, tops[i], w)
		}
	}
	if d := b.Next(4 * time.Second); d < 4*time.Second || d > 8*time.Second {
		t.Fatalf("asked to wait 4 s it waits %v", d)
	}
	b.Reset()
	b.Next(0)
	if last := tops[len(tops)-1]; last != 500*time.Millisecond {
		t.Fatalf("after a reset up to %v", last)
	}
}
