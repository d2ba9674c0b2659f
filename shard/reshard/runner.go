package reshard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gori/shard"
)

// Config configures a Runner.
type Config struct {
	Register Ledger
	Backend  Backend
	// Sends tells how long people's sends take; nil: only the plan's MB/s bound the
	// pace.
	Sends  Sends
	At     At
	Logger *slog.Logger
	Bounds Bounds
	// Parallel is how many groups move at a time, PerShard how many of them on
	// one shard; 0: 4 and 1.
	Parallel, PerShard int
	// Poll is how often the document is looked at; 0: 1 s.
	Poll time.Duration
	// Patience is how many tries a group has before the plan is paused; 0: 10.
	// What a shard that is down costs does not count.
	Patience int
	// Receipts hears of partitions that have moved; it is called by one goroutine
	// at a time.
	Receipts func([]Receipt)
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		v    *int
		then int
	}{{&c.Bounds.Partitions, 128}, {&c.Parallel, 4}, {&c.PerShard, 1}, {&c.Patience, 10}} {
		if *d.v == 0 {
			*d.v = d.then
		}
	}
	if c.Bounds.Rows == 0 {
		c.Bounds.Rows = 200_000
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	return c
}

// PausedError says that the plan is paused.
type PausedError struct{ Why string } // empty: a person did it

func (e *PausedError) Error() string {
	if e.Why == "" {
		return "the reshard is paused"
	}
	return "the reshard is paused: " + e.Why
}

// Errors of a Runner.
var (
	ErrAborted  = errors.New("the reshard was aborted")
	ErrReplaced = errors.New("another reshard has taken the place of this one")
)

// Runner carries out the plan that is in the ring document. It holds no state
// that matters: another one, anywhere, goes on where it ends.
type Runner struct {
	cfg      Config
	throttle *Throttle
}

// NewRunner returns a Runner.
func NewRunner(cfg Config) *Runner {
	cfg = cfg.withDefaults()
	return &Runner{cfg: cfg, throttle: NewThrottle()}
}

// Throttle is what slows the movers; its figures may be shown.
func (r *Runner) Throttle() *Throttle { return r.throttle }

// Run carries out the plan under way until it is finished; it returns at once
// if there is none. When the plan is paused, aborted, replaced or taken over by
// somebody, it takes back what it has not finished and returns a *PausedError,
// ErrAborted, ErrReplaced or *TakenError. When ctx ends it does the same.
func (r *Runner) Run(ctx context.Context) error {
	ring, err := Settle(ctx, r.cfg.Register)
	if err != nil || ring.Plan == nil {
		return err
	}
	if ring.Plan.Paused {
		return &PausedError{Why: ring.Plan.Why}
	}
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c := &carrier{Runner: r, ring: ring, stop: stop, ended: make(chan ending, r.cfg.Parallel), held: map[shard.Partition]hold{}}
	r.throttle.Set(ring.Plan.MBps, ring.Plan.Slowdown)
	stopHearing := r.startHearing(work)
	defer stopHearing()
	err = c.run(work)
	stop(nil)
	c.drain()
	return c.outcome(err)
}

// carrier is one Run. Its fields are its goroutine's alone.
type carrier struct {
	*Runner
	ring    *shard.Ring
	stop    context.CancelCauseFunc
	queue   []job
	running []job
	ended   chan ending
	held    map[shard.Partition]hold
	looked  time.Time
	// finishing says that this run has tried to write the end into the document.
	finishing bool
	stuck     bool      // some partitions wait for a shard that is down
	lost      time.Time // since when partitions were served by no shard; zero: none is
}

type ending struct {
	job      job
	receipts []Receipt
	err      error
}

// hold keeps a partition back for a while after a failure.
type hold struct {
	tries int
	until time.Time
}

func (c *carrier) run(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.Poll)
	defer tick.Stop()
	for {
		if len(c.queue)+len(c.running) == 0 && time.Since(c.looked) >= c.cfg.Poll/10 {
			finished, err := c.look(ctx)
			if finished || err != nil {
				return err
			}
		}
		c.start(ctx)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e := <-c.ended:
			if err := c.end(ctx, e); err != nil {
				return err
			}
		case <-tick.C:
			if err := c.watch(ctx); err != nil {
				return err
			}
		case <-c.lookAgain():
		}
	}
}

// lookAgain wakes run when nothing else would: soon, but not before what is held
// back may be tried again, and without hurry while a shard is down.
func (c *carrier) lookAgain() <-chan time.Time {
	switch {
	case len(c.queue)+len(c.running) > 0:
		return nil
	case c.stuck:
		return time.After(c.cfg.Poll)
	}
	wait := c.cfg.Poll / 4
	now := time.Now()
	for _, h := range c.held {
		if left := h.until.Sub(now); left > 0 {
			wait = min(max(wait, left), c.cfg.Poll)
		}
	}
	return time.After(wait)
}

// watch reads the document and does as it says.
func (c *carrier) watch(ctx context.Context) error {
	ring, err := c.cfg.Register.Peek(ctx)
	if err != nil {
		// Without a majority nothing new begins (see carry); what is under way is
		// safe without the document.
		c.cfg.Logger.Warn("the ring cannot be read", "error", err)
		return nil
	}
	if err := c.same(ring); err != nil {
		return err
	}
	c.ring = ring
	c.throttle.Set(ring.Plan.MBps, ring.Plan.Slowdown)
	return nil
}

// same says whether a document still wants what this run does.
func (c *carrier) same(ring *shard.Ring) error {
	switch {
	case ring.Plan == nil && ring.Map.Hash() == c.ring.Map.Hash():
		return errFinished
	case ring.Plan == nil:
		return ErrAborted
	case ring.Plan.ID != c.ring.Plan.ID:
		return ErrReplaced
	case ring.Plan.Turn != c.ring.Plan.Turn:
		return &TakenError{By: ring.Plan.TakenBy}
	case ring.Plan.Paused:
		return &PausedError{Why: ring.Plan.Why}
	}
	return nil
}

// errFinished says that somebody else has finished the plan.
var errFinished = errors.New("the reshard is finished")

// lostPatience is how many polls a partition may be served by no shard: the rows
// are not read in one instant, and a shard that has just come may not be asked
// yet.
const lostPatience = 10

// look finds out what is left to do, and finishes when that is nothing.
func (c *carrier) look(ctx context.Context) (finished bool, err error) {
	c.looked = time.Now()
	pic, err := c.cfg.Backend.Look(ctx)
	if err != nil {
		c.cfg.Logger.Warn("the shards cannot be looked at", "error", err)
		return false, ctx.Err()
	}
	t := look(c.ring.Map, pic, c.cfg.Bounds, false)
	c.stuck = len(t.stuck) > 0
	if len(t.lost) == 0 {
		c.lost = time.Time{}
	} else if c.lost.IsZero() {
		c.lost = c.looked
	} else if c.looked.Sub(c.lost) > lostPatience*c.cfg.Poll {
		return false, c.pausePlan(ctx, &unservedError{t.lost})
	}
	if t.done() {
		return c.finish(ctx, t, pic)
	}
	now := time.Now()
	for _, j := range t.jobs {
		if !slices.ContainsFunc(j.Partitions, func(p shard.Partition) bool { return c.held[p].until.After(now) }) {
			c.queue = append(c.queue, j)
		}
	}
	return false, nil
}

// start begins what may begin now.
func (c *carrier) start(ctx context.Context) {
	for i := 0; i < len(c.queue) && len(c.running) < c.cfg.Parallel; {
		j := c.queue[i]
		if c.busy(j.From) >= c.cfg.PerShard || c.busy(j.To) >= c.cfg.PerShard {
			i++
			continue
		}
		c.queue = slices.Delete(c.queue, i, i+1)
		c.running = append(c.running, j)
		j.Reshard, j.Turn = c.ring.Plan.ID, c.ring.Plan.Turn
		go func() {
			receipts, err := c.carry(ctx, j)
			c.ended <- ending{job: j, receipts: receipts, err: err}
		}()
	}
}

func (c *carrier) busy(id shard.ID) int {
	n := 0
	for _, j := range c.running {
		if j.From == id || j.To == id {
			n++
		}
	}
	return n
}

func (c *carrier) note(e ending) {
	c.running = slices.DeleteFunc(c.running, func(j job) bool { return j.Partitions[0] == e.job.Partitions[0] })
	if len(e.receipts) > 0 && c.cfg.Receipts != nil {
		c.cfg.Receipts(e.receipts)
	}
}

// drain waits for what is under way; it has been told to stop.
func (c *carrier) drain() {
	for len(c.running) > 0 {
		c.note(<-c.ended)
	}
}

// end draws the conclusions from a job's end.
func (c *carrier) end(ctx context.Context, e ending) error {
	c.note(e)
	var held *HeldError
	var digest *DigestError
	var budget *BudgetError
	switch {
	case e.err == nil:
		for _, p := range e.job.Partitions {
			delete(c.held, p)
		}
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(e.err, &digest), errors.As(e.err, &budget):
		return c.pausePlan(ctx, e.err)
	case errors.As(e.err, &held), errors.Is(e.err, errStale):
		c.hold(e.job, c.cfg.Poll, false)
		return c.watch(ctx)
	}
	// Whoever stood still meanwhile has nothing to report but that.
	if err := c.watch(ctx); err != nil {
		return err
	}
	tries := c.held[e.job.Partitions[0]].tries
	c.cfg.Logger.Warn("a move failed", "from", e.job.From, "to", e.job.To, "partitions", len(e.job.Partitions), "try", tries+1, "error", e.err)
	down := c.isDown(ctx, e.job)
	c.hold(e.job, c.cfg.Poll/10<<min(tries, 7), !down)
	if !down && tries+1 >= c.cfg.Patience {
		return c.pausePlan(ctx, fmt.Errorf("after %d tries: %w", tries+1, e.err))
	}
	return nil
}

func (c *carrier) isDown(ctx context.Context, j job) bool {
	pic, err := c.cfg.Backend.Look(ctx)
	return err != nil || slices.Contains(pic.Down, j.From) || slices.Contains(pic.Down, j.To)
}

func (c *carrier) hold(j job, d time.Duration, counts bool) {
	for _, p := range j.Partitions {
		h := c.held[p]
		h.until = time.Now().Add(d)
		if counts {
			h.tries++
		}
		c.held[p] = h
	}
}

// pausePlan pauses the plan for everybody.
func (c *carrier) pausePlan(ctx context.Context, because error) error {
	on, why, cause := true, because.Error(), CauseOf(because)
	cause.Text = "" // the plan has it
	_, err := Update(ctx, c.cfg.Register, func(now *shard.Ring) (*shard.Ring, error) {
		if err := c.same(now); err != nil {
			return nil, err
		}
		return now.Adjust(shard.PlanChange{Paused: &on, Why: why, Cause: cause})
	})
	if err != nil {
		return err
	}
	return &PausedError{Why: why}
}
