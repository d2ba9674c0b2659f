package shard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gori/shard"
)

var plan = shard.Plan{ID: "r1", Slowdown: 2}

func ring(t testing.TB, ids ...shard.ID) *shard.Ring { return shard.FirstRing(first(t, ids...)) }

func owners(m *shard.Map) *shard.Owners {
	var o shard.Owners
	for p := range o {
		o[p] = m.Owner(shard.Partition(p))
	}
	return &o
}

// ringWalk changes a ring at random, always through what is allowed then.
type ringWalk struct {
	t *rapid.T
	r *shard.Ring
	n int
	// now is who serves each partition really: it follows the map at will.
	now *shard.Owners
}

func (w *ringWalk) id() shard.ID {
	w.n++
	return shard.ID(fmt.Sprintf("n%d", w.n))
}

func (w *ringWalk) seat() shard.ID {
	return rapid.SampledFrom(w.r.Seats).Draw(w.t, "seat").ID
}

// move lets some partitions arrive where the map wants them.
func (w *ringWalk) move() {
	share := rapid.SampledFrom([]int{0, 50, 100}).Draw(w.t, "share")
	for p := range w.now {
		if p*7919%100 < share {
			w.now[p] = w.r.Map.Owner(shard.Partition(p))
		}
	}
}

func (w *ringWalk) change() (*shard.Ring, error) {
	p := shard.Plan{ID: fmt.Sprintf("r%d", w.r.Version), Slowdown: 2}
	switch rapid.IntRange(0, 12).Draw(w.t, "what") {
	case 0, 1:
		id := w.id()
		return w.r.Add(id, "@"+string(id), p)
	case 2:
		return w.r.Remove(w.seat(), p)
	case 3:
		return w.r.Reverse(p)
	case 4:
		return w.r.Abort(w.now)
	case 5, 6:
		if n, err := w.r.Retire(); n != nil || err != nil {
			return n, err
		}
		return w.r.Finish(w.now)
	case 7:
		return w.r.Settle()
	case 8:
		paused := rapid.Bool().Draw(w.t, "paused")
		mbps := 12.5
		return w.r.Adjust(shard.PlanChange{Paused: &paused, Why: "why", MBps: &mbps})
	case 9:
		return w.r.Standby(w.seat(), "host=standby", rapid.Bool().Draw(w.t, "sync"))
	case 10:
		return w.r.Promote(w.seat())
	case 11:
		return w.r.AddAcceptor("witness:w")
	default:
		return w.r.DropAcceptor("witness:w")
	}
}

// Whatever is done in whatever order, the document stays whole, every version
// names the one before, and what cannot be is refused.
func TestARingStaysWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &ringWalk{t: rt, r: ring(t, "a", "b")}
		w.now = owners(w.r.Map)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			before := w.r.Hash()
			n, err := w.change()
			if w.r.Hash() != before {
				rt.Fatal("a ring was changed in place")
			}
			if err != nil || n == nil {
				continue
			}
			if n.Version != w.r.Version+1 || n.Prev != before {
				rt.Fatalf("version %d after %d, or a wrong previous hash", n.Version, w.r.Version)
			}
			checkStep(rt, w.r, n, w.now)
			text, err := json.Marshal(n)
			if err != nil {
				rt.Fatal(err)
			}
			var back shard.Ring
			if err := json.Unmarshal(text, &back); err != nil {
				rt.Fatalf("a ring that was made is refused: %v", err)
			}
			if back.Hash() != n.Hash() {
				rt.Fatal("a ring changes by being kept")
			}
			w.r = n
			w.move()
		}
	})
}

func checkStep(rt *rapid.T, from, to *shard.Ring, now *shard.Owners) {
	if !slices.Equal(from.Acceptors, to.Acceptors) && !slices.Equal(to.OldAcceptors, from.Acceptors) {
		rt.Fatalf("the acceptors became %v, and those before are %v, not %v", to.Acceptors, to.OldAcceptors, from.Acceptors)
	}
	if slices.Equal(from.Acceptors, to.Acceptors) && to.OldAcceptors != nil {
		rt.Fatal("old acceptors stay")
	}
	for _, id := range now {
		if _, ok := to.Seat(id); !ok {
			rt.Fatalf("shard %s serves partitions and has no seat any more", id)
		}
	}
	for _, s := range to.Seats {
		if was, ok := from.Seat(s.ID); ok && s.Term < was.Term {
			rt.Fatalf("the term of %s went back", s.ID)
		}
	}
	if from.Plan != nil && to.Plan == nil && *owners(to.Map) != *now {
		rt.Fatal("a plan ended with a map that is not true")
	}
}

func must(t testing.TB) func(*shard.Ring, error) *shard.Ring {
	return func(r *shard.Ring, err error) *shard.Ring {
		t.Helper()
		if err != nil || r == nil {
			t.Fatalf("%v, %v", r, err)
		}
		return r
	}
}

func TestAShardComesAndGoes(t *testing.T) {
	ok := must(t)
	r := ring(t, "a", "b", "c", "d")
	r = ok(r.Add("e", "host=e dbname=gori", plan))
	if got := len(shard.Moves(r.Before, r.Map)); got != 204 {
		t.Errorf("%d partitions move to the fifth shard, not 204", got)
	}
	if len(r.Quorums()) != 2 || r.Spare() != 1 {
		t.Errorf("the old acceptors %v and the new %v, spare %d", r.OldAcceptors, r.Acceptors, r.Spare())
	}
	if _, err := r.Finish(owners(r.Before)); !errors.Is(err, shard.ErrUnsettled) {
		t.Errorf("a plan that was not carried out was finished: %v", err)
	}
	r = ok(r.Settle())
	if r.Plan == nil || len(r.Quorums()) != 1 || r.Spare() != 2 {
		t.Errorf("settled: %+v", r)
	}
	r = ok(r.Finish(owners(r.Map)))
	r = ok(r.Remove("a", plan))
	if s, _ := r.Seat("a"); !s.Leaving || !slices.Contains(r.Acceptors, "a") {
		t.Errorf("a is to leave, and keeps the document until it has: %+v", r)
	}
	if _, err := r.Finish(owners(r.Map)); !errors.Is(err, shard.ErrUnsettled) {
		t.Errorf("the seat of an acceptor was dropped: %v", err)
	}
	r = ok(r.Retire())
	if _, has := r.Seat("a"); !has || slices.Contains(r.Acceptors, "a") {
		t.Errorf("retired: %+v", r)
	}
	r = ok(r.Finish(owners(r.Map)))
	if _, has := r.Seat("a"); has || r.Plan != nil || len(r.Seats) != 4 {
		t.Errorf("a has not left: %+v", r)
	}
	if s, err := r.Settle(); s != nil || err != nil {
		t.Errorf("there is nothing to settle: %v, %v", s, err)
	}
}

func TestAnAbortedShardLeavesUnlessItServes(t *testing.T) {
	ok := must(t)
	begun := ok(ring(t, "a", "b").Add("c", "@c", plan))
	r := ok(begun.Abort(owners(begun.Before)))
	if s, has := r.Seat("c"); !has || !s.Leaving || slices.Contains(r.Acceptors, "c") || r.Map.Has("c") {
		t.Errorf("aborted before anything moved: %+v", r)
	}
	if r = ok(r.Settle()); len(r.Seats) != 2 || r.Plan != nil {
		t.Errorf("and settled: %+v", r)
	}
	some := owners(begun.Before)
	some[shard.Moves(begun.Before, begun.Map)[0].Partition] = "c"
	r = ok(begun.Abort(some))
	if s, has := r.Seat("c"); !has || s.Leaving || len(r.Map.Owned("c")) != 1 {
		t.Errorf("aborted after one had moved: %+v", s)
	}
	r = ok(r.Reverse(plan))
	if s, _ := r.Seat("c"); !s.Leaving || r.Plan.Shard != "c" || len(shard.Moves(r.Before, r.Map)) != 1 {
		t.Errorf("reversed: %+v, %+v", s, r.Plan)
	}
}

func TestOneReshardAtATime(t *testing.T) {
	begun := must(t)(ring(t, "a", "b").Add("c", "@c", plan))
	var underway *shard.UnderwayError
	for name, err := range map[string]error{
		"add":    second(begun.Add("d", "@d", plan)),
		"remove": second(begun.Remove("a", plan)),
	} {
		if !errors.As(err, &underway) || underway.Plan.Shard != "c" {
			t.Errorf("%s during a reshard: %v", name, err)
		}
	}
	idle := ring(t, "a", "b")
	for name, err := range map[string]error{
		"abort":  second(idle.Abort(owners(idle.Map))),
		"finish": second(idle.Finish(owners(idle.Map))),
		"adjust": second(idle.Adjust(shard.PlanChange{})),
	} {
		if !errors.Is(err, shard.ErrNoPlan) {
			t.Errorf("%s without a reshard: %v", name, err)
		}
	}
	if _, err := idle.Reverse(plan); !errors.Is(err, shard.ErrNothingOld) {
		t.Errorf("reverse of nothing: %v", err)
	}
	if _, err := idle.Promote("a"); err == nil {
		t.Error("a standby that there is not was promoted")
	}
	behind := must(t)(idle.Standby("a", "host=standby", false))
	if _, err := behind.Promote("a"); err == nil {
		t.Error("a standby that may lack messages was promoted")
	}
}

func TestNoPasswordGetsIntoTheRing(t *testing.T) {
	for _, addr := range []string{
		"postgres://u:secret@h/db", "postgresql://h/db?password=secret", "host=h password=secret", "PASSWORD = secret host=h", "", "  ", "h", "@", "@A",
	} {
		err := shard.CheckAddr(addr)
		if err == nil {
			t.Errorf("%q was taken", addr)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	for _, addr := range []string{"@a", "postgres://u@h:5432/db?sslmode=require", "host=/run/pg user=gori dbname=gori"} {
		if err := shard.CheckAddr(addr); err != nil {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestBrokenRingsAreRefused(t *testing.T) {
	text, err := json.Marshal(ring(t, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"version":1`, `"version":0`}, {`"version":1`, `"version":2`}, {`"addr":"@a"`, `"addr":""`}, {`"term":1`, `"term":0`},
		{`"acceptors":["a","b"]`, `"acceptors":[]`}, {`"acceptors":["a","b"]`, `"acceptors":["b","a"]`}, {`"acceptors":["a","b"]`, `"acceptors":["a","c"]`},
		{`{"id":"b","addr":"@b","term":1}`, `{"id":"c","addr":"@c","term":1}`}, {`"addr":"@b"`, `"leaving":true,"addr":"@b"`},
		{`"acceptors":["a","b"]`, `"acceptors":["a","b"],"plan":{"id":"x","kind":"add","slowdown":0}`},
	} {
		broken := strings.Replace(string(text), change[0], change[1], 1)
		if broken == string(text) {
			t.Fatalf("%s is not in %.120s", change[0], text)
		}
		if json.Unmarshal([]byte(broken), new(shard.Ring)) == nil {
			t.Errorf("%s was read", change[1])
		}
	}
}
