package move

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gori/shard"
	"gori/shard/reshard"
)

// atStep does something the first time a step is passed.
func atStep(step string, do func()) func(*Config) {
	done := false
	return func(c *Config) {
		c.At = func(s string) {
			if s == step && !done {
				done = true
				do()
			}
		}
	}
}

// killed is what a mover dies of in a test.
type killed struct{}

// bury ends the sessions of a mover that died, as the end of its process does.
func (p *pair) bury() {
	p.t.Helper()
	for id := range p.conn {
		p.exec(id, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'gori move %'")
	}
}

// run carries a work out; died tells whether the hook ended it on its way.
func run(t testing.TB, e *Engine, ps ...shard.Partition) (receipts []reshard.Receipt, err error, died bool) {
	t.Helper()
	w, err, died := beginOn(t, e, ps...)
	if err != nil || died {
		return nil, err, died
	}
	// As the end of a process does: its sessions end, and nothing else.
	defer w.Close()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			died = true
		}
	}()
	if err := w.Fill(t.Context(), free{}); err != nil {
		return nil, err, false
	}
	receipts, err = w.Cut(t.Context())
	return receipts, err, false
}

func beginOn(t testing.TB, e *Engine, ps ...shard.Partition) (w reshard.Work, err error, died bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			died = true
		}
	}()
	w, err = e.Begin(t.Context(), reshard.Group{Reshard: "r1", From: src, To: dst, Partitions: ps})
	return w, err, false
}

var steps = []string{"claimed", "captured", "copying", "copied", "followed", "verified", "fenced", "delta", "activated", "forwarded", "receipt"}

func TestAMoverKilledAtAnyStepIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var all []shard.Partition
	for i := range steps {
		all = append(all, shard.Partition(10+i), shard.Partition(100+i))
	}
	p.fill(all, 12)
	before := p.digests(src, all)
	for i, step := range steps {
		ps := []shard.Partition{shard.Partition(10 + i), shard.Partition(100 + i)}
		e := p.another(atStep(step, func() { panic(killed{}) }))
		if _, err, died := run(t, e, ps...); err != nil || !died {
			t.Fatalf("%s: %v, died %v", step, err, died)
		}
		p.bury()
		if committed := i >= 8; committed != (p.states(ps[0])[strings.Index(p.states(ps[0]), " ")+1:] == "active") {
			t.Fatalf("killed at %s, it is %s", step, p.states(ps[0]))
		}
		if i < 9 {
			if _, err, _ := run(t, p.Engine, ps...); err != nil {
				t.Fatalf("after %s: %v", step, err)
			}
		}
		p.wantStates("gone active", ps...)
	}
	if err := p.Clean(t.Context(), src, all, free{}); err != nil {
		t.Fatal(err)
	}
	if !equalDigests(before, p.digests(dst, all)) {
		t.Error("rows were lost or changed")
	}
	proof, err := p.Verify(t.Context(), "r1", nil)
	if err != nil || len(proof.Problems) > 0 || proof.Receipts != len(all) {
		t.Errorf("%+v, %v", proof, err)
	}
}

func TestAFenceNobodyEndsIsHealed(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	all := []shard.Partition{1, 2, 3, 4}
	p.fill(all, 8)
	for i, want := range map[int]string{0: "active incoming", 1: "active incoming", 2: "gone active"} {
		part, step := all[i], []string{"fenced", "delta", "activated"}[i]
		e := p.another(atStep(step, func() { panic(killed{}) }))
		if _, err, died := run(t, e, part); err != nil || !died {
			t.Fatalf("%s: %v, died %v", step, err, died)
		}
		p.exec(src, "UPDATE control.partition_owner SET fenced_at = fenced_at - interval '2 seconds' WHERE state = 'fenced'")
		if err := p.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.wantStates(want, part)
		if want[:6] == "active" {
			p.mustWrite(src, part, "UPDATE data.user_state SET inbox_pos = 77 WHERE partition = $1", int32(part))
			p.move(part)
		}
		p.wantStates("gone active", part)
	}
	if err := p.proveAt(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	receipts, _, err := p.Receipts(t.Context(), "")
	if err != nil || len(receipts) != 3 {
		t.Errorf("%d receipts, %v", len(receipts), err)
	}
	for _, r := range receipts {
		if r.PauseUS <= 0 || r.Rows == 0 || len(r.Tables) == 0 {
			t.Errorf("receipt %+v", r)
		}
	}
}

func TestAFenceWithALivingMoverIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1}, 8)
	e := p.another(atStep("fenced", func() {
		p.exec(src, "UPDATE control.partition_owner SET fenced_at = fenced_at - interval '2 seconds' WHERE state = 'fenced'")
		if err := p.Heal(t.Context()); err != nil {
			t.Error(err)
		}
		p.wantStates("fenced incoming", 1)
	}))
	if _, err, _ := run(t, e, 1); err != nil {
		t.Fatal(err)
	}
}

func TestAFenceOverItsBudgetIsTakenBack(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1, 2}, 8)
	before := p.digests(src, []shard.Partition{1, 2})
	for _, step := range []string{"fenced", "delta"} {
		late := atStep(step, func() { time.Sleep(100 * time.Millisecond) })
		e := p.another(late, func(c *Config) { c.Budget = 100 * time.Millisecond })
		w, err, _ := beginOn(t, e, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Fill(t.Context(), free{}); err != nil {
			t.Fatal(err)
		}
		_, err = w.Cut(t.Context())
		var over *reshard.BudgetError
		if !errors.As(err, &over) || over.Fenced < 100*time.Millisecond {
			t.Fatalf("%s: %v", step, err)
		}
		p.wantStates("active incoming", 1, 2)
		p.mustWrite(src, 1, "UPDATE data.users SET display_name = $2 WHERE partition = $1", int32(1), step)
		// The same work may go on.
		e.cfg.Budget = patient
		if step == "delta" {
			before = p.digests(src, []shard.Partition{1, 2})
			if err := w.Fill(t.Context(), free{}); err != nil {
				t.Fatal(err)
			}
			if receipts, err := w.Cut(t.Context()); err != nil || len(receipts) != 2 {
				t.Fatalf("%d receipts, %v", len(receipts), err)
			}
		}
		w.Close()
	}
	p.wantStates("gone active", 1, 2)
	if !equalDigests(before, p.digests(dst, []shard.Partition{1, 2})) {
		t.Error("rows differ")
	}
}

func TestAMoverThatWakesLateDoesNothing(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for i, step := range []string{"captured", "copied", "verified", "fenced", "delta"} {
		part := shard.Partition(i + 1)
		p.fill([]shard.Partition{part}, 8)
		before := p.digests(src, []shard.Partition{part})
		var old *work
		first := p.another(atStep(step, func() {
			// Stopped here for long: its sessions that are watched have ended.
			old.keepS.mu.Lock()
			hangUp(old.keepS.conn)
			old.keepS.mu.Unlock()
			if step == "fenced" || step == "delta" {
				p.exec(src, "UPDATE control.partition_owner SET fenced_at = fenced_at - interval '2 seconds' WHERE state = 'fenced'")
				p.exec(dst, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gori move target' AND state = 'idle in transaction'")
				if err := p.Heal(t.Context()); err != nil {
					t.Error(err)
				}
				p.wantStates("active incoming", part)
			}
			if _, err, _ := run(t, p.Engine, part); err != nil {
				t.Error("the next mover:", err)
			}
		}))
		w, err, _ := beginOn(t, first, part)
		if err != nil {
			t.Fatal(err)
		}
		old = w.(*work)
		err = w.Fill(context.Background(), free{})
		if err == nil {
			_, err = w.Cut(context.Background())
		}
		if err == nil {
			t.Errorf("stopped at %s it did not notice", step)
		}
		w.Close()
		p.wantStates("gone active", part)
		if !equalDigests(before, p.digests(dst, []shard.Partition{part})) {
			t.Errorf("stopped at %s: rows were changed", step)
		}
	}
}

func TestTwoMoversOfOnePartition(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{7, 8}, 4)
	w := p.begin(7, 8)
	_, err := p.another().Begin(t.Context(), reshard.Group{Reshard: "r1", From: src, To: dst, Partitions: []shard.Partition{8, 9}})
	var held *reshard.HeldError
	if !errors.As(err, &held) || held.Partition != 8 {
		t.Fatal(err)
	}
	// What the one refused had claimed is free again.
	p.move(9)
	if err := w.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wantStates("gone active", 7, 8, 9)
}

func TestWhatDiffersNeverServes(t *testing.T) {
	t.Parallel()
	for step, spoil := range map[string]string{
		"copied":   "UPDATE data.messages SET body = 'other' WHERE partition = 1 AND channel_id = 1001 AND seq = 3",
		"verified": "DELETE FROM data.messages WHERE partition = 1 AND channel_id = 1001 AND seq = 3",
	} {
		p := newPair(t)
		p.fill([]shard.Partition{1}, 8)
		e := p.another(atStep(step, func() {
			p.exec(dst, "SELECT set_config('gori.gate', '/1/', false)")
			p.exec(dst, spoil)
			if step == "verified" {
				p.mustWrite(src, 1, "UPDATE data.messages SET change = 5 WHERE partition = 1 AND seq = 3")
				p.exec(dst, "CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.body := NEW.body || ''!''; RETURN NEW; END'")
				p.exec(dst, "CREATE TRIGGER spoil BEFORE INSERT ON data.messages FOR EACH ROW EXECUTE FUNCTION pg_temp.f()")
			}
		}))
		_, err, _ := run(t, e, 1)
		var differs *reshard.DigestError
		if !errors.As(err, &differs) || differs.Table != "messages" || differs.Partition != 1 {
			t.Fatalf("%s: %v", step, err)
		}
		if step == "copied" && differs.Bucket != "channel_id 1001, seq 0 to 1023" {
			t.Errorf("bucket %q", differs.Bucket)
		}
		p.wantStates("active incoming", 1)
		p.mustWrite(src, 1, "UPDATE data.users SET display_name = 'still here' WHERE partition = 1")
	}
}

func TestReleaseLeavesTheSourceAlone(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1}, 8)
	before := p.digests(src, []shard.Partition{1})
	w := p.begin(1)
	if err := w.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Fill(ctx, free{}); err == nil {
		t.Fatal("filled without time")
	}
	if err := w.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close()
	p.wantStates("active gone", 1)
	for table, d := range p.digests(dst, []shard.Partition{1}) {
		t.Errorf("%s has %v", table, d)
	}
	p.mustWrite(src, 1, "UPDATE data.users SET lang = 'ko' WHERE partition = 1")
	var dirty int
	if err := p.conn[src].QueryRow(t.Context(), "SELECT count(*) FROM control.partition_dirty").Scan(&dirty); err != nil || dirty != 0 {
		t.Errorf("%d keys noted, %v", dirty, err)
	}
	p.mustWrite(src, 1, "UPDATE data.users SET lang = lang || '' WHERE partition = 1")
	_ = before
	p.move(1)
	p.wantStates("gone active", 1)
}

func TestCleanRefusesWhatIsServed(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1, 2}, 4)
	var not *NotCleanedError
	if err := p.Clean(t.Context(), src, []shard.Partition{1}, free{}); !errors.As(err, &not) {
		t.Fatal(err)
	}
	p.move(1)
	p.exec(dst, "UPDATE control.partition_owner SET state = 'incoming' WHERE partition = 1")
	if err := p.Clean(t.Context(), src, []shard.Partition{1}, free{}); !errors.As(err, &not) {
		t.Fatal(err)
	}
	p.exec(dst, "UPDATE control.partition_owner SET state = 'active' WHERE partition = 1")
	if err := p.Clean(t.Context(), src, []shard.Partition{1}, free{}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"a second time", "a third"} {
		if err := p.Clean(t.Context(), src, []shard.Partition{1}, free{}); err != nil {
			t.Fatal(what, err)
		}
	}
	left, err := p.Left(t.Context(), src)
	if err != nil || left != fmt.Sprintf("%d partitions not given away, %d effects", shard.Partitions-1, 4) {
		t.Errorf("left %q, %v", left, err)
	}
}
