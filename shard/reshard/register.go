package reshard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"gori/shard"
)

// ErrNoRing says that no acceptor that answers has a document.
var ErrNoRing = errors.New("no shard that answers holds a ring")

// RegisterConfig configures a Register.
type RegisterConfig struct {
	// Name is no other living Register's in the whole system.
	Name string
	// Known returns names of acceptors to ask while the document is not known:
	// the shards of the configuration.
	Known func() []string
	// Dial finds an acceptor. ring is a document in which it is named, nil for
	// one of Known. It is asked for every call, so it should keep what it found.
	Dial func(ctx context.Context, name string, ring *shard.Ring) (Acceptor, error)
	// Timeout bounds each acceptor's answer; 0: 1 s.
	Timeout time.Duration
	At      At
}

// Register is the ring document, agreed by a majority of its acceptors: a
// compare-and-swap register without a leader. Its methods may be called from
// any goroutine; they run one after the other.
type Register struct {
	cfg RegisterConfig

	turn    chan struct{} // held by the one call that runs; guards counter
	counter int64

	mu         sync.Mutex
	last       *shard.Ring // the newest document seen chosen
	distrusted string      // an acceptor that is not asked; see Rejoin

	calls  sync.WaitGroup // to acceptors
	ctx    context.Context
	cancel context.CancelFunc
}

// NewRegister returns the register; Close it.
func NewRegister(cfg RegisterConfig) *Register {
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	r := &Register{cfg: cfg, turn: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close ends what is under way and waits for it.
func (r *Register) Close() {
	r.cancel()
	r.calls.Wait()
}

// Read returns the document as it is now. A change that somebody left half done
// is brought to an end first, whichever it may be.
func (r *Register) Read(ctx context.Context) (*shard.Ring, error) {
	return r.propose(ctx, &proposal{name: r.cfg.Name})
}

// Change makes to the document, if it is from now. It returns a *ConflictError
// if it is not, a *NoMajorityError if too few acceptors answer, and an
// *UnknownError if nothing better can be said.
func (r *Register) Change(ctx context.Context, from, to *shard.Ring) error {
	if to.Version != from.Version+1 || to.Prev != from.Hash() {
		return fmt.Errorf("version %d of the ring is not made from version %d", to.Version, from.Version)
	}
	if err := to.Check(); err != nil {
		return err
	}
	_, err := r.propose(ctx, &proposal{name: r.cfg.Name, from: from, to: to})
	return err
}

// Peek returns the document without disturbing those who change it. It costs
// one question to each acceptor, and like Read it never goes back.
func (r *Register) Peek(ctx context.Context) (*shard.Ring, error) {
	rd := newRound(Ballot{}, nil, nil, r.known(nil))
	look := func(ctx context.Context, a Acceptor) (Vote, error) {
		v, err := a.Peek(ctx)
		v.OK = err == nil
		return v, err
	}
	switch stage, down := r.drive(ctx, rd, look, rd.promised, rd.read); stage {
	case chosen:
		r.saw(rd.result())
		return rd.result(), nil
	case waiting:
		return nil, context.Cause(ctx)
	case homeless, starved:
		return nil, hunger(stage, rd, down)
	}
	return r.Read(ctx) // somebody is changing it, or has left a change half done
}

// Above has this register's next ballots be above a counter that an acceptor is
// known to have promised: so that it is not passed over for want of an answer in
// time.
func (r *Register) Above(ctx context.Context, counter int64) {
	select {
	case r.turn <- struct{}{}:
		r.counter = max(r.counter, counter)
		<-r.turn
	case <-ctx.Done():
	}
}

// known returns whom to ask first.
func (r *Register) known(more []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := more
	if r.cfg.Known != nil {
		names = append(names, r.cfg.Known()...)
	}
	if r.last == nil {
		return union(names)
	}
	return union(names, r.last.Quorums())
}

func (r *Register) saw(ring *shard.Ring) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil || ring.Version > r.last.Version {
		r.last = ring
	}
}

// propose runs rounds until the proposal ends.
func (r *Register) propose(ctx context.Context, p *proposal) (*shard.Ring, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() {
		r.counter = p.counter
		<-r.turn
	}()
	p.counter = r.counter
	for try := 1; ; try++ {
		rd := p.begin(r.known(nil))
		stage, down := r.round(ctx, p, rd)
		switch stage {
		case chosen:
			now := rd.result()
			r.saw(now)
			if ended, err := p.concludes(now); ended {
				return now, err
			}
			try = 0
		case homeless, starved:
			return nil, p.starves(hunger(stage, rd, down))
		}
		p.again(rd)
		if err := pause(ctx, try); err != nil {
			return nil, p.starves(err)
		}
	}
}

// hunger says why a round found too few acceptors.
func hunger(s stage, rd *round, down map[string]error) error {
	if s == homeless && len(down) < len(rd.asked) {
		return ErrNoRing
	}
	for _, set := range rd.sets {
		if !majorities([][]string{set}, func(name string) bool { return down[name] == nil }) {
			return &NoMajorityError{Acceptors: set, Down: down}
		}
	}
	return &NoMajorityError{Acceptors: rd.asked, Down: down}
}

// pause waits a random time, longer the more often we were beaten.
func pause(ctx context.Context, try int) error {
	most := min(time.Duration(1+try*try)*2*time.Millisecond, 200*time.Millisecond)
	t := time.NewTimer(time.Duration(rand.Int64N(int64(most))))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// round runs both phases.
func (r *Register) round(ctx context.Context, p *proposal, rd *round) (stage, map[string]error) {
	prepare := func(ctx context.Context, a Acceptor) (Vote, error) { return a.Prepare(ctx, rd.ballot) }
	s, down := r.drive(ctx, rd, prepare, rd.promised, rd.read)
	if s != write {
		return s, down
	}
	r.cfg.At.Pass("ring-prepared")
	p.sends(rd)
	accept := func(ctx context.Context, a Acceptor) (Vote, error) { return a.Accept(ctx, rd.ballot, rd.writing) }
	s, more := r.drive(ctx, rd, accept, rd.took, rd.wrote)
	if s == chosen {
		r.cfg.At.Pass("ring-accepted")
	}
	maps.Copy(down, more)
	return s, down
}

type answer struct {
	name string
	vote Vote
	err  error
}

// drive asks acceptors and notes their answers until the round can go on. Those
// who answer late are not waited for.
func (r *Register) drive(ctx context.Context, rd *round, call func(context.Context, Acceptor) (Vote, error),
	note func(string, Vote, bool), next func() stage) (stage, map[string]error) {
	down := map[string]error{}
	answers := make(chan answer, 256)
	send := func(names []string) {
		ring := rd.writing
		if ring == nil {
			ring, _ = rd.newest()
		}
		for _, name := range names {
			r.calls.Go(func() { answers <- r.ask(ctx, name, r.place(rd, name, ring), call) })
		}
	}
	if rd.writing == nil {
		send(rd.asked)
	} else {
		send(rd.targets())
	}
	for {
		switch s := next(); s {
		case ask:
			send(rd.more())
		case waiting:
			select {
			case a := <-answers:
				if a.err != nil {
					down[a.name] = a.err
				}
				note(a.name, a.vote, a.err == nil)
			case <-ctx.Done():
				return waiting, down
			}
		default:
			return s, down
		}
	}
}

// trusts says whether an acceptor may be asked.
func (r *Register) trusts(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.distrusted == name && name != "" {
		return errors.New("what it remembers is not to be trusted")
	}
	return nil
}

// place returns a document that says where an acceptor is.
func (r *Register) place(rd *round, name string, found *shard.Ring) *shard.Ring {
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	for _, ring := range []*shard.Ring{rd.to, found, last} {
		if ring == nil {
			continue
		}
		if _, ok := ring.Seat(shard.ID(name)); ok {
			return ring
		}
	}
	return found
}

func (r *Register) ask(ctx context.Context, name string, ring *shard.Ring, call func(context.Context, Acceptor) (Vote, error)) answer {
	// Late answers are of use too: they bring an acceptor up to date. So only its
	// own time ends a call, and Close.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	if err := r.trusts(name); err != nil {
		return answer{name: name, err: err}
	}
	a, err := r.cfg.Dial(ctx, name, ring)
	if err != nil {
		return answer{name: name, err: err}
	}
	v, err := call(ctx, a)
	return answer{name: name, vote: v, err: err}
}
