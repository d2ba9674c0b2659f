package reshard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

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
func (m *model) check(when string, ps []shard.Partition) {
	for _, p := range ps {
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

// doc returns the document as it is.
func (l *memLedger) doc() *shard.Ring {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
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
