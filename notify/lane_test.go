package notify

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

func TestASlowHostTakesASmallPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lanes
		now := time.Now()
		last := time.Duration(0)
		for i := range 4 * maxHostHand {
			a, wait := l.enter("slow.example", chat.UserID(i+1), now)
			if (a != nil) != (i < maxHostHand) {
				t.Fatalf("job %d: %v", i, a)
			}
			if a == nil && wait <= last {
				t.Fatalf("job %d comes back after %s, the one before after %s", i, wait, last)
			}
			last = wait
		}
		if a, _ := l.enter("other.example", 1, now); a == nil {
			t.Error("another host has to wait")
		}
		// One user with many hosts.
		held := 1 + 1
		for i := range 2 * maxUserHand {
			if a, _ := l.enter(fmt.Sprintf("h%d.example", i), 1, now); a != nil {
				held++
			}
		}
		if held != maxUserHand {
			t.Errorf("one user has %d jobs in hand", held)
		}
		// All come back, nothing is kept.
		for i := range maxHostHand {
			l.leave("slow.example", chat.UserID(i+1), now)
		}
		l.leave("other.example", 1, now)
		for i := range maxUserHand - 2 {
			l.leave(fmt.Sprintf("h%d.example", i), 1, now)
		}
		if len(l.hosts) != 0 || len(l.users) != 0 || l.room() != maxInHand {
			t.Errorf("kept %d hosts, %d users, room for %d", len(l.hosts), len(l.users), l.room())
		}
	})
}

func TestAHostIsCalledAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lanes
		a, _ := l.enter("h.example", 1, time.Now())
		began := time.Now()
		const calls = 200
		for range calls {
			if err := nap(t.Context(), l.spend(a, time.Now())); err != nil {
				t.Fatal(err)
			}
		}
		if took, want := time.Since(began), (calls-hostBurst)*hostEvery; took != want {
			t.Errorf("%d calls took %s, want %s", calls, took, want)
		}
		l.pause(a, time.Now(), time.Hour)
		if b, wait := l.enter("h.example", 2, time.Now()); b != nil || wait != maxPause {
			t.Errorf("a host that asked for a pause: %v, %s", b, wait)
		}
		time.Sleep(maxPause)
		if b, _ := l.enter("h.example", 2, time.Now()); b == nil {
			t.Error("a pause does not end")
		}
	})
}
