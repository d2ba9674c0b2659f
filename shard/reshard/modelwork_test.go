package reshard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"gori/shard"
)

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
	p.check("after a step of "+string(w.g.From)+"→"+string(w.g.To), w.ps)
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
