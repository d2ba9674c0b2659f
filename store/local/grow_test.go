package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func names(c *Cluster) string {
	var list []string
	for _, s := range c.Shards() {
		list = append(list, s.ID)
	}
	return strings.Join(list, " ")
}

func TestAClusterGrowsAndShrinksWhileItRuns(t *testing.T) {
	dir := publicDir(t)
	c := openCluster(t, dir, 1)
	e, err := c.Add(t.Context(), "e")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Add(t.Context(), "e"); err != nil || again.PID != e.PID || again.DSN != e.DSN {
		t.Fatalf("once more it is the same one: %+v, %v", again, err)
	}
	t.Run("it is kept running", func(t *testing.T) {
		if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		within(t, "another server runs", func() bool {
			pid := c.Shards()[1].PID
			return pid != 0 && pid != e.PID
		})
		if _, err := c.Add(t.Context(), "e"); err != nil {
			t.Errorf("it takes connections after: %v", err)
		}
	})
	t.Run("names that cannot be", func(t *testing.T) {
		for _, id := range []string{"", "../up", "A B"} {
			if _, err := c.Add(t.Context(), id); err == nil {
				t.Errorf("%q is taken", id)
			}
		}
	})
	outer := t
	t.Run("it is found again", func(t *testing.T) {
		query(t, e.DSN, "CREATE TABLE kept (x int)")
		c.Stop(t.Context())
		if _, err := c.Add(t.Context(), "f"); !errors.Is(err, ErrNotStarted) {
			t.Errorf("a stopped cluster grows: %v", err)
		}
		c = openCluster(outer, dir, 0)
		if names(c) != "a e" {
			t.Errorf("found again: %s", names(c))
		}
		query(t, c.Shards()[1].DSN, "SELECT count(*) FROM kept")
	})
	t.Run("it is taken out", func(t *testing.T) {
		pid := c.Shards()[1].PID
		aside, err := c.Remove(t.Context(), "e", false)
		if err != nil {
			t.Fatal(err)
		}
		if names(c) != "a" || syscall.Kill(pid, 0) == nil {
			t.Errorf("left: %s, its process %v", names(c), syscall.Kill(pid, 0))
		}
		if _, err := os.Stat(filepath.Join(aside, "pg", "PG_VERSION")); err != nil {
			t.Errorf("its data: %v", err)
		}
		if _, err := c.Remove(t.Context(), "e", false); !errors.Is(err, ErrNoInstance) {
			t.Errorf("once more: %v", err)
		}
		if _, err := c.Remove(t.Context(), "a", false); err == nil {
			t.Error("the last one goes")
		}
	})
}

func TestWhatACrashLeftIsRepaired(t *testing.T) {
	dir := publicDir(t)
	c := openCluster(t, dir, 1)
	// Noted, and nothing made yet: the next start makes it.
	if err := c.note(func(f *dataFile) { f.Shards = append(f.Shards, dataShard{ID: "e"}) }); err != nil {
		t.Fatal(err)
	}
	e, err := c.Add(t.Context(), "e")
	if err != nil || e.PID == 0 {
		t.Fatalf("the same call: %+v, %v", e, err)
	}
	c.Stop(t.Context())
	if err := c.note(func(f *dataFile) { f.Shards = append(f.Shards, dataShard{ID: "f"}) }); err != nil {
		t.Fatal(err)
	}
	c = openCluster(t, dir, 0)
	if names(c) != "a e f" || c.Shards()[2].PID == 0 {
		t.Fatalf("the next start: %+v", c.Shards())
	}
	// Taken out of the file, and its folder not moved yet.
	query(t, c.Shards()[2].DSN, "CREATE TABLE old (x int)")
	if _, err := c.Remove(t.Context(), "f", true); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "shards", "f", "pg")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "PG_VERSION"), []byte("15\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := c.Add(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	if n := query(t, f.DSN, "SELECT count(*) FROM pg_tables WHERE tablename = 'old'"); n != "0" {
		t.Errorf("old data was taken for new: %s", n)
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "shards", "f.removed-*")); len(aside) != 1 {
		t.Errorf("what lay there is moved aside: %v", aside)
	}
}
