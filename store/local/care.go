package local

import (
	"context"
	"time"

	"gori/shard"
	"gori/store/replica"
)

// careJob is what is being done to the standby: making, winding back, starting.
// It takes seconds or hours, during which the primary is looked after.
type careJob struct {
	cancel context.CancelFunc
	ended  chan struct{} // nil: nothing is being done
	err    error         // valid once ended is closed
	begun  time.Time
	wait   Backoff
	next   time.Time // not before
}

func (j *careJob) running() bool         { return j.ended != nil }
func (j *careJob) done() <-chan struct{} { return j.ended }

func (j *careJob) start(ctx context.Context, do func(context.Context) error) {
	if time.Now().Before(j.next) {
		return
	}
	ctx, j.cancel = context.WithCancel(ctx)
	ended := make(chan struct{})
	j.ended, j.begun = ended, time.Now()
	go func() {
		defer close(ended)
		j.err = do(ctx)
	}()
}

// end notes the end of what was being done.
func (j *careJob) end() error {
	j.cancel()
	j.ended = nil
	j.next = time.Now().Add(j.wait.Next(time.Since(j.begun)))
	return j.err
}

// stop ends what is being done.
func (j *careJob) stop() {
	if j.running() {
		j.cancel()
		<-j.ended
		_ = j.end()
	}
}

// careEnded is called when what was being done to the standby has ended.
func (p *pair) careEnded(ctx context.Context) {
	_, standby := p.roles()
	begun := p.care.begun
	err := p.care.end()
	p.found = time.Now()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		p.log.Error("the standby does not run", "shard", p.id, "instance", standby.ID(), "error", err)
	default:
		p.log.Info("the standby runs", "shard", p.id, "instance", standby.ID(), "pid", standby.PID(), "after", time.Since(begun).Round(time.Millisecond))
	}
}

// tendStandby sees to it that the standby runs and follows.
func (p *pair) tendStandby(ctx context.Context, st replica.State) {
	if st.Connected {
		p.found = time.Now()
	}
	primary, standby := p.roles()
	switch {
	case p.care.running():
	case standby.PID() == 0:
		p.care.start(ctx, func(ctx context.Context) error { return bring(ctx, primary, standby) })
	case time.Since(p.found) > p.times.Stray:
		// Its log has been removed meanwhile, or it has a history of its own.
		p.log.Warn("the standby does not find its primary; copying it anew", "shard", p.id, "instance", standby.ID())
		p.care.start(ctx, func(ctx context.Context) error {
			standby.Stop(ctx)
			if err := standby.CopyFrom(ctx, primary); err != nil {
				return err
			}
			return standby.Start(ctx)
		})
	}
}

// bring makes standby follow primary, by whatever it takes.
func bring(ctx context.Context, primary, standby *Instance) error {
	if standby.Exists() {
		err := revive(ctx, primary, standby)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
	if err := standby.CopyFrom(ctx, primary); err != nil {
		return err
	}
	return standby.Start(ctx)
}

// revive starts a standby with the data that it has. That of a former primary
// is wound back first.
func revive(ctx context.Context, primary, standby *Instance) error {
	if !standby.IsStandby() {
		s := replica.NewServer(primary.DSN(Database))
		err := s.Checkpoint(ctx)
		s.Close()
		if err != nil {
			return err
		}
		if err := standby.Rewind(ctx, primary); err != nil {
			return err
		}
	}
	return standby.Start(ctx)
}

// smallGap is how many bytes a standby may lack when the primary begins to wait
// for it: what is written in a few milliseconds.
const smallGap = 1 << 20

// tendSync makes the primary wait for a standby that has everything, and go on
// without one that does not answer, each in step with the ring.
func (p *pair) tendSync(ctx context.Context, st replica.State) {
	_, standby := p.roles()
	lives := standby.PID() != 0 && (st.Connected || time.Since(p.found) < p.times.Stuck) && st.Stuck < p.times.Stuck
	var err error
	switch {
	case p.seat.Standby != at(standby):
		err = p.sayStandby(ctx, false)
	case p.seat.Sync && (!lives || !st.Waits):
		p.sure.Store(false)
		p.log.Warn("the standby does not answer; going on without it", "shard", p.id, "instance", standby.ID())
		if err = p.sayStandby(ctx, false); err == nil {
			err = p.atPrimary.Alone(ctx)
		}
	case p.seat.Sync:
		if st.Sync && st.Streaming {
			p.sure.Store(true)
		}
	case st.Waits && (!lives || !st.Sync && time.Since(p.waits) > p.times.Stuck):
		err = p.atPrimary.Alone(ctx)
	case st.Waits && st.Sync && st.Streaming && time.Since(p.waits) > p.times.Look/2:
		// All backends wait once the server's checkpointer knows the setting,
		// which it does between checkpoints.
		if err = p.atPrimary.Checkpoint(ctx); err == nil {
			err = p.sayStandby(ctx, true)
		}
	case !st.Waits && st.Streaming && st.Behind < smallGap:
		p.waits = time.Now()
		err = p.atPrimary.Wait(ctx)
	}
	if err != nil && ctx.Err() == nil {
		p.complain("the state of the standby is not agreed", "error", err)
	}
}

// sayStandby has the ring say whether the standby has everything.
func (p *pair) sayStandby(ctx context.Context, sync bool) error {
	_, standby := p.roles()
	err := p.change(ctx, func(r *shard.Ring) (*shard.Ring, error) { return r.Standby(p.id, at(standby), sync) })
	if err == nil {
		p.log.Info("the ring knows the standby", "shard", p.id, "instance", standby.ID(), "sync", sync)
	}
	return err
}

// dismiss takes the standby out, for good.
func (p *pair) dismiss(ctx context.Context, st replica.State) {
	_, standby := p.roles()
	var err error
	switch {
	case p.seat.Standby != "":
		p.sure.Store(false)
		err = p.change(ctx, func(r *shard.Ring) (*shard.Ring, error) { return r.Standby(p.id, "", false) })
	case st.Waits:
		err = p.atPrimary.Alone(ctx)
	case standby.Exists() || standby.PID() != 0:
		err = standby.Remove(ctx)
		p.told()
	}
	if err != nil && ctx.Err() == nil {
		p.complain("the standby is not taken out yet", "error", err)
	}
}
