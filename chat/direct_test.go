package chat

import (
	"testing"

	"pgregory.net/rapid"
)

// The values are part of the data: another function would lose every direct
// channel there is.
func TestDirectIDIsFixed(t *testing.T) {
	for _, c := range []struct {
		a, b  UserID
		probe int
		want  ChannelID
	}{
		{1, 2, 0, 2588565042807403390},
		{2, 1, 0, 2588565042807403390},
		{1, 2, 1, 9130613628498131797},
		{1 << 62, 7, 0, 3425163062888811472},
	} {
		if got := DirectID(c.a, c.b, c.probe); got != c.want {
			t.Errorf("DirectID(%d, %d, %d) = %d, want %d", c.a, c.b, c.probe, got, c.want)
		}
	}
	if got, want := GroupID(5, ClientMsgID{1, 2, 3}, 0), ChannelID(2659044256725186107); got != want {
		t.Errorf("GroupID = %d, want %d", got, want)
	}
}

func TestDirectIDProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := UserID(rapid.Int64Min(1).Draw(t, "a"))
		b := UserID(rapid.Int64Min(1).Draw(t, "b"))
		c := UserID(rapid.Int64Min(1).Draw(t, "c"))
		seen := map[ChannelID]bool{}
		for probe := range MaxDirectProbes {
			id := DirectID(a, b, probe)
			if id != DirectID(b, a, probe) {
				t.Fatal("the order of the pair matters")
			}
			if id <= 0 {
				t.Fatalf("%d is no id", id)
			}
			if seen[id] {
				t.Fatal("a probe repeats an id")
			}
			seen[id] = true
			if c != b && c != a && id == DirectID(a, c, probe) {
				t.Fatal("two pairs share an id")
			}
		}
	})
}
