package move

import (
	"slices"
	"testing"
)

func TestSessionsAreUsedAgain(t *testing.T) {
	p := newPair(t)
	e := p.Engine
	pid := func(purpose string) uint32 {
		t.Helper()
		conn, err := e.lend(t.Context(), src, purpose)
		if err != nil {
			t.Fatal(err)
		}
		defer e.giveBack(conn, src, purpose)
		return conn.PgConn().PID()
	}
	first := pid("look")
	if pid("look") != first || pid("read") == first {
		t.Error("a session is there for its purpose, again and again")
	}
	// One that has ended, or is in the middle of something, is of no use.
	conn, err := e.lend(t.Context(), src, "look")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	e.giveBack(conn, src, "look")
	second := pid("look")
	if second == first || !conn.IsClosed() {
		t.Error("a transaction that was not ended was handed on")
	}
	p.exec(src, "SELECT pg_terminate_backend($1::int, 5000)", second)
	third := pid("look")
	if third == second {
		t.Error("a session that the server has ended was handed on")
	}
	e.Close()
	if pid("look") == third || len(e.lending.rest) > 0 {
		t.Error("after Close sessions are kept")
	}
}

func TestFewBusyPartitionsAreFencedTogether(t *testing.T) {
	w := &work{counts: map[int32]*count{}}
	for p := range int32(60) {
		w.ps = append(w.ps, p)
		w.counts[p] = &count{followed: int64(p % 2)}
	}
	seen := map[int32]bool{}
	for len(w.ps) > 0 {
		ps := w.together()
		busy := 0
		for _, p := range ps {
			if seen[p] {
				t.Fatalf("%d is in two fences", p)
			}
			seen[p] = true
			busy += int(w.counts[p].followed)
		}
		if len(ps) == 0 || len(ps) > fenceAtOnce || busy > fenceBusy || !slices.IsSorted(ps) {
			t.Fatalf("a fence of %d, of which %d are written to: %v", len(ps), busy, ps)
		}
		w.ps = slices.DeleteFunc(w.ps, func(p int32) bool { return slices.Contains(ps, p) })
	}
	if len(seen) != 60 {
		t.Errorf("%d of 60 were fenced", len(seen))
	}
}
