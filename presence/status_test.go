package presence

import "testing"

// TestTable holds the rules in words that do not depend on how the table is
// written.
func TestTable(t *testing.T) {
	for s := Offline; s < statuses; s++ {
		for e := EventBack; e < events; e++ {
			n := s.Next(e)
			switch {
			case e == EventLeft && n != Offline:
				t.Errorf("%d: after the last device left, %d is not offline", s, n)
			case e == EventActive && n != Online:
				t.Errorf("%d: an active session gives %d, not online", s, n)
			case e == EventIdle && n != Away:
				t.Errorf("%d: idle sessions give %d, not away", s, n)
			case e == EventDropped && n.Told() != s.Told():
				t.Errorf("%d: a drop is shown at once, as %s", s, n.Told())
			case e == EventBack && s != Offline && n.Told() != s.Told():
				t.Errorf("%d: coming back changes what is shown to %s", s, n.Told())
			case e != EventDropped && n.Lingering():
				t.Errorf("%d: event %d lingers", s, e)
			}
		}
	}
}
