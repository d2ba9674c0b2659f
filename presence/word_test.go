package presence

import (
	"testing"

	"gori/chat"
)

// TestSayings holds the rules in words that do not depend on the numbers.
func TestSayings(t *testing.T) {
	for s := sayNothing; s <= sayActive; s++ {
		if s.lingering().level() != s.level() {
			t.Errorf("%d: a drop is shown at once", s)
		}
		if s != sayNothing && back(s.level()).level() != s.level() {
			t.Errorf("%d: coming back changes what is shown", s)
		}
		if s.lingers() && s.lingering() != s {
			t.Errorf("%d: grace of grace", s)
		}
		if s > sayNothing && s.level() < (s-1).level() {
			t.Errorf("%d wins over %d and shows less", s, s-1)
		}
	}
	if back(offline) != backOnline {
		t.Error("who arrives is not online")
	}
}

func TestWord(t *testing.T) {
	for s := sayNothing; s <= sayActive; s++ {
		for to := seen(0); to <= 3; to++ {
			for live := range 20 {
				for _, l := range []bool{false, true} {
					w := makeWord(s, to, live, l)
					if w.say() != s || w.seen() != to || w.live() != min(live, maxLive) || w.listening() != l || w&^wordMask != 0 {
						t.Fatalf("%d %d %d %v became %b", s, to, live, l, w)
					}
					if w.empty() != (s == 0 && live == 0 && !l) {
						t.Fatalf("%b empty: %v", w, w.empty())
					}
				}
			}
		}
	}
	if seenByAll != seen(chat.PresenceToEveryone)+1 {
		t.Fatal("everyone")
	}
}
