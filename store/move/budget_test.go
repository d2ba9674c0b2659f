package move

import (
	"errors"
	"testing"
	"time"

	"gori/shard"
	"gori/shard/reshard"
)

// One commit that met a slow moment must not keep every later fence from being
// long enough: those that are taken back measure none.
func TestOneSlowCommitIsForgotten(t *testing.T) {
	now := time.Unix(0, 0)
	w := &work{e: New(Config{Now: func() time.Time { return now }})}
	w.e.commits.note(w.g.To, 2*time.Second)
	tries := 0
	for w.tooLate(&fence{began: now}) {
		if tries++; tries > 5 {
			t.Fatalf("after %d fences a commit is still expected to take %v", tries, w.e.commits.last(w.g.To))
		}
	}
	if tries == 0 {
		t.Error("a commit that does not fit is sent")
	}
}

// A commit that would begin too late, since the target's server was slow to get
// to it, does not begin: the fence is taken back, and it is known that it was.
func TestACommitThatComesTooLateDoesNotBegin(t *testing.T) {
	t.Parallel()
	const budget = 3 * time.Second
	p := newPair(t)
	p.fill([]shard.Partition{1}, 8)
	var w *work
	e := p.another(atStep("delta", func() {
		// As if the batch lay before the server until the fence's time was over.
		p.exec(dst, "SELECT pg_sleep($1)", (budget / 3).Seconds())
	}), func(c *Config) { c.Budget = budget })
	// Commits are expected to take so long that one has to begin within a third
	// of the budget.
	e.commits.note(dst, (budget-takeBack)*2/3-time.Millisecond)
	// The client's clock stands still, so it is the server that looks.
	fixed := time.Now()
	e.cfg.Now = func() time.Time { return fixed }
	got, err, _ := beginOn(t, e, 1)
	if err != nil {
		t.Fatal(err)
	}
	w = got.(*work)
	defer w.Close()
	if err := w.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Cut(t.Context())
	var over *reshard.BudgetError
	if !errors.As(err, &over) {
		t.Fatal(err)
	}
	p.wantStates("active incoming", 1)
	p.mustWrite(src, 1, "UPDATE data.users SET lang = 'ko' WHERE partition = 1")
	// The same work goes on, and so does its connection.
	if w.t.IsClosed() {
		t.Error("the session at the target has ended")
	}
	e.commits.note(dst, 0)
	e.cfg.Budget = patient
	if err := w.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.wantStates("gone active", 1)
}

// What one group has learnt of a shard's commits the next one goes by.
func TestTheNextGroupKnowsHowLongACommitTakes(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1, 2}, 8)
	p.move(1)
	took := p.commits.last(dst)
	if took <= 0 {
		t.Fatal("nothing was learnt")
	}
	p.commits.note(dst, 10*patient)
	w := p.begin(2)
	if err := w.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	var over *reshard.BudgetError
	if _, err := w.Cut(t.Context()); !errors.As(err, &over) {
		t.Error(err)
	}
	if left := p.commits.last(dst); left >= 10*patient {
		t.Errorf("it does not fade: %v", left)
	}
}
