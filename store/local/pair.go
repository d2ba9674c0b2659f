package local

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gori/shard"
	"gori/store/replica"
)

// Rings is the ring document as a majority of its keepers has it. What it says
// of a pair is carried out here; nothing is done to a pair that it does not say.
type Rings interface {
	// Peek returns the newest document, at little cost.
	Peek(ctx context.Context) (*shard.Ring, error)
	// Read does too, and brings a change that was left half done to its end.
	Read(ctx context.Context) (*shard.Ring, error)
	// Change makes the next version of the newest document and returns it, or an
	// error of change's as it is. After any other error the document may have
	// been changed or not.
	Change(ctx context.Context, change func(*shard.Ring) (*shard.Ring, error)) (*shard.Ring, error)
	// Above has the next changes be made with ballots above one that a keeper of
	// the document has promised.
	Above(ctx context.Context, counter int64)
	// Claims reads what the other shards serve, those that answer.
	Claims(ctx context.Context, except shard.ID) []replica.Claim
}

// PairTimes says how patient a pair is; zero values mean the defaults.
type PairTimes struct {
	Look  time.Duration // how often both are looked at; default 250 ms
	Hung  time.Duration // a primary that has not answered for so long is ended; default 5 s
	Deaf  time.Duration // so is one that takes no new connections for so long; default 10 s
	Stuck time.Duration // a commit may wait so long for the standby; default 1500 ms
	Stray time.Duration // a standby that has not found its primary for so long is copied anew; default 20 s
	Agree time.Duration // to ask the ring; default 2 s
}

func (t PairTimes) withDefaults() PairTimes {
	setDefault(&t.Look, 250*time.Millisecond)
	setDefault(&t.Hung, 5*time.Second)
	setDefault(&t.Deaf, 10*time.Second)
	setDefault(&t.Stuck, 1500*time.Millisecond)
	setDefault(&t.Stray, 20*time.Second)
	setDefault(&t.Agree, 2*time.Second)
	return t
}

// pair is the two instances of one shard: the primary and its standby. One
// goroutine, run, keeps both running, promotes the standby when the primary is
// dead and the ring agrees, and makes the dead one the next standby.
//
// What makes it safe, whatever dies when: the ring says of a standby that it
// has everything only while the primary waits for it, and the primary stops
// waiting only after the ring has taken that back. The ring names the next
// primary before the standby becomes it, and the folder's file notes it before
// that too, so that a former primary is never started as one.
type pair struct {
	id    shard.ID
	rings Rings
	times PairTimes
	log   *slog.Logger
	// note remembers durably which instance is the primary.
	note func(primary string) error
	told func() // hears that addresses or the standby's state changed; never blocks
	off  bool   // there is to be no standby any more
	// second is the instance that is not named as the shard is.
	second *Instance

	mu      sync.Mutex
	primary *Instance  // guarded by mu; written by run alone
	standby *Instance  // guarded by mu; written by run alone
	seat    shard.Seat // guarded by mu; written by run alone: as the ring said last
	settled bool       // guarded by mu: what the ring says has been carried out since the start

	// Of run alone.
	atPrimary, atStandby *replica.Server
	asked                time.Time            // when the ring was read last
	version              int64                // of the document then
	silent               silence              // of the primary
	deaf                 silence              // of the primary: it takes no new connections
	opened               time.Time            // when it took one last
	found                time.Time            // when the standby was connected last
	sure                 atomic.Bool          // since its start the primary has been seen to wait for a standby that has everything
	waits                time.Time            // when the primary was told to wait
	said                 map[string]time.Time // when what was complained of last
	wait                 Backoff              // of the primary
	begun                time.Time            // of the primary
	care                 careJob
}

func newPair(id shard.ID, primary, standby *Instance) *pair {
	p := &pair{id: id, log: slog.New(slog.DiscardHandler), told: func() {}, note: func(string) error { return nil }}
	p.takeRoles(primary, standby)
	p.sure.Store(true) // nobody has seen anything of it yet
	return p
}

// takeRoles says which instance is the primary from now on.
func (p *pair) takeRoles(primary, standby *Instance) {
	primary.Follow(nil)
	if primary.IsStandby() {
		// It was to be promoted and was not yet: it starts as what it is.
		primary.Follow(standby)
	}
	standby.Follow(primary)
	for _, s := range []*replica.Server{p.atPrimary, p.atStandby} {
		if s != nil {
			s.Close()
		}
	}
	p.atPrimary, p.atStandby = replica.NewServer(primary.DSN(Database)), replica.NewServer(standby.DSN(Database))
	p.sure.Store(false)
	now := time.Now()
	p.hears(now)
	p.found = now
	p.mu.Lock()
	defer p.mu.Unlock()
	p.primary, p.standby = primary, standby
}

// roles returns the primary and the standby.
func (p *pair) roles() (primary, standby *Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.primary, p.standby
}

func (p *pair) setSeat(s shard.Seat) {
	p.mu.Lock()
	changed := p.seat != s
	p.seat = s
	p.mu.Unlock()
	if changed {
		p.told()
	}
}

// isSettled says whether what the ring says has been carried out once.
func (p *pair) isSettled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settled
}

// isSync says whether the ring says that the standby has everything.
func (p *pair) isSync() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seat.Sync
}

// at is how the ring names an instance of this host.
func at(in *Instance) string { return "@" + in.ID() }

// run works until ctx ends. The instances are then left as they are.
func (p *pair) run(ctx context.Context) {
	defer func() {
		p.care.stop()
		p.atPrimary.Close()
		p.atStandby.Close()
	}()
	p.times = p.times.withDefaults()
	p.begun, p.found = time.Now(), time.Now()
	p.hears(p.begun)
	tick := time.NewTicker(p.times.Look)
	defer tick.Stop()
	for ctx.Err() == nil {
		p.step(ctx)
		primary, standby := p.roles()
		// Done is nil while none runs: then the next look will see to it.
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-primary.Done():
		case <-p.standbyDone(standby):
		case <-p.care.done():
			p.careEnded(ctx)
		}
	}
}

// standbyDone wakes run for the end of the standby; one that has ended is left
// to the next look.
func (p *pair) standbyDone(standby *Instance) <-chan struct{} {
	if p.care.running() || standby.PID() == 0 {
		return nil
	}
	return standby.Done()
}

// step looks at everything once and does what is to be done now.
func (p *pair) step(ctx context.Context) {
	primary, _ := p.roles()
	if primary.PID() == 0 {
		p.primaryDied(ctx)
		return
	}
	looking, cancel := context.WithTimeout(ctx, max(p.times.Look, time.Second))
	st, err := p.atPrimary.Look(looking)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if p.silent.note(time.Now(), err == nil) > p.times.Hung {
		p.endHung(ctx, primary, err)
		return
	}
	if err != nil {
		return
	}
	if err := p.knock(ctx); err != nil && p.deaf.note(time.Now(), false) > p.times.Deaf {
		p.endHung(ctx, primary, fmt.Errorf("it takes no new connections: %w", err))
		return
	}
	if !p.agree(ctx, st) {
		return
	}
	if p.off {
		p.dismiss(ctx, st)
		return
	}
	p.tendStandby(ctx, st)
	p.tendSync(ctx, st)
}

// ring reads the document if it has not been read for a while, or must be.
func (p *pair) ring(ctx context.Context, now bool) (shard.Seat, error) {
	if p.rings == nil || !now && time.Since(p.asked) < time.Second {
		return p.seat, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.times.Agree)
	defer cancel()
	read := p.rings.Peek
	if now {
		read = p.rings.Read
	}
	r, err := read(ctx)
	if err != nil {
		return p.seat, err
	}
	return p.take(r)
}

// take notes the seat that a document has.
func (p *pair) take(r *shard.Ring) (shard.Seat, error) {
	s, ok := r.Seat(p.id)
	if !ok {
		return s, fmt.Errorf("shard %s is not in the ring", p.id)
	}
	p.asked, p.version = time.Now(), r.Version
	p.setSeat(s)
	return s, nil
}

// change makes the next version of the document, if the seat is still as it was
// known here.
func (p *pair) change(ctx context.Context, change func(*shard.Ring) (*shard.Ring, error)) error {
	ctx, cancel := context.WithTimeout(ctx, p.times.Agree)
	defer cancel()
	known := p.seat
	r, err := p.rings.Change(ctx, func(r *shard.Ring) (*shard.Ring, error) {
		if s, _ := r.Seat(p.id); s != known {
			return nil, &shard.SeatError{Shard: p.id, Why: "has been given another place meanwhile"}
		}
		return change(r)
	})
	p.asked = time.Time{}
	if err != nil {
		return err
	}
	_, err = p.take(r)
	return err
}

// agree carries out what the ring says about who is the primary; false: it is
// not settled yet.
func (p *pair) agree(ctx context.Context, st replica.State) bool {
	seat, err := p.ring(ctx, false)
	if err != nil || seat.ID == "" {
		return false // there is no ring yet, or no majority of it
	}
	primary, standby := p.roles()
	switch {
	case seat.Addr == at(standby):
		p.log.Warn("the ring names the standby as the primary", "shard", p.id, "instance", standby.ID(), "term", seat.Term)
		stop, cancel := context.WithTimeout(ctx, p.times.Agree)
		primary.Stop(stop)
		cancel()
		if err := p.known(ctx); err != nil {
			p.complain("the standby does not take over", "error", err)
			return false
		}
		if err := p.takeOver(ctx); err != nil {
			p.complain("the standby does not take over", "error", err)
		}
		return false
	case seat.Addr != at(primary):
		p.complain("the ring has the shard elsewhere", "addr", seat.Addr)
		return false
	case st.Recovering:
		if err := p.promote(ctx); err != nil {
			p.complain("the promotion is not finished", "error", err)
		}
		return false
	case st.Term > 0 && st.Term < seat.Term:
		return p.oldCopy(ctx, st)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = true
	return true
}

// complain says what stays wrong, once a minute.
func (p *pair) complain(what string, more ...any) {
	if p.said == nil {
		p.said = map[string]time.Time{}
	}
	if time.Since(p.said[what]) < time.Minute {
		return
	}
	p.said[what] = time.Now()
	p.log.Error(what, append([]any{"shard", p.id}, more...)...)
}
