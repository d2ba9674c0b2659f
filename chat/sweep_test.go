package chat

import (
	"testing"
	"time"
)

// TestNoSweepAfterStandingStill: sessions that were silent because this process
// stood still get one sweep's time to be heard.
func TestNoSweepAfterStandingStill(t *testing.T) {
	now := time.Now()
	h := NewHub(HubConfig{Now: func() time.Time { return now }})
	who := loginKey{1, 2}
	h.gone.put(who, now) // a sweep forgets it
	last := h.sweepUnlessLate(now.Add(-30*time.Second), now)
	if len(h.gone.until) != 1 {
		t.Fatal("it swept right after standing still")
	}
	if h.sweepUnlessLate(last, now.Add(2*time.Second)); len(h.gone.until) != 0 {
		t.Fatal("it did not sweep when it was time again")
	}
}
