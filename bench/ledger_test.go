package bench

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTally(t *testing.T) {
	for _, tc := range []struct {
		came                     []uint32
		acked                    uint32
		lost, doubled, reordered int64
	}{
		{[]uint32{0, 1, 2}, 3, 0, 0, 0},
		{[]uint32{0, 2}, 3, 1, 0, 0},
		{[]uint32{0, 1}, 4, 2, 0, 0},
		{[]uint32{0, 2, 1}, 3, 0, 0, 1},
		{[]uint32{0, 1, 1, 2}, 3, 0, 1, 0},
		{[]uint32{0, 2, 1, 1}, 3, 0, 1, 1},
		{nil, 2, 2, 0, 0},
	} {
		var s tally
		for _, k := range tc.came {
			s.take(k)
		}
		if s.lost(tc.acked) != tc.lost || s.doubled != tc.doubled || s.reordered != tc.reordered {
			t.Errorf("%v: lost %d, doubled %d, reordered %d", tc.came, s.lost(tc.acked), s.doubled, s.reordered)
		}
	}
}

// TestTallyCountsExactly: whatever is removed from and repeated in a stream is
// counted, no more and no less.
func TestTallyCountsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 50).Draw(t, "n")
		var s tally
		lost, doubled := int64(0), int64(0)
		for k := range n {
			switch rapid.IntRange(0, 4).Draw(t, "fate") {
			case 0:
				lost++
			case 1:
				doubled++
				s.take(uint32(k))
				s.take(uint32(k))
			default:
				s.take(uint32(k))
			}
		}
		if s.lost(uint32(n)) != lost || s.doubled != doubled || s.reordered != 0 {
			t.Fatalf("lost %d of %d, doubled %d of %d, reordered %d", s.lost(uint32(n)), lost, s.doubled, doubled, s.reordered)
		}
	})
}

func TestStamp(t *testing.T) {
	a, b := newStamp(), newStamp()
	id := a.id(65_535, 1<<32-1)
	if sender, k, ok := a.read(id); !ok || sender != 65_535 || k != 1<<32-1 {
		t.Fatalf("read back %d %d %v", sender, k, ok)
	}
	if _, _, ok := b.read(id); ok {
		t.Fatal("two runs have one stamp")
	}
	if id[6]>>4 != 7 || id[8]>>6 != 2 {
		t.Fatalf("%s is not in the form of UUIDv7", id)
	}
}

// TestHistogram: quantiles are within the width of a bucket of exact ones.
func TestHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.SliceOfN(rapid.Int64Range(0, 60_000_000), 1, 200).Draw(t, "us")
		var h histogram
		for _, v := range us {
			h.add(time.Duration(v) * time.Microsecond)
		}
		slices.Sort(us)
		q := h.quantiles()
		for _, c := range []struct{ got, q float64 }{{q.P50, 0.5}, {q.P99, 0.99}, {q.P999, 0.999}} {
			want := float64(us[int(c.q*float64(len(us)))]) / 1000
			if d := c.got - want; d > want/16+0.002 || d < -want/16-0.002 {
				t.Fatalf("quantile %v is %v ms, want about %v", c.q, c.got, want)
			}
		}
	})
}

func TestParseStat(t *testing.T) {
	s, err := parseStat([]byte("42 (a (strange) name) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 1 1 1"))
	if err != nil || s.ppid != 7 || s.own != 2*time.Second || s.children != 500*time.Millisecond {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := parseStat([]byte("nonsense")); err == nil {
		t.Fatal("nonsense is read")
	}
}
