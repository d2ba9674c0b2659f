package chat

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func threeNodes() []NodeState {
	var nodes []NodeState
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, NodeState{Name: name, Run: "run of " + name, Ready: true, Capacity: 20_000, Region: "kr"})
	}
	return nodes
}

func TestChooseOnlyWhoTakesPeople(t *testing.T) {
	for name, c := range map[string]struct {
		region string
		change func(nodes []NodeState)
		want   string // those that may be chosen; "": none
	}{
		"all are alike":            {"kr", func([]NodeState) {}, "a b c"},
		"no region is asked for":   {"", func(n []NodeState) { n[0].Region = "us" }, "a b c"},
		"one is near":              {"us", func(n []NodeState) { n[1].Region = "us" }, "b"},
		"the near one is full":     {"us", func(n []NodeState) { n[1].Region, n[1].Sessions = "us", 20_000 }, "a c"},
		"nobody is near":           {"eu", func([]NodeState) {}, "a b c"},
		"draining":                 {"kr", func(n []NodeState) { n[0].Draining = true }, "b c"},
		"not ready":                {"kr", func(n []NodeState) { n[1].Ready = false }, "a c"},
		"stale":                    {"kr", func(n []NodeState) { n[2].Age = NodeDeadAfter }, "a b"},
		"late but alive":           {"kr", func(n []NodeState) { n[2].Age = NodeDeadAfter - 1 }, "a b c"},
		"full":                     {"kr", func(n []NodeState) { n[0].Sessions, n[1].Sessions = 20_000, 20_001 }, "c"},
		"fuller than the others":   {"kr", func(n []NodeState) { n[0].Sessions = 10_000 }, "b c"},
		"the emptier by its share": {"kr", func(n []NodeState) { n[0].Sessions, n[0].Capacity = 100, 200; n[1].Sessions = 1000 }, "b c"},
		"no capacity":              {"kr", func(n []NodeState) { n[0].Capacity, n[1].Capacity, n[2].Capacity = 0, 0, 0 }, ""},
		"itself":                   {"kr", func(n []NodeState) { n[1].Self = true }, "b"},
		"itself, a little fuller":  {"kr", func(n []NodeState) { n[1].Self, n[1].Sessions = true, 900 }, "b"},
		"itself, if near":          {"us", func(n []NodeState) { n[1].Self, n[2].Region = true, "us" }, "c"},
		"itself, but much fuller":  {"kr", func(n []NodeState) { n[1].Self, n[1].Sessions = true, 2_000 }, "a c"},
		"itself, but draining":     {"kr", func(n []NodeState) { n[1].Self, n[1].Draining = true, true }, "a c"},
		"all draining": {"kr", func(n []NodeState) {
			for i := range n {
				n[i].Draining = true
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := threeNodes()
			c.change(nodes)
			random := rand.New(rand.NewPCG(1, 2))
			seen := map[string]bool{}
			for range 100 {
				n, ok := NewChooser(random.IntN, nil).Choose(nodes, c.region)
				if ok != (c.want != "") {
					t.Fatalf("chosen: %v", ok)
				}
				if ok {
					seen[n.Name] = true
				}
			}
			for _, want := range strings.Fields(c.want) {
				if !seen[want] {
					t.Errorf("%s is never chosen", want)
				}
				delete(seen, want)
			}
			if len(seen) > 0 {
				t.Errorf("chosen as well: %v", seen)
			}
		})
	}
}

// A storm of 5,000 spreads within 10 % of even, though no beat comes for its
// 2 s, and with a beat in the middle of it that tells of those who have come.
func TestChooseSpreadsAStorm(t *testing.T) {
	for name, beatAt := range map[string]int{"frozen beats": 0, "a beat in the middle": 2500} {
		for seed := range uint64(9) {
			spreadStorm(t, name, seed, int(seed%3)+1, beatAt, false)
			spreadStorm(t, name+", nodes that choose", seed, 3, beatAt, true)
		}
	}
}

func spreadStorm(t *testing.T, name string, seed uint64, several, beatAt int, ofNodes bool) {
	random := rand.New(rand.NewPCG(seed, 1))
	now := time.Unix(1_800_000_000, 0)
	nodes := threeNodes()
	choosers := make([]*Chooser, several)
	for i := range choosers {
		choosers[i] = NewChooser(random.IntN, func() time.Time { return now })
	}
	counts := map[string]int{}
	for i := range 5000 {
		if beatAt > 0 && i == beatAt {
			for k := range nodes {
				nodes[k].Age, nodes[k].Sessions = 0, counts[nodes[k].Name]
			}
		}
		for k := range nodes {
			nodes[k].Self = ofNodes && k == i%several
		}
		n, ok := choosers[i%several].Choose(nodes, "kr")
		if !ok {
			t.Fatal("nobody takes people")
		}
		counts[n.Name]++
		now = now.Add(400 * time.Microsecond)
		for k := range nodes {
			nodes[k].Age += 400 * time.Microsecond
		}
	}
	for _, n := range nodes {
		if got := counts[n.Name]; got < 1500 || got > 1833 {
			t.Fatalf("%s, %d choosers, seed %d: %v", name, several, seed, counts)
		}
	}
}

// A chooser never sends more than there is room for, whatever the beats say.
func TestChooseNeverOverfills(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		nodes := threeNodes()
		room := 0
		for i := range nodes {
			nodes[i].Capacity = rapid.IntRange(0, 40).Draw(t, "capacity")
			nodes[i].Sessions = rapid.IntRange(0, 40).Draw(t, "sessions")
			room += max(0, nodes[i].Capacity-nodes[i].Sessions)
		}
		c := NewChooser(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)).IntN, func() time.Time { return now })
		for i := range 200 {
			if _, ok := c.Choose(nodes, ""); ok != (i < room) {
				t.Fatalf("the %dth of %d places: %v", i+1, room, ok)
			}
		}
	})
}
