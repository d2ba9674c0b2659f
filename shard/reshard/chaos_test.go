package reshard

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gori/shard"
)

// chaos runs movers, several at a time, and lets happen to them what may.
type chaos struct {
	*model
	t      *testing.T
	ledger *memLedger
	wg     sync.WaitGroup
	names  int

	dice  sync.Mutex
	rnd   *rand.Rand
	calm  bool
	value int
}

func (c *chaos) roll(n int) int {
	c.dice.Lock()
	defer c.dice.Unlock()
	return c.rnd.IntN(n)
}

// fault is what happens at a step.
func (c *chaos) fault(p *process, _ string, g Group) error {
	c.dice.Lock()
	c.value++
	value, calm := c.value, c.calm
	c.dice.Unlock()
	c.write(g.Partitions[c.roll(len(g.Partitions))], fmt.Sprintf("k%d", c.roll(3)), value)
	if calm {
		return nil
	}
	switch n := c.roll(200); {
	case n < 3:
		p.die()
		return errDead
	case n < 5: // it stands still, and its sessions end meanwhile
		p.mu.Lock()
		p.unlock()
		p.mu.Unlock()
		time.Sleep(time.Duration(c.roll(8000)) * time.Millisecond)
	case n < 7:
		return &BudgetError{}
	case n < 8:
		return &BehindError{}
	case n < 9:
		c.toggle()
	case n < 60:
		time.Sleep(time.Duration(c.roll(100)) * time.Millisecond)
	}
	return nil
}

func (c *chaos) toggle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	seats := c.ledger.doc().Seats
	id := seats[c.roll(len(seats))].ID
	c.down[id] = !c.down[id]
}

func (c *chaos) plan() shard.Plan {
	c.names++
	return shard.Plan{ID: fmt.Sprintf("r%d", c.names), Slowdown: 2}
}

// spawn starts a process that does something until it dies or its time is over.
func (c *chaos) spawn(length time.Duration, do func(context.Context, *Runner)) {
	ctx, cancel := context.WithTimeout(c.t.Context(), length)
	p := c.start(ctx)
	c.wg.Go(func() {
		defer cancel()
		do(p.ctx, NewRunner(Config{Register: c.ledger, Backend: p, Patience: 3}))
		p.die()
	})
}

// act is one thing an administrator, or fate, does.
func (c *chaos) act() {
	run := func(ctx context.Context, r *Runner) { _ = r.Run(ctx) }
	change := func(f func(*shard.Ring) (*shard.Ring, error)) { _, _ = Update(c.t.Context(), c.ledger, f) }
	ring, _ := c.ledger.Read(c.t.Context())
	on := c.roll(3) == 0
	switch c.roll(12) {
	case 0, 1:
		id := shard.ID(fmt.Sprintf("n%d", c.names))
		c.mu.Lock()
		c.join(id)
		c.mu.Unlock()
		change(func(r *shard.Ring) (*shard.Ring, error) { return r.Add(id, "@"+string(id), c.plan()) })
	case 2:
		id := ring.Seats[c.roll(len(ring.Seats))].ID
		change(func(r *shard.Ring) (*shard.Ring, error) { return r.Remove(id, c.plan()) })
	case 3:
		change(func(r *shard.Ring) (*shard.Ring, error) { return r.Reverse(c.plan()) })
	case 4:
		change(func(r *shard.Ring) (*shard.Ring, error) { return r.Adjust(shard.PlanChange{Paused: &on}) })
	case 5:
		c.spawn(20*time.Second, func(ctx context.Context, r *Runner) { _, _ = r.Abort(ctx, nil) })
	case 6:
		c.toggle()
	default:
		c.spawn(time.Duration(1+c.roll(60))*time.Second, run)
	}
	time.Sleep(time.Duration(c.roll(2000)) * time.Millisecond)
}

// heal ends all faults, and lets one runner finish whatever is under way.
func (c *chaos) heal() {
	c.dice.Lock()
	c.calm = true
	c.dice.Unlock()
	c.mu.Lock()
	clear(c.down)
	c.mu.Unlock()
	c.wg.Wait()
	off := false
	for try := 0; ; try++ {
		ring, err := Update(c.t.Context(), c.ledger, func(r *shard.Ring) (*shard.Ring, error) {
			if r.Plan == nil || !r.Plan.Paused {
				return nil, nil
			}
			return r.Adjust(shard.PlanChange{Paused: &off})
		})
		if err != nil {
			c.t.Fatal(err)
		}
		if ring.Plan == nil || try == 20 {
			return
		}
		p := c.start(c.t.Context())
		if err := NewRunner(Config{Register: c.ledger, Backend: p}).Run(p.ctx); err != nil {
			c.t.Logf("the last runner: %v", err)
		}
		p.die()
	}
}

// play lets chaos reign and then order, and says what is wrong in the end.
func play(t *testing.T, base *shard.Ring, seed uint64, anyAttempt bool) (problem string) {
	synctest.Test(t, func(t *testing.T) {
		c := &chaos{model: newModel(base.Map), t: t, ledger: &memLedger{now: base}, rnd: rand.New(rand.NewPCG(seed, 11))}
		c.step, c.anyAttempt = c.fault, anyAttempt
		for range 25 {
			c.act()
		}
		c.heal()
		problem = c.judge()
	})
	return problem
}

// Whatever happens to the movers, however many there are and whatever the
// administrators want of them: in the end each partition has one owner, that of
// the map, and every acknowledged write is there.
func TestAnyChaosEndsInOrder(t *testing.T) {
	base := firstRing(t, "a", "b", "c")
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		if problem := play(t, base, seed, false); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
	}
}

// The test above must see what it is for.
func TestChaosCatchesAMoverThatIgnoresAttempts(t *testing.T) {
	base := firstRing(t, "a", "b", "c")
	for seed := range uint64(500) {
		if problem := play(t, base, seed, true); problem != "" {
			t.Logf("seed %d: %s", seed, problem)
			return
		}
	}
	t.Error("not caught in 500 runs")
}

func (c *chaos) judge() string {
	if len(c.problems) > 0 {
		return c.problems[0]
	}
	ring := c.ledger.doc()
	if ring.Plan != nil {
		return fmt.Sprintf("the plan is still under way: %+v", ring.Plan)
	}
	if settled, err := ring.Settle(); settled != nil {
		ring = settled
	} else if err != nil {
		return err.Error()
	}
	for p := range shard.Partition(shard.Partitions) {
		for id, rows := range c.rows {
			r := rows[p]
			_, seated := ring.Seat(id)
			want := ring.Map.Owner(p)
			switch {
			case r == nil && id != want:
			case r == nil || (r.State == Active) != (id == want):
				return fmt.Sprintf("partition %d is %+v at %s, and the map gives it to %s", p, r, id, want)
			case seated && (r.State == Fencing || r.capture && id == want):
				return fmt.Sprintf("something is left of a move of partition %d at %s: %+v", p, id, r)
			}
		}
	}
	if got, want := c.compare(), fmt.Sprintf("%d partitions written to, 0 not as acknowledged, 0 unserved", len(c.want)); got != want {
		return got
	}
	return ""
}
