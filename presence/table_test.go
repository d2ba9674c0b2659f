package presence

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gori/chat"
)

// TestTableIsAMap: whatever is put, the table holds what a plain map of maps
// would, and each node's digests are the sums over what it holds of it.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n nodes
		n.init()
		peers := []*peer{n.add("a"), n.add("b"), n.add("c")}
		type key struct {
			u    chat.UserID
			node int
		}
		model := map[key]record{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			k := key{chat.UserID(rapid.IntRange(1, 20).Draw(t, "user")), rapid.IntRange(0, 2).Draw(t, "node")}
			r := record{rapid.Uint32().Draw(t, "last"), word(rapid.Uint16().Draw(t, "word")) & wordMask}
			if r.word.empty() {
				r = record{}
				delete(model, k)
			} else {
				model[k] = r
			}
			n.put(peers[k.node], k.u, r)
		}
		users := map[chat.UserID]bool{}
		for i, p := range peers {
			var digests [bucketCount]uint64
			var root uint64
			var listed, want []chat.UserID
			for b := range bucketCount {
				listed = append(listed, n.table.inBucket(uint8(b), p.index)...)
			}
			for k, r := range model {
				if k.node != i {
					continue
				}
				users[k.u] = true
				want = append(want, k.u)
				digests[bucketOf(k.u)] += hashOf(k.u, r)
				root += hashOf(k.u, r)
				if got := n.table.get(k.u, p.index); got != r {
					t.Fatalf("%v is %v, want %v", k, got, r)
				}
			}
			slices.Sort(listed)
			slices.Sort(want)
			if !slices.Equal(listed, want) || p.users != len(want) {
				t.Fatalf("node %d lists %v and counts %d, want %v", i, listed, p.users, want)
			}
			if digests != p.digests || root != p.root {
				t.Fatalf("node %d: digests differ", i)
			}
		}
		if n.table.users() != len(users) {
			t.Fatalf("%d users, want %d", n.table.users(), len(users))
		}
	})
}

// TestKinIsFriendship: the index answers as the lists do.
func TestKinIsFriendship(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var k kin
	people := map[chat.UserID]*person{}
	for step := range 1000 {
		u := chat.UserID(1 + rng.IntN(300))
		p := people[u]
		if p == nil {
			p = &person{id: u}
			people[u] = p
		}
		if rng.IntN(3) == 0 {
			k.clear(p)
		} else {
			friends := make([]chat.UserID, rng.IntN(120))
			for i := range friends {
				friends[i] = chat.UserID(1 + rng.IntN(300))
			}
			k.set(p, friends)
		}
		if step%100 != 0 {
			continue
		}
		for f := chat.UserID(1); f <= 300; f++ {
			got, want := map[chat.UserID]bool{}, map[chat.UserID]bool{}
			k.of(f, func(p *person) { got[p.id] = true })
			for _, p := range people {
				if slices.Contains(p.friends, f) {
					want[p.id] = true
				}
			}
			if !maps.Equal(got, want) {
				t.Fatalf("step %d: friends of %d are %v, want %v", step, f, got, want)
			}
		}
	}
	for _, p := range people {
		k.clear(p)
	}
	left := k.pairs
	for _, b := range k.buckets {
		left += len(b)
	}
	if left != 0 || len(k.free) != len(k.slots) {
		t.Fatalf("%d pairs stay, %d of %d slots are free", left, len(k.free), len(k.slots))
	}
}
