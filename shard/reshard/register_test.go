package reshard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gori/shard"
)

// memAcceptor is an acceptor in memory, which may hang.
type memAcceptor struct {
	mu     sync.Mutex
	v      Vote
	hang   bool // answers nothing
	silent bool // accepts, and its answer is lost
}

func (a *memAcceptor) set(hang, silent bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hang, a.silent = hang, silent
}

func (a *memAcceptor) do(ctx context.Context, change func() bool) (Vote, error) {
	a.mu.Lock()
	hang := a.hang
	v := Vote{}
	if !hang {
		ok := change()
		v, v.OK = a.v, ok
		hang = a.silent
	}
	a.mu.Unlock()
	if hang {
		<-ctx.Done()
		return Vote{}, ctx.Err()
	}
	return v, nil
}

func (a *memAcceptor) Prepare(ctx context.Context, b Ballot) (Vote, error) {
	return a.do(ctx, func() bool {
		ok := b.Compare(a.v.Promised) > 0
		if ok {
			a.v.Promised = b
		}
		return ok
	})
}

func (a *memAcceptor) Accept(ctx context.Context, b Ballot, doc *shard.Ring) (Vote, error) {
	return a.do(ctx, func() bool {
		ok := b.Compare(a.v.Promised) >= 0
		if ok {
			a.v = Vote{Promised: b, Accepted: b, Doc: doc}
		}
		return ok
	})
}

func (a *memAcceptor) Peek(ctx context.Context) (Vote, error) {
	return a.do(ctx, func() bool { return true })
}

type memAcceptors map[string]*memAcceptor

func (all memAcceptors) open(t *testing.T, name string) *Register {
	r := NewRegister(RegisterConfig{
		Name:  name,
		Known: func() []string { return []string{"a", "b", "c"} },
		Dial: func(_ context.Context, name string, _ *shard.Ring) (Acceptor, error) {
			a, ok := all[name]
			if !ok {
				return nil, fmt.Errorf("nobody knows %s", name)
			}
			return a, nil
		},
	})
	t.Cleanup(r.Close)
	return r
}

func threeAcceptors(t *testing.T) memAcceptors {
	base := firstRing(t, "a", "b", "c")
	all := memAcceptors{}
	for _, name := range base.Acceptors {
		all[name] = &memAcceptor{v: Vote{Doc: base}}
	}
	return all
}

func TestOneAcceptorThatHangsCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := threeAcceptors(t)
		all["b"].set(true, false)
		r := all.open(t, "p")
		began := time.Now()
		for range 3 {
			if _, err := Update(t.Context(), r, func(now *shard.Ring) (*shard.Ring, error) { return now.Standby("a", "host=s", false) }); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Peek(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("waited %v for it", took)
		}
	})
}

func TestWithoutAMajorityNothingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := threeAcceptors(t)
		r := all.open(t, "p")
		now, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		to, err := now.Standby("a", "host=s", false)
		if err != nil {
			t.Fatal(err)
		}
		all["b"].set(true, false)
		all["c"].set(true, false)
		var none *NoMajorityError
		for name, err := range map[string]error{"peek": second(r.Peek(t.Context())), "read": second(r.Read(t.Context())), "change": r.Change(t.Context(), now, to)} {
			if !errors.As(err, &none) || !strings.Contains(err.Error(), "2 of a, b, c") || none.Down["b"] == nil || none.Down["a"] != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		all["b"].set(false, false)
		all["c"].set(false, false)
		if again, err := r.Read(t.Context()); err != nil || again.Version != now.Version {
			t.Errorf("afterwards: %v, %v", again, err)
		}
		if err := r.Change(t.Context(), to, to); err == nil {
			t.Error("a version that is not the next one was taken")
		}
	})
}

func second[T any](_ T, err error) error { return err }

// The answers of those who accept are lost: whoever made the change cannot know,
// and reading tells.
func TestAnUnknownEndIsFoundByReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := threeAcceptors(t)
		r := all.open(t, "p")
		now, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		to, err := now.Standby("a", "host=s", false)
		if err != nil {
			t.Fatal(err)
		}
		r.cfg.At = func(step string) {
			if step == "ring-prepared" {
				all["a"].set(false, true)
				all["b"].set(false, true)
				all["c"].set(true, false)
			}
		}
		var unknown *UnknownError
		if err := r.Change(t.Context(), now, to); !errors.As(err, &unknown) {
			t.Errorf("the end cannot be known: %v", err)
		}
		r.cfg.At = nil
		for _, a := range all {
			a.set(false, false)
		}
		if got, err := all.open(t, "q").Read(t.Context()); err != nil || got.Hash() != to.Hash() {
			t.Errorf("read %v, %v", got, err)
		}
		var conflict *ConflictError
		other, err := now.Standby("b", "host=s", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Change(t.Context(), now, other); !errors.As(err, &conflict) || conflict.Now.Hash() != to.Hash() {
			t.Errorf("a change of an old version: %v", err)
		}
	})
}
