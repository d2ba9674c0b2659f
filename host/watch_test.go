package host

import (
	"testing"
)

func TestWatch(t *testing.T) {
	type look struct {
		s    State
		dies bool
		out  bool
		told State
	}
	for name, looks := range map[string][]look{
		"one miss is nothing":     {{StateReady, false, false, ""}, {StateSilent, false, false, ""}, {StateReady, false, false, ""}},
		"three misses":            {{StateSilent, false, false, ""}, {stateStarting, false, false, ""}, {stateDown, false, true, stateDown}, {StateReady, false, false, StateReady}},
		"draining":                {{StateDraining, false, true, StateDraining}, {stateStarting, false, true, ""}, {StateReady, false, false, ""}},
		"keeps dying, ready last": {{stateDown, true, true, stateFailing}, {StateReady, true, true, StateReady}, {StateReady, false, false, StateReady}},
	} {
		t.Run(name, func(t *testing.T) {
			var w watch
			for i, l := range looks {
				out := w.found(l.s, l.dies)
				if told, _ := w.now(); out != l.out || l.told != "" && told != l.told {
					t.Errorf("look %d: %s, out %v", i, told, out)
				}
			}
		})
	}
	var resting watch
	for range 2 * missesToOut {
		resting.rests()
		if s, out := resting.now(); s != stateDown || out {
			t.Fatalf("one that rests is %s, out %v", s, out)
		}
	}
	var w watch
	w.roll(true)
	if !w.found(StateReady, false) {
		t.Error("one that is being replaced gets requests")
	}
}
