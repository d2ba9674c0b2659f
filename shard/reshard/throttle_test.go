package reshard

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"gori/shard"
)

// machine is a model of what moving does to sends: the more of its time the mover
// works, the longer they take.
type machine struct {
	base time.Duration
	room float64 // share of the time that the mover may work before sends wait
	rnd  *rand.Rand
}

func (m *machine) send(share float64) time.Duration {
	busy := min(0.6*share/m.room, 0.98)
	took := float64(m.base) * (0.7 + 0.6*m.rnd.Float64()) * 0.4 / (1 - busy)
	if m.rnd.IntN(400) == 0 {
		took *= 3 // somebody else's
	}
	return time.Duration(took)
}

func TestTheControllerFindsTheShare(t *testing.T) {
	for _, room := range []float64{0.15, 0.4, 1} {
		m := &machine{base: 5 * time.Millisecond, room: room, rnd: rand.New(rand.NewPCG(1, 2))}
		var before Times
		for range 10_000 {
			before.Heard(m.send(0))
		}
		c := newController(2 * before.P99())
		var during Times
		work := 0.0
		const steps = 600
		for range steps {
			var now Times
			for range 20 {
				now.Heard(m.send(c.share))
			}
			during = during.Plus(now)
			work += c.share
			c.step(now)
		}
		share := work / steps
		t.Logf("room for %.2f: %.2f used, p99 %v before and %v during", room, share, before.P99(), during.P99())
		if share < room/5 || during.P99() > 5*before.P99()/2 {
			t.Errorf("room for %.2f: %.2f used, p99 %v before and %v during", room, share, before.P99(), during.P99())
		}
	}
}

func TestTheControllerStaysWithinItsBounds(t *testing.T) {
	c := newController(10 * time.Millisecond)
	var slow, fast Times
	for range 20 {
		slow.Heard(time.Second)
		fast.Heard(time.Millisecond)
	}
	for range 100 {
		c.step(slow)
	}
	if c.share != lowestShare {
		t.Errorf("when all is slow: %v", c.share)
	}
	for range 200 {
		c.step(fast)
	}
	if c.share != 1 {
		t.Errorf("when nothing is slow: %v", c.share)
	}
	for range slicesMost {
		c.step(Times{}) // nobody sends
	}
	c.step(slow)
	if c.share != lessBy {
		t.Errorf("slow once: %v", c.share)
	}
}

func TestTimes(t *testing.T) {
	var a Times
	if a.P99() != 0 || a.N() != 0 {
		t.Error("of nothing")
	}
	for i := range 1000 {
		a.Heard(time.Duration(i+1) * 100 * time.Microsecond)
	}
	near := func(got, want time.Duration) bool { return got >= want && got <= want*111/100 }
	if got := a.P99(); !near(got, 99*time.Millisecond) {
		t.Errorf("p99 of 0.1 to 100 ms is %v", got)
	}
	if got := a.Over(50 * time.Millisecond); got < 450 || got > 500 {
		t.Errorf("%d of 500 took longer than 50 ms", got)
	}
	var b Times
	b.Heard(time.Hour)
	b.Heard(0)
	sum := a.Plus(b)
	if sum.N() != 1002 || sum.Minus(a) != b || b.Over(time.Second) != 1 {
		t.Errorf("the sum has %d, %d over a second", sum.N(), b.Over(time.Second))
	}
	for i := range timeRanges - 1 {
		var one Times
		one.Heard(endOf(i))
		if one[i] != 1 || one.Over(endOf(i)) != 0 {
			t.Errorf("%v is not in the range that it ends", endOf(i))
		}
	}
}

func TestARecorderKnowsWhatWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Recorder
		if got := r.Tell(&shard.Plan{BegunMS: time.Now().UnixMilli()}); got.Before.N() != 0 || got.All.N() != 0 {
			t.Errorf("nobody has sent anything, and it tells %v", got)
		}
		for range 3000 { // five minutes
			r.Heard(4 * time.Millisecond)
			time.Sleep(100 * time.Millisecond)
		}
		plan := &shard.Plan{BegunMS: time.Now().UnixMilli()}
		first := r.Tell(plan)
		if n := first.Before.N(); n < 1100 || n > 1300 || first.All.N() != 3000 {
			t.Errorf("%d before, %d in all", n, first.All.N())
		}
		for range 3000 {
			r.Heard(time.Second)
			time.Sleep(100 * time.Millisecond)
		}
		if got := r.Tell(plan); got.Before != first.Before || got.All.N() != 6000 {
			t.Errorf("later it tells %d before, %d in all", got.Before.N(), got.All.N())
		}
	})
}

func TestTheThrottleKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		pace := th.lane()
		for range 1000 {
			if err := pace.Take(t.Context(), 1e9); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		th.Set(2, 2)
		for range 100 {
			if err := pace.Take(t.Context(), 100_000); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 4800*time.Millisecond || took > 5200*time.Millisecond {
			t.Errorf("10 MB at 2 MB/s took %v", took)
		}
		// A new rate counts for those who wait already.
		began = time.Now()
		time.AfterFunc(time.Second, func() { th.Set(100, 2) })
		if err := pace.Take(t.Context(), 20e6); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("after the rate was raised it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		th.Set(0.001, 2)
		if err := pace.Take(ctx, 1e6); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting ended with %v", err)
		}
	})
}

// crowd tells of people whose sends are slow while a mover works too much.
type crowd struct {
	th  *Throttle
	all Times
	bad int // looks at which they were
}

func (c *crowd) Told(context.Context) (map[string]Told, error) {
	var before Times
	for range enough {
		before.Heard(4 * time.Millisecond)
	}
	took := 5 * time.Millisecond
	if f := c.th.Figures(); f.Share > 0.3 {
		took = 50 * time.Millisecond
		c.bad++
	}
	for range 20 {
		c.all.Heard(took)
	}
	return map[string]Told{"1": {Before: before, All: c.all}}, nil
}

func TestARunnerSlowsDownForSends(t *testing.T) {
	took := func(t *testing.T, slowdown float64, people bool) (time.Duration, *crowd, Figures) {
		base := firstRing(t, "a", "b")
		m := newModel(base.Map)
		m.join("c")
		ring, err := base.Add("c", "@c", shard.Plan{ID: "r", Slowdown: slowdown})
		if err != nil {
			t.Fatal(err)
		}
		p := m.start(t.Context())
		defer p.die()
		r := NewRunner(Config{Register: &memLedger{now: ring}, Backend: fat{p}})
		c := &crowd{th: r.throttle}
		if people {
			r.cfg.Sends = c
		}
		began := time.Now()
		if err := r.Run(p.ctx); err != nil {
			t.Fatal(err)
		}
		return time.Since(began), c, r.Throttle().Figures()
	}
	synctest.Test(t, func(t *testing.T) {
		alone, _, _ := took(t, 2, false)
		slowed, c, f := took(t, 2, true)
		if f.Baseline < 4*time.Millisecond || f.Baseline > 5*time.Millisecond {
			t.Errorf("the p99 before is %v", f.Baseline)
		}
		if slowed < 2*alone || slowed > 20*alone || c.bad > int(c.all.N()/20/3) {
			t.Errorf("alone it takes %v, with people %v; they noticed it at %d of %d looks", alone, slowed, c.bad, c.all.N()/20)
		}
		if off, _, _ := took(t, 1e6, true); off > alone*11/10 {
			t.Errorf("alone it takes %v, with people who may be slowed down at will %v", alone, off)
		}
	})
}

// fat is a Backend whose partitions weigh a megabyte each.
type fat struct{ *process }

type fatWork struct{ Work }

func (f fat) Begin(ctx context.Context, g Group) (Work, error) {
	w, err := f.process.Begin(ctx, g)
	return fatWork{w}, err
}

func (w fatWork) Fill(ctx context.Context, pace Pace) error {
	for range w.Work.(*modelWork).g.Partitions {
		for range 10 {
			time.Sleep(2 * time.Millisecond)
			if err := pace.Take(ctx, 100_000); err != nil {
				return err
			}
		}
	}
	return w.Work.Fill(ctx, pace)
}

// oneBaton is a lock that one of several nodes has.
type oneBaton chan struct{}

func (b oneBaton) Take(ctx context.Context, _ *shard.Ring) (context.Context, func(), bool, error) {
	select {
	case b <- struct{}{}:
		held, lose := context.WithCancel(ctx)
		return held, func() { lose(); <-b }, true, nil
	default:
		return nil, nil, false, nil
	}
}

// The node that conducts dies; another goes on, and cleans up when the grace is
// over.
func TestANodeTakesOverADetachedPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := firstRing(t, "a", "b")
		m := newModel(base.Map)
		m.join("c")
		ring, err := base.Add("c", "@c", shard.Plan{ID: "r", Slowdown: 2, Detached: true})
		if err != nil {
			t.Fatal(err)
		}
		m.write(0, "k", 1)
		ledger, baton := &memLedger{now: ring}, make(oneBaton, 1)
		copied := 0
		m.step = func(p *process, name string, _ Group) error {
			if name == "copied" {
				if copied++; copied == 3 {
					p.die()
					return errDead
				}
			}
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		for range 2 {
			p := m.start(ctx)
			c := &Conductor{
				Config: Config{Register: ledger, Backend: p, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))},
				Baton:  baton,
				Ring:   func() *shard.Ring { return ledger.doc() },
			}
			go func() { done <- c.Run(p.ctx) }()
		}
		time.Sleep(2 * time.Minute)
		if ledger.doc().Plan != nil {
			t.Errorf("nobody has carried it out: %+v", ledger.doc().Plan)
		}
		if left := m.remaining("a") + m.remaining("b"); left == 0 {
			t.Error("cleaned before the grace was over")
		}
		time.Sleep(25 * time.Hour)
		if left := m.remaining("a") + m.remaining("b"); left != 0 {
			t.Errorf("after the grace %d partitions are not clean", left)
		}
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// remaining counts what has gone from a shard and was not cleaned.
func (m *model) remaining(id shard.ID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, r := range m.rows[id] {
		if r.State == Gone && !r.Cleaned {
			n++
		}
	}
	return n
}
