package command

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/host"
)

// crowdSize is how many pairs of people with how many devices each: 300
// sockets, or about as many as ROLL_SOCKETS says.
func crowdSize(t *testing.T) (pairs, devices int) {
	text := os.Getenv("ROLL_SOCKETS")
	if text == "" {
		return 10, 15
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 60 {
		t.Fatalf("ROLL_SOCKETS=%q", text)
	}
	return n / 60, 30
}

// All nodes are replaced while people write: no send fails, nothing is lost,
// doubled or out of order, and the program on the disk is the one that runs.
func TestRollingRestartLosesNothing(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--nodes", "3", "--shards", "2")
	pairs, devices := crowdSize(t)
	begun := time.Now()
	k := gather(t, s.url, pairs, devices)
	t.Logf("%d sockets after %v", 2*pairs*devices, time.Since(begun))
	pause := time.Duration(pairs) * 10 * time.Millisecond // 100 messages a second of all together
	k.talk(pause)
	var before []int
	for i := range 3 {
		before = append(before, s.pid(i))
	}
	begun = time.Now()
	code, out, e := gori(t, "restart", "--data", s.dir)
	if code != exitOK || !strings.Contains(out, "All 3 nodes are replaced") {
		t.Errorf("gori restart: exit %d: %s%s", code, out, e)
	}
	took := time.Since(begun)
	for i, old := range before {
		if now := s.pid(i); now == old || syscall.Kill(old, 0) == nil {
			t.Errorf("node %d was process %d and is %d", i+1, old, now)
		}
	}
	k.hush()
	sent, longest := k.check()
	t.Logf("replaced in %v; %d messages, written every %v; the longest time a device heard none was %v", took, sent, pause, longest)
	if strings.Contains(s.said(), "did not end in time") {
		t.Error("a node had to be killed")
	}
}

// A node is killed in the middle of its drain: what was acknowledged is there.
func TestKilledWhileDraining(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--nodes", "2", "--shards", "1")
	k := gather(t, s.url, 10, 10) // 200 sockets leave in about 0.2 s a node
	k.talk(20 * time.Millisecond)
	for range 3 {
		draining := s.pid(0)
		s.kill(syscall.SIGTERM, draining)
		time.Sleep(60 * time.Millisecond) // in the middle of it: where does not matter
		_ = syscall.Kill(draining, syscall.SIGKILL)
		eventually(t, "another process", func() bool { p := s.pid(0); return p != 0 && p != draining })
		s.becomes(0, host.StateReady, false)
	}
	k.hush()
	k.check()
}

// put places a program where gori up finds it at the next start of a node.
func put(t *testing.T, path string, from io.Reader) {
	t.Helper()
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A program that does not serve ends the rolling restart at the first node; the
// others stay, and the right program mends it.
func TestBadUpgradeStopsAtTheFirstNode(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "gori")
	good, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	put(t, bin, strings.NewReader(string(good)))
	s := startUpOf(t, bin, dataDir(t), "--nodes", "3", "--shards", "1")
	who := signUp(t, s.url, "someone")
	before := []int{s.pid(0), s.pid(1), s.pid(2)}

	put(t, bin, strings.NewReader("#!/bin/sh\n[ \"$1\" = migrate ] && exit 0\nexit 7\n"))
	code, _, e := gori(t, "restart", "--data", s.dir)
	if code != exitFailure || !strings.Contains(e, "node n1 ended at its start") {
		t.Errorf("gori restart: exit %d: %s", code, e)
	}
	if s.pid(1) != before[1] || s.pid(2) != before[2] {
		t.Error("the other nodes did not stay as they were")
	}
	eventually(t, "n1 is shown as out", func() bool { return s.row(0).Out })
	if got := asked(t, s.url, 10); got[200] != 10 {
		t.Errorf("requests end with %v", got)
	}
	if _, err := who.call("GET", "/me", nil, nil); err != nil {
		t.Error(err)
	}

	put(t, bin, strings.NewReader(string(good)))
	eventually(t, "n1 serves again", func() bool { return s.row(0).State == host.StateReady })
	code, out, e := gori(t, "restart", "--data", s.dir)
	if code != exitOK {
		t.Errorf("with the right program: exit %d: %s%s", code, out, e)
	}
	if s.pid(2) == before[2] {
		t.Error("n3 was not replaced")
	}
}

// A wrong configuration is told and changes nothing.
func TestWrongConfigurationStopsTheRestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gori.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("name: One\n")
	s := startUp(t, dataDir(t), "--nodes", "2", "--shards", "1", "--config", file)
	before := s.pid(0)
	write("nmae: Two\n")
	if code, _, e := gori(t, "restart", "--data", s.dir); code != exitFailure || !strings.Contains(e, "nmae") {
		t.Errorf("gori restart: exit %d: %s", code, e)
	}
	if s.pid(0) != before {
		t.Error("n1 was replaced")
	}
	write("name: Two\n")
	if code, out, e := gori(t, "restart", "--data", s.dir); code != exitOK {
		t.Errorf("gori restart: exit %d: %s%s", code, out, e)
	}
	var cfg struct {
		Name string `json:"name"`
	}
	if _, err := signUp(t, s.url, "someone").call("GET", "/config", nil, &cfg); err != nil || cfg.Name != "Two" {
		t.Errorf("the name is %q, %v", cfg.Name, err)
	}
}
