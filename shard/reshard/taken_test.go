package reshard

import (
	"errors"
	"testing"

	"gori/shard"
)

func TestWhoIsReplacedEnds(t *testing.T) {
	m, err := shard.First([]shard.ID{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	begun, err := shard.FirstRing(m).Add("c", "@c", shard.Plan{ID: "r1", Slowdown: 2, By: "ann@one"})
	if err != nil {
		t.Fatal(err)
	}
	if begun, err = begun.Settle(); err != nil {
		t.Fatal(err)
	}
	c := &carrier{Runner: NewRunner(Config{}), ring: begun}
	rate := 5.0
	slower, err := begun.Adjust(shard.PlanChange{MBps: &rate})
	if err != nil || c.same(slower) != nil {
		t.Fatalf("%v, %v", err, c.same(slower))
	}
	taken, err := slower.Adjust(shard.PlanChange{TakenBy: "bob@two"})
	if err != nil || taken.Plan.Turn != taken.Version || taken.Plan.Turn <= begun.Plan.Turn {
		t.Fatalf("turn %d, %v", taken.Plan.Turn, err)
	}
	var by *TakenError
	if err := c.outcome(c.same(taken)); !errors.As(err, &by) || by.By != "bob@two" || by.Finished {
		t.Error(err)
	}
	if err := c.outcome(errFinished); !errors.As(err, &by) || !by.Finished {
		t.Error(err)
	}
	c.finishing = true
	if err := c.outcome(errFinished); err != nil {
		t.Error(err)
	}
}
