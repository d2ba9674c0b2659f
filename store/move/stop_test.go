package move

import (
	"context"
	"errors"
	"testing"
	"time"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/storetest"
)

// The answer to the commit is lost: what holds is what the target says.
func TestAnUnknownOutcomeIsSettledAtTheTarget(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1, 2}, 8)
	for part, want := range map[shard.Partition]string{1: "active incoming", 2: "gone active"} {
		var w *work
		e := p.another(atStep("delta", func() {
			hangUp(w.t)
			if part == 2 {
				p.exec(dst, "UPDATE control.partition_owner SET state = 'active', epoch = epoch + 1, peer = '' WHERE partition = 2")
			}
		}))
		got, err, _ := beginOn(t, e, part)
		if err != nil {
			t.Fatal(err)
		}
		w = got.(*work)
		if err := w.Fill(t.Context(), free{}); err != nil {
			t.Fatal(err)
		}
		receipts, err := w.Cut(t.Context())
		if (err == nil) != (part == 2) || len(receipts) != int(part)-1 {
			t.Errorf("partition %d: %d receipts, %v", part, len(receipts), err)
		}
		w.Close()
		p.wantStates(want, part)
	}
	p.mustWrite(src, 1, "UPDATE data.users SET lang = 'ko' WHERE partition = 1")
	p.move(1)
}

// A mover is frozen inside the fence: its sessions end by themselves, a node
// heals the partition within two seconds, and when it wakes it changes nothing.
func TestAMoverFrozenInTheFence(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1}, 8)
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.Watch(ctx)
	}()
	defer func() {
		stop()
		<-watched
	}()
	var w *work
	e := p.another(atStep("delta", func() {
		w.keepS.mu.Lock()
		w.keepT.mu.Lock()
		defer w.keepS.mu.Unlock()
		defer w.keepT.mu.Unlock()
		frozen := time.Now()
		for p.states(1) != "active incoming" {
			if time.Since(frozen) > 2*time.Minute {
				t.Fatal("it is not healed:", p.states(1))
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("healed after %v", time.Since(frozen))
		p.mustWrite(src, 1, "UPDATE data.users SET lang = 'ko' WHERE partition = 1")
	}), func(c *Config) { c.Budget = 3 * time.Second })
	got, err, _ := beginOn(t, e, 1)
	if err != nil {
		t.Fatal(err)
	}
	w = got.(*work)
	if err := w.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cut(t.Context()); err == nil {
		t.Error("it did not notice")
	}
	w.Close()
	p.wantStates("active incoming", 1)
	p.move(1)
}

func TestATargetThatStops(t *testing.T) {
	t.Parallel()
	in := storetest.StartInstance(t)
	p := newPairOn(t, map[shard.ID]string{src: storetest.DSN(t), dst: in.DSN("gori")})
	ps := []shard.Partition{1, 2}
	p.fill(ps, 8)
	before := p.digests(src, ps)
	again := func() {
		t.Helper()
		if err := in.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.conn[dst] = connect(t, p.dsns[dst])
	}
	for i, step := range []string{"copied", "fenced"} {
		part := ps[i]
		if _, err, _ := run(t, p.another(atStep(step, in.Kill)), part); err == nil {
			t.Fatalf("it stopped at %s and nobody noticed", step)
		}
		again()
		// A session of it may have lived long enough to commit, and its commit may have
		// been heard of; only the receipt is missing then.
		switch got := p.states(part); got {
		case "active incoming", "fenced active":
			p.move(part)
		case "gone active":
		default:
			t.Fatal(got)
		}
	}
	p.wantStates("gone active", ps...)
	// Durable where it is said to be: the target stops without warning once more.
	in.Kill()
	again()
	p.wantStates("gone active", ps...)
	if !equalDigests(before, p.digests(dst, ps)) {
		t.Error("rows differ")
	}
}

// Who takes the reshard over has the partitions of one who stands still at once,
// and that one changes nothing when it wakes.
func TestWhoTakesOverNeedNotWaitForOneThatStandsStill(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1, 2}, 8)
	in := func(turn int64, ps ...shard.Partition) (reshard.Work, error) {
		return p.Begin(t.Context(), reshard.Group{Reshard: "r1", Turn: turn, From: src, To: dst, Partitions: ps})
	}
	old, err := in(4, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := old.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	var held *reshard.HeldError
	for _, turn := range []int64{0, 3, 4} {
		if w, err := in(turn, 1); !errors.As(err, &held) {
			t.Fatalf("turn %d: %v, %v", turn, w, err)
		}
	}
	next, err := in(5, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Cut(t.Context()); err == nil {
		t.Error("the old one cut")
	}
	p.wantStates("active incoming", 1, 2)
	if _, err := next.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wantStates("gone active", 1)
	p.move(2)
	p.wantStates("gone active", 2)
}
