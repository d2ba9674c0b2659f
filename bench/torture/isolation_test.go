package torture

import (
	"testing"
	"time"

	"gori/client"
)

// TestASendThatWaitsIsBlamedOnce: one that the system keeps waiting beside a dead
// shard breaks P6, those behind it in the outbox of its device do not besides,
// nor does a long outbox of which each is answered quickly.
func TestASendThatWaitsIsBlamedOnce(t *testing.T) {
	sec := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	const dead = "b"
	fault := Fault{Kind: KillShard, At: 10 * time.Second, For: 4 * time.Second, Shard: dead, near: &nearby{channels: map[client.ChannelID]bool{}}}
	for what, tc := range map[string]struct {
		times [][2]float64 // from call to answer
		want  int64
	}{
		"quick":                           {[][2]float64{{9.9, 10.1}, {11, 11.2}, {12, 13}}, 0},
		"one waits, two are behind it":    {[][2]float64{{10.5, 16}, {10.6, 16.1}, {10.7, 16.2}}, 1},
		"it has waited since before":      {[][2]float64{{8, 15}, {9, 15.1}}, 1},
		"a long outbox":                   {[][2]float64{{5, 10.2}, {5, 11}, {5, 12}, {5, 13}, {10.1, 14}, {10.2, 14.5}}, 0},
		"one that has not been answered":  {[][2]float64{{10.5, 0}}, 1},
		"it waited after the fault began": {[][2]float64{{11, 14.5}}, 1},
		"before and after":                {[][2]float64{{1, 9}, {15, 25}}, 0},
	} {
		w := &world{start: time.Now().Add(-time.Minute)}
		d := &device{name: "p0/0", steady: true, p: &person{w: w}}
		ch := &channel{w: w, id: 1, name: "g0", homes: []string{"a"}}
		for i, at := range tc.times {
			ch.sends = append(ch.sends, &send{ch: ch, from: d, call: sec(at[0]), ret: sec(at[1]), k: i})
		}
		w.channels = []*channel{ch}
		var r Report
		w.isolation([]Fault{fault}, &r)
		if r.Isolation != tc.want {
			t.Errorf("%s: %d, want %d", what, r.Isolation, tc.want)
		}
	}
}
