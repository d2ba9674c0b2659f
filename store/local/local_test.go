package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVersionsAreChosen(t *testing.T) {
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 17devel\n":                        17,
		"postgres":                                               0,
		"":                                                       0,
	} {
		if got := parseMajor(text); got != want {
			t.Errorf("parseMajor(%q) = %d, want %d", text, got, want)
		}
	}
	found := []Binaries{{"/14", 14}, {"/17", 17}, {"/15", 15}, {"/19", 19}}
	if b, err := choose(found, 0); err != nil || b.Major != 17 {
		t.Errorf("for new data: %+v, %v", b, err)
	}
	if b, err := choose(found, 15); err != nil || b.Major != 15 {
		t.Errorf("for data of 15: %+v, %v", b, err)
	}
	for _, c := range []struct {
		found []Binaries
		major int
		says  string
	}{{nil, 0, InstallCommand}, {found, 16, "postgresql-16"}, {[]Binaries{{"/14", 14}}, 0, "found: 14"}} {
		_, err := choose(c.found, c.major)
		if !errors.Is(err, ErrNoPostgres) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("choose(%v, %d): %v", c.found, c.major, err)
		}
	}
}

func TestBackoffGrowsToABoundAndForgets(t *testing.T) {
	var b Backoff
	var waits []time.Duration
	for range 12 {
		waits = append(waits, b.Next(0))
	}
	if waits[0] != 0 || waits[1] != 200*time.Millisecond || waits[2] != 400*time.Millisecond || waits[11] != backoffMost {
		t.Errorf("waits %v", waits)
	}
	if w := b.Next(2 * time.Second); w != backoffMost-2*time.Second {
		t.Errorf("after 2 s: %v", w)
	}
	if w := b.Next(20 * time.Second); w != 0 {
		t.Errorf("after 20 s, longer than it would wait: %v", w)
	}
	if w := b.Next(0); w != backoffMost {
		t.Errorf("trouble again: %v", w)
	}
	if w := b.Next(2 * time.Minute); w != 0 || b.Next(0) != backoffFirst {
		t.Errorf("after a steady run: %v", w)
	}
}

func TestALongPathGetsAShortSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("고리", 30))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	one, err := socketDir(dir, account{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(one) })
	if len(one)+1+len(socketName) > socketMax || strings.HasPrefix(one, dir) {
		t.Errorf("socket in %s", one)
	}
	if two, err := socketDir(dir, account{}); err != nil || two != one {
		t.Errorf("at the second start in %s, %v", two, err)
	}
	near, err := socketDir(t.TempDir(), account{})
	if err != nil || !strings.HasSuffix(near, "/sock") {
		t.Errorf("a short path has its socket in %s, %v", near, err)
	}
}

func TestASocketFolderOfSomeoneElseIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "sock")); err != nil {
		t.Fatal(err)
	}
	if _, err := socketDir(dir, account{}); err == nil {
		t.Error("a planted link was used as the socket's folder")
	}
}

func TestTheLogIsBoundedAndExplains(t *testing.T) {
	var noticed int
	l := &serverLog{path: filepath.Join(t.TempDir(), "postgres.log"), notice: func(string) { noticed++ }}
	line := strings.Repeat("x", 1000) + "\n"
	l.copyFrom(strings.NewReader(strings.Repeat(line, 3*logFileMax/len(line))))
	for _, p := range []string{l.path, l.path + ".1"} {
		if st, err := os.Stat(p); err != nil || st.Size() > logFileMax+2000 {
			t.Errorf("%s: %v, %v", p, st, err)
		}
	}
	if noticed == 0 || len(l.tail) != tailLines {
		t.Errorf("%d lines noticed, %d kept", noticed, len(l.tail))
	}
	cause := errors.New("exit status 1")
	if err := l.explain(cause); errors.Is(err, ErrDiskFull) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "xxx") {
		t.Errorf("explained as %.80v", err)
	}
	l.copyFrom(strings.NewReader("PANIC:  could not write to file \"pg_wal/xlogtemp.1\": No space left on device\n"))
	if err := l.explain(cause); !errors.Is(err, ErrDiskFull) {
		t.Errorf("a full disk is explained as %v", err)
	}
	l.reset()
	if err := l.explain(cause); err != cause {
		t.Errorf("after reset: %v", err)
	}
}

func TestSpaceIsNeeded(t *testing.T) {
	if err := needSpace(t.TempDir(), 1); err != nil {
		t.Error(err)
	}
	if err := needSpace(t.TempDir(), 1<<62); !errors.Is(err, ErrDiskFull) {
		t.Errorf("%v", err)
	}
}

func TestDataFiles(t *testing.T) {
	dir := t.TempDir()
	if f, err := readDataFile(dir); f != nil || err != nil {
		t.Fatalf("an empty folder: %v, %v", f, err)
	}
	if err := writeDataFile(dir, &dataFile{Format: 1, Shards: firstIDs(28)}); err != nil {
		t.Fatal(err)
	}
	f, err := readDataFile(dir)
	if err != nil || f.Shards[0].ID != "a" || f.Shards[25].ID != "z" || f.Shards[27].ID != "s28" {
		t.Fatalf("%+v, %v", f, err)
	}
	for text, says := range map[string]string{
		`{"format":3,"made_by":"9.9"}`: "newer Gori (9.9",
		`{"format":1}`:                 "damaged",
		`{"for`:                        "damaged",
	} {
		if err := os.WriteFile(filepath.Join(dir, dataFileName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readDataFile(dir); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
