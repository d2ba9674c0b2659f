package store

import (
	"testing"

	"gori/shard"
)

// heard makes reports of the documents that acceptors hold.
func heard(held map[string]*shard.Ring) *reports {
	rs := newReports()
	for a, r := range held {
		rs.take(a, report{ballot: ballot{counter: r.Version}, ring: r, hash: r.Hash()})
	}
	return rs
}

func TestTheNewestAgreedDocumentIsFollowed(t *testing.T) {
	m, err := shard.First([]shard.ID{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	one := shard.FirstRing(m)
	two := must(one.Readdress("a", "host=a"))
	three := must(two.Add("d", "@d", shard.Plan{ID: "x", Slowdown: 2}))
	alone := must(two.AddAcceptor("witness:w"))
	for _, c := range []struct {
		name           string
		held           map[string]*shard.Ring
		agreed, newest *shard.Ring
	}{
		{"nothing", nil, nil, nil},
		{"all the same", map[string]*shard.Ring{"a": one, "b": one, "c": one}, one, one},
		{"one is down", map[string]*shard.Ring{"a": one, "c": one}, one, one},
		{"too few", map[string]*shard.Ring{"a": one}, nil, one},
		{"the next at one only, which had this", map[string]*shard.Ring{"a": two, "b": one}, one, two},
		{"the next at most", map[string]*shard.Ring{"a": two, "b": two, "c": one}, two, two},
		{"two thirds of the old, half of the new", map[string]*shard.Ring{"a": three, "b": three, "c": two}, two, three},
		{"enough of both", map[string]*shard.Ring{"a": three, "b": three, "c": two, "d": three}, three, three},
		{"the witness stands for itself", map[string]*shard.Ring{"a": alone, "b": alone, "c": two}, alone, alone},
	} {
		agreed, newest := heard(c.held).judge()
		if agreed != c.agreed || newest != c.newest {
			t.Errorf("%s: agreed %v, newest %v", c.name, agreed, newest)
		}
	}
	// Old news do not replace newer ones.
	rs := heard(map[string]*shard.Ring{"a": two})
	rs.take("a", report{ballot: ballot{counter: 1}, ring: one, hash: one.Hash()})
	if _, newest := rs.judge(); newest != two {
		t.Error("an acceptor seems to have gone back")
	}
}

func must(r *shard.Ring, err error) *shard.Ring {
	if err != nil {
		panic(err)
	}
	return r
}
