package local

import (
	"context"
	"time"

	"gori/shard"
	"gori/store/replica"
)

// promotePatience bounds a promotion. What it has to replay has been written
// already, so it takes fractions of a second.
const promotePatience = time.Minute

// primaryDied decides what becomes of a shard whose primary has ended: the
// standby takes over if it has everything and a majority agrees; else the same
// one is started again.
func (p *pair) primaryDied(ctx context.Context) {
	begun := time.Now()
	primary, standby := p.roles()
	if p.seat.ID == "" {
		_, _ = p.ring(ctx, true) // an error is one of the next question too
	}
	// Backends that outlive their server could still talk to nodes.
	if err := primary.Clear(ctx); err != nil {
		p.log.Error("what a dead PostgreSQL has left does not end", "shard", p.id, "error", err)
	}
	may := p.sure.Load() && p.seat.Sync && p.seat.Addr == at(primary) && standby.PID() != 0
	p.log.Warn("PostgreSQL ended", "shard", p.id, "instance", primary.ID(), "standby", may)
	if may {
		err := p.change(ctx, func(r *shard.Ring) (*shard.Ring, error) { return r.Promote(p.id) })
		if err != nil {
			// It may have been agreed all the same.
			p.log.Warn("the ring has not agreed on the standby", "shard", p.id, "error", err)
		}
	}
	// Whoever the ring names: also when it was never asked, since somebody else
	// may have had it changed.
	if seat, err := p.ring(ctx, true); err == nil && seat.Addr == at(standby) {
		if err := p.takeOver(ctx); err != nil {
			p.complain("the standby does not take over", "error", err)
			return
		}
		p.log.Info("the standby is the primary now", "shard", p.id, "instance", standby.ID(), "term", p.seat.Term,
			"after", time.Since(begun).Round(time.Millisecond))
		return
	}
	p.startAgain(ctx, primary)
}

// startAgain starts the primary that it was. As long as the ring has not said
// otherwise it waits for its standby as before, so it can acknowledge nothing
// that a standby promoted meanwhile would not have.
func (p *pair) startAgain(ctx context.Context, primary *Instance) {
	pause := p.wait.Next(time.Since(p.begun))
	select {
	case <-ctx.Done():
		return
	case <-time.After(pause):
	}
	p.begun = time.Now()
	if err := primary.Start(ctx); err != nil {
		if ctx.Err() == nil {
			p.log.Error("PostgreSQL does not start", "shard", p.id, "instance", primary.ID(), "error", err)
		}
		return
	}
	// What was not acknowledged may be seen now and not be on the standby.
	p.sure.Store(false)
	p.found = time.Now()
	p.hears(p.found)
	p.log.Info("PostgreSQL runs again", "shard", p.id, "instance", primary.ID(), "pid", primary.PID(), "after", time.Since(p.begun).Round(time.Millisecond))
}

// takeOver makes the standby, which the ring names, the primary. It may be
// repeated.
func (p *pair) takeOver(ctx context.Context) error {
	old, next := p.roles()
	p.care.stop()
	if err := p.note(next.ID()); err != nil {
		return err
	}
	p.takeRoles(next, old)
	if err := p.promote(ctx); err != nil {
		return err
	}
	// Also to have the promoted one keep the document as it is now: nodes that
	// have lost the shard ask its instances.
	return p.sayStandby(ctx, false)
}

// known makes sure that what the ring says outlasts the former primary, which has
// ended and may have been one of those who agreed to it: the standby does not
// know by itself what that one has accepted last. Neither of them can be asked
// now, so reading the ring has the others keep it.
func (p *pair) known(ctx context.Context) error {
	_, standby := p.roles()
	said := p.seat
	seat, err := p.ring(ctx, true)
	if err == nil && seat != said {
		err = &shard.SeatError{Shard: p.id, Why: "has been given another place meanwhile"}
	}
	if err == nil || standby.PID() == 0 {
		return err
	}
	// It is enough, too, that the former primary has handed on the document.
	version, verr := p.atStandby.RingVersion(ctx)
	if verr == nil && p.version > 0 && version >= p.version {
		return nil
	}
	return err
}

// promote makes the primary, which is a standby still, what the ring says.
func (p *pair) promote(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, promotePatience)
	defer cancel()
	primary, _ := p.roles()
	if err := primary.setPromoting(true); err != nil {
		return err
	}
	if err := primary.Start(ctx); err != nil { // mostly it runs
		return err
	}
	promised, err := p.atPrimary.Promote(ctx, p.seat.Term, func(ctx context.Context) error {
		n, err := p.atPrimary.Yield(ctx, p.rings.Claims(ctx, p.id))
		if n > 0 {
			p.log.Warn("the promoted PostgreSQL did not know that partitions have moved", "shard", p.id, "partitions", n)
		}
		return err
	})
	if err != nil {
		return err
	}
	p.rings.Above(ctx, promised)
	primary.Follow(nil)
	_ = primary.setPromoting(false) // one that stays does no harm
	p.begun = time.Now()
	p.hears(p.begun)
	p.told()
	return nil
}

// oldCopy sees to a primary whose data is of an earlier term than the ring's.
// Either its promotion was cut short after the server had become a primary, or
// somebody has put an old folder in its place, which may lack everything since:
// nodes refuse it, and it stays refused.
func (p *pair) oldCopy(ctx context.Context, st replica.State) bool {
	primary, _ := p.roles()
	if primary.isPromoting() {
		if err := p.promote(ctx); err != nil {
			p.complain("the promotion is not finished", "error", err)
		}
		return false
	}
	p.complain("the data is of an earlier term than the ring's: an old copy is not served", "instance", primary.ID(), "term", st.Term, "ring", p.seat.Term)
	return false
}
