package reshard

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"gori/shard"
)

// disk is a model of what moving does to live writes: the nearer the mover comes
// to what the disk can do, the longer they wait.
type disk struct {
	base time.Duration
	most float64 // bytes/s
	rnd  *rand.Rand
}

func (d *disk) write(load float64) time.Duration {
	busy := min(load/d.most, 0.98)
	ms := float64(d.base) * (0.7 + 0.6*d.rnd.Float64()) / (1 - busy)
	if d.rnd.IntN(400) == 0 {
		ms *= 4 // somebody else's
	}
	return time.Duration(ms)
}

func TestTheControllerFindsTheRate(t *testing.T) {
	for _, most := range []float64{5e6, 40e6, 300e6} {
		c := newController()
		d := &disk{base: 4 * time.Millisecond, most: most, rnd: rand.New(rand.NewPCG(1, 2))}
		var w window
		now := time.Unix(0, 0)
		limit := 11 * time.Millisecond // twice its p99 when idle
		slow, moved := 0, 0.0
		const rounds = 400 // of 250 ms
		for i := range rounds {
			load := min(c.rate, most)
			bad := 0
			for range 50 {
				now = now.Add(5 * time.Millisecond)
				took := d.write(load)
				w.add(now, took)
				if took > limit {
					bad++
				}
			}
			if i > rounds/4 {
				moved += load
				if bad > 2 {
					slow++
				}
			}
			if w.n() >= enough && c.step(w.p99(), limit, load) {
				w = window{}
			}
		}
		share := moved / (rounds * 3 / 4) / most
		t.Logf("a disk of %.0f MB/s: %.0f %% of it used, %d of %d rounds too slow", most/1e6, 100*share, slow, rounds*3/4)
		if share < 0.2 || slow > rounds*3/4/4 {
			t.Errorf("a disk of %.0f MB/s: %.0f %% of it used, %d rounds too slow", most/1e6, 100*share, slow)
		}
	}
}

func TestTheControllerStaysWithinItsBounds(t *testing.T) {
	c := newController()
	for range 100 {
		c.step(time.Second, time.Millisecond, c.rate)
	}
	if c.rate != lowestRate {
		t.Errorf("when all is slow: %v", c.rate)
	}
	for range 10_000 {
		c.step(time.Millisecond, time.Second, c.rate)
	}
	if c.rate != mostRate {
		t.Errorf("when nothing is slow: %v", c.rate)
	}
	c.step(time.Millisecond, time.Second, 1e6)
	c.step(time.Second, time.Millisecond, 1e6)
	if c.rate > 1e6 {
		t.Errorf("slow at 1 MB/s, and %v are allowed", c.rate)
	}
}

func TestTheThrottleKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		for range 1000 {
			if err := th.Take(t.Context(), 1e9); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		th.Set(2, 2)
		for range 100 {
			if err := th.Take(t.Context(), 100_000); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 4800*time.Millisecond || took > 5200*time.Millisecond {
			t.Errorf("10 MB at 2 MB/s took %v", took)
		}
		// A new rate counts for those who wait already.
		began = time.Now()
		time.AfterFunc(time.Second, func() { th.Set(100, 2) })
		if err := th.Take(t.Context(), 20e6); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("after the rate was raised it took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		th.Set(0.001, 2)
		if err := th.Take(ctx, 1e6); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting ended with %v", err)
		}
	})
}

// slowProbe is as slow as the throttle lets bytes through.
type slowProbe struct{ th *Throttle }

func (p slowProbe) Sample(ctx context.Context, _ shard.ID) (time.Duration, error) {
	d := 4 * time.Millisecond
	if f := p.th.Figures(); f.Limit > 0 && f.MBps > 10 {
		d = 50 * time.Millisecond
	}
	return d, sleep(ctx, d)
}

func TestARunnerSlowsDownForLiveWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := firstRing(t, "a", "b")
		m := newModel(base.Map)
		m.join("c")
		ring, err := base.Add("c", "@c", shard.Plan{ID: "r", Slowdown: 2})
		if err != nil {
			t.Fatal(err)
		}
		p := m.start(t.Context())
		defer p.die()
		r := NewRunner(Config{Register: &memLedger{now: ring}, Backend: fat{p}})
		r.cfg.Probe = slowProbe{r.throttle}
		began := time.Now()
		if err := r.Run(p.ctx); err != nil {
			t.Fatal(err)
		}
		f := r.Throttle().Figures()
		rate := float64(f.Moved) / time.Since(began).Seconds() / 1e6
		t.Logf("%d MB at %.1f MB/s", f.Moved/1e6, rate)
		if rate > 14 || rate < 3 || f.Baseline != 4*time.Millisecond {
			t.Errorf("%.1f MB/s where 10 make live writes slow, baseline %v", rate, f.Baseline)
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
			if err := pace.Take(ctx, 100_000); err != nil {
				return err
			}
		}
	}
	return w.Work.Fill(ctx, pace)
}

func TestPercentile(t *testing.T) {
	var ds []time.Duration
	if percentile99(ds) != 0 {
		t.Error("of nothing")
	}
	for i := range 200 {
		ds = append(ds, time.Duration(200-i))
	}
	if got := percentile99(ds); got != 199 {
		t.Errorf("p99 of 1 to 200 is %d", got)
	}
	if f := NewThrottle().Figures(); f.MBps != 0 || math.IsInf(f.MBps, 0) {
		t.Errorf("no bound is shown as %v", f.MBps)
	}
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
