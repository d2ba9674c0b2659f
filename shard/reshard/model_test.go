package reshard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"gori/shard"
)

// model is a system of shards in memory: what package store/move does on
// PostgreSQL, step by step, with the same rows. Between any two steps anything
// may happen.
type model struct {
	mu    sync.Mutex
	rows  map[shard.ID]map[shard.Partition]*modelRow
	data  map[shard.ID]map[shard.Partition]map[string]int
	locks map[shard.Partition]*modelWork // (78, p) of the source
	down  map[shard.ID]bool
	want  map[shard.Partition]map[string]int // what was acknowledged
	// step is told every step that a mover passes; its error is the mover's.
	step     func(p *process, name string, g Group) error
	problems []string
	// anyAttempt is a mutant: nobody looks at attempts.
	anyAttempt bool
}

type modelRow struct {
	Owner
	move    string
	capture bool
	dirty   map[string]bool
}

var (
	errDead   = errors.New("this process is dead")
	errDown   = errors.New("the shard does not answer")
	errZombie = errors.New("another attempt has taken over")
)

func newModel(m *shard.Map) *model {
	o := &model{rows: map[shard.ID]map[shard.Partition]*modelRow{}, data: map[shard.ID]map[shard.Partition]map[string]int{},
		locks: map[shard.Partition]*modelWork{}, down: map[shard.ID]bool{}, want: map[shard.Partition]map[string]int{},
		step: func(*process, string, Group) error { return nil }}
	for _, id := range m.Shards() {
		o.join(id)
		for _, p := range m.Owned(id) {
			o.rows[id][p] = &modelRow{Owner: Owner{Shard: id, State: Active, Epoch: 1}}
		}
	}
	return o
}

func (m *model) join(id shard.ID) {
	if m.rows[id] == nil {
		m.rows[id], m.data[id] = map[shard.Partition]*modelRow{}, map[shard.Partition]map[string]int{}
	}
}

// write is a live write: it is acknowledged if a shard that answers serves the
// partition.
func (m *model) write(p shard.Partition, key string, value int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, rows := range m.rows {
		r := rows[p]
		if r == nil || r.State != Active || m.down[id] {
			continue
		}
		if m.data[id][p] == nil {
			m.data[id][p] = map[string]int{}
		}
		m.data[id][p][key] = value
		if r.capture {
			r.dirty[key] = true
		}
		if m.want[p] == nil {
			m.want[p] = map[string]int{}
		}
		m.want[p][key] = value
		return true
	}
	return false
}

// check holds the promise that counts at every moment.
func (m *model) check(when string) {
	for p := range shard.Partition(shard.Partitions) {
		var active []shard.ID
		for id, rows := range m.rows {
			if r := rows[p]; r != nil && r.State == Active {
				active = append(active, id)
			}
		}
		if len(active) > 1 {
			m.problems = append(m.problems, fmt.Sprintf("%s: partition %d is active on %v", when, p, active))
		}
	}
}

// process is a mover's process: it may be killed.
type process struct {
	*model
	ctx  context.Context
	kill context.CancelFunc
	dead bool
	// deaf processes have lost their sessions, and their locks with them, and do
	// not know it.
	deaf bool
}

func (m *model) start(ctx context.Context) *process {
	p := &process{model: m}
	p.ctx, p.kill = context.WithCancel(ctx)
	return p
}

// die ends a process as kill -9 does.
func (p *process) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	p.unlock()
	p.kill()
}

func (p *process) unlock() {
	maps.DeleteFunc(p.locks, func(_ shard.Partition, w *modelWork) bool { return w.p == p })
}

// pass passes a step and goes on if the process and the shards still live.
func (p *process) pass(name string, g Group) error {
	if err := p.model.step(p, name, g); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reach(g.From, g.To)
}

func (p *process) reach(ids ...shard.ID) error {
	if p.dead {
		return errDead
	}
	for _, id := range ids {
		if p.down[id] || p.rows[id] == nil {
			return errDown
		}
	}
	return nil
}

func (p *process) Look(context.Context) (*Picture, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil, errDead
	}
	pic := &Picture{}
	for _, id := range slices.Sorted(maps.Keys(p.rows)) {
		if p.down[id] {
			pic.Down = append(pic.Down, id)
			continue
		}
		for q, r := range p.rows[id] {
			pic.Owners[q] = append(pic.Owners[q], r.Owner)
			pic.Rows[q] = max(pic.Rows[q], int64(len(p.data[id][q])))
		}
	}
	return pic, nil
}

func (p *process) Clean(_ context.Context, at shard.ID, ps []shard.Partition, _ Pace) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(at); err != nil {
		return err
	}
	for _, q := range ps {
		if r := p.rows[at][q]; r.State == Gone {
			delete(p.data[at], q)
			r.Cleaned = true
		}
	}
	return nil
}

func (p *process) Left(_ context.Context, at shard.ID) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(at); err != nil {
		return "", err
	}
	for q := range shard.Partition(shard.Partitions) {
		if r := p.rows[at][q]; r != nil && (r.State != Gone || !r.Cleaned) {
			return fmt.Sprintf("partition %d is %s", q, r.State), nil
		}
	}
	return "", nil
}

func (p *process) Abandon(_ context.Context, g Group) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(g.From); err != nil {
		return err
	}
	for _, q := range g.Partitions {
		if w := p.locks[q]; w != nil {
			return &HeldError{Partition: q}
		}
	}
	for _, q := range g.Partitions {
		r := p.rows[g.From][q]
		if r.State != Active {
			return errDown
		}
		r.Attempt++
		r.capture, r.dirty = false, nil
	}
	return nil
}

// modelWork is one attempt.
type modelWork struct {
	p        *process
	g        Group
	ps       []shard.Partition
	switched []shard.Partition
	attempt  int
}

func (p *process) Begin(_ context.Context, g Group) (Work, error) {
	w := &modelWork{p: p, g: g}
	if err := w.claim(); err != nil {
		return nil, err
	}
	if err := p.pass("claimed", g); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *modelWork) claim() error {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(w.g.From, w.g.To); err != nil {
		return err
	}
	for _, q := range w.g.Partitions {
		if p.locks[q] != nil {
			return &HeldError{Partition: q}
		}
	}
	for _, q := range w.g.Partitions {
		s, t := p.rows[w.g.From][q], p.rows[w.g.To][q]
		if t == nil {
			t = &modelRow{Owner: Owner{Shard: w.g.To, State: Gone, Cleaned: true}}
			p.rows[w.g.To][q] = t
		}
		w.attempt = max(w.attempt, s.Attempt, t.Attempt)
		switch {
		case s.State == Fencing && t.State == Active && t.Epoch > s.Epoch:
			w.switched = append(w.switched, q)
		case s.State == Gone && t.State == Active:
		case s.State == Gone || s.State == Incoming || t.State == Active:
			return fmt.Errorf("partition %d is %s at %s", q, s.State, w.g.From)
		default:
			w.ps = append(w.ps, q)
		}
	}
	w.attempt++
	for _, q := range w.ps {
		s, t := p.rows[w.g.From][q], p.rows[w.g.To][q]
		t.State, t.Epoch, t.Peer, t.move, t.Attempt, t.Cleaned = Incoming, s.Epoch, w.g.From, w.g.Reshard, w.attempt, false
		s.State, s.Peer, s.move, s.Attempt, s.capture, s.dirty = Active, w.g.To, w.g.Reshard, w.attempt, false, nil
	}
	for _, q := range w.g.Partitions {
		p.locks[q] = w
	}
	return nil
}

func (w *modelWork) Close() {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	maps.DeleteFunc(w.p.locks, func(_ shard.Partition, o *modelWork) bool { return o == w })
}

// both runs do for each partition that is not switched, if this is still the
// attempt of both sides.
func (w *modelWork) both(from, to OwnerState, do func(q shard.Partition, s, t *modelRow)) error {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(w.g.From, w.g.To); err != nil {
		return err
	}
	for _, q := range w.ps {
		s, t := p.rows[w.g.From][q], p.rows[w.g.To][q]
		if s.State != from || t.State != to || !p.anyAttempt && (s.Attempt != w.attempt || t.Attempt != w.attempt) {
			return errZombie
		}
	}
	for _, q := range w.ps {
		do(q, p.rows[w.g.From][q], p.rows[w.g.To][q])
	}
	p.check("after a step of " + string(w.g.From) + "→" + string(w.g.To))
	return nil
}

// follow brings changed keys over.
func (w *modelWork) follow(q shard.Partition, s, _ *modelRow) {
	for key := range s.dirty {
		w.p.data[w.g.To][q][key] = w.p.data[w.g.From][q][key]
	}
	s.dirty = map[string]bool{}
}

// steps does things and passes the step of each.
func (w *modelWork) steps(list ...any) error {
	for i := 0; i < len(list); i += 2 {
		if do := list[i+1].(func() error); do != nil {
			if err := do(); err != nil {
				return err
			}
		}
		if err := w.p.pass(list[i].(string), w.g); err != nil {
			return err
		}
	}
	return nil
}

func (w *modelWork) Fill(ctx context.Context, pace Pace) error {
	if err := pace.Take(ctx, 1000*len(w.ps)); err != nil {
		return err
	}
	return w.steps(
		"captured", func() error {
			return w.both(Active, Incoming, func(_ shard.Partition, s, _ *modelRow) { s.capture, s.dirty = true, map[string]bool{} })
		},
		"copying", func() error {
			return w.both(Active, Incoming, func(q shard.Partition, _, _ *modelRow) {
				w.p.data[w.g.To][q] = maps.Clone(w.p.data[w.g.From][q])
				if w.p.data[w.g.To][q] == nil {
					w.p.data[w.g.To][q] = map[string]int{}
				}
			})
		},
		"copied", func() error { return nil },
		"followed", func() error { return w.both(Active, Incoming, w.follow) },
		"verified", func() error { return nil })
}

func (w *modelWork) Cut(context.Context) ([]Receipt, error) {
	err := w.steps(
		"fenced", func() error {
			return w.both(Active, Incoming, func(_ shard.Partition, s, _ *modelRow) { s.State, s.FencedAt = Fencing, time.Now() })
		},
		"delta", func() error { return w.both(Fencing, Incoming, w.follow) },
		"activated", func() error {
			err := w.both(Fencing, Incoming, func(_ shard.Partition, s, t *modelRow) { t.State, t.Epoch = Active, s.Epoch+1 })
			if err == nil {
				w.ps, w.switched = nil, append(w.switched, w.ps...)
			}
			return err
		})
	if err != nil {
		return nil, errors.Join(err, w.takeBack())
	}
	return w.receipts(), w.steps("forwarded", w.forward, "receipt", func() error { return nil })
}

func (w *modelWork) receipts() []Receipt {
	var list []Receipt
	for _, q := range w.switched {
		list = append(list, Receipt{Reshard: w.g.Reshard, Partition: q, From: w.g.From, To: w.g.To})
	}
	return list
}

// takeBack opens the source again, once the target can no longer become active.
func (w *modelWork) takeBack() error {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(w.g.From, w.g.To); err != nil {
		return err
	}
	for _, q := range w.ps {
		s, t := p.rows[w.g.From][q], p.rows[w.g.To][q]
		if s.Attempt != w.attempt || t.Attempt != w.attempt {
			return errZombie
		}
		t.Attempt, s.Attempt, s.State = w.attempt+1, w.attempt+1, Active
	}
	w.attempt++
	return nil
}

func (w *modelWork) forward() error {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	if err := w.p.reach(w.g.From, w.g.To); err != nil {
		return err
	}
	for _, q := range w.switched {
		s, t := w.p.rows[w.g.From][q], w.p.rows[w.g.To][q]
		if s.State == Fencing && t.State == Active {
			s.State, s.Epoch, s.Peer, s.capture, s.dirty = Gone, t.Epoch, w.g.To, false, nil
		}
	}
	return nil
}

func (w *modelWork) Release(context.Context) error {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(w.g.From, w.g.To); err != nil {
		return err
	}
	for _, q := range w.ps {
		s, t := p.rows[w.g.From][q], p.rows[w.g.To][q]
		if s.Attempt != w.attempt || t.Attempt != w.attempt || s.State != Active {
			return errZombie
		}
		s.capture, s.dirty, s.Attempt = false, nil, w.attempt+1
		t.State, t.Cleaned, t.Attempt = Gone, true, w.attempt+1
		delete(p.data[w.g.To], q)
	}
	w.ps = nil
	return nil
}

// memLedger is a ring document in one place.
type memLedger struct {
	mu  sync.Mutex
	now *shard.Ring
}

func (l *memLedger) Read(ctx context.Context) (*shard.Ring, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, ctx.Err()
}

func (l *memLedger) Peek(ctx context.Context) (*shard.Ring, error) { return l.Read(ctx) }

func (l *memLedger) Change(ctx context.Context, from, to *shard.Ring) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !same(l.now, from) {
		return &ConflictError{Now: l.now}
	}
	l.now = to
	return nil
}
