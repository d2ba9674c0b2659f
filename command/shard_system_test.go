package command

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/store/local"
	"gori/store/storetest"
)

// Two servers that no gori up knows, as on two hosts, with a node on them: an owner
// makes one the standby of the other, has it promoted while that one stands
// still, and makes that one the standby. This is the runbook, by hand.
func TestAStandbyElsewhere(t *testing.T) {
	t.Parallel()
	binary(t) // takes a while
	dir := dataDir(t)
	a, far := newPairOfServers(t, dir)
	s := startServe(t, fmt.Sprintf("witness_dir: %s\nshards:\n  - id: a\n    dsn: %q\n    standby: %q\n", dir, a.DSN(local.Database), far.DSN(local.Database)))
	k := newTalk(t, s.url, "person")
	k.say("alone")
	s.does(exitOK, "no standby", "shard", "status")
	s.does(exitOK, "kept by a, witness:one; 0 of them", "ring", "witness", "add", "one")
	s.does(exitOK, "2 of a, witness:one, witness:two", "shard", "witness", "two")
	s.does(exitFailure, "standby at @a.2", "shard", "standby", "a")
	s.does(exitFailure, "has no standby", "shard", "promote", "a")
	s.does(exitFailure, "is not in the ring", "shard", "standby", "z")
	s.does(exitUsage, "the name of a shard is needed", "shard", "alone")

	must(t, far.CopyFrom(t.Context(), a))
	far.Follow(a)
	must(t, far.Start(t.Context()))
	s.follows("@a", 1)
	k.say("with a standby")
	far.Kill()
	s.does(exitOK, "goes on", "shard", "alone", "a")
	k.say("without it")
	s.does(exitOK, "may lose acks", "shard", "status")
	s.does(exitFailure, "may lack acknowledged messages", "shard", "promote", "a")
	must(t, far.Start(t.Context()))
	s.follows("@a", 1)
	k.say("with it again")

	awake := standStill(t, a)
	s.does(exitOK, "@a.2, term 2", "shard", "promote", "a")
	k.say("on the other host")
	awake() // and acknowledges nothing
	a.Kill()
	s.does(exitOK, "no standby", "shard", "status")
	must(t, a.Rewind(t.Context(), far))
	a.Follow(far)
	must(t, a.Start(t.Context()))
	s.follows("@a.2", 2)
	k.say("with the first one as standby")
	s.does(exitOK, "kept by", "ring", "rejoin", "a")
	s.does(exitFailure, "", "ring", "rejoin", "z")
	far.Kill()
	s.does(exitOK, "@a, term 3", "shard", "promote", "a")
	k.say("and back")
	s.does(exitOK, "changed by 2 of 3", "ring", "show")
	k.check()
}

// newPairOfServers prepares two servers, of which the first runs.
func newPairOfServers(t *testing.T, dir string) (a, far *local.Instance) {
	t.Helper()
	var at [2]*local.Instance
	for i, name := range []string{"a", "far"} {
		in, err := local.New(local.Config{ID: name, Dir: filepath.Join(dir, name), Throwaway: true, Paired: true, SharedBuffersMB: 16})
		must(t, err)
		t.Cleanup(func() { in.Stop(context.Background()) })
		at[i] = in
	}
	a, far = at[0], at[1]
	must(t, a.Init(t.Context()))
	must(t, a.Start(t.Context()))
	must(t, a.CreateDatabase(t.Context(), local.Database))
	return a, far
}

// follows waits until the standby of shard a has everything, and looks what is
// said of it.
func (s *served) follows(primary string, term int64) {
	s.t.Helper()
	eventually(s.t, "the standby follows", func() bool {
		code, _, _ := gori(s.t, "shard", "standby", "a", "--config", s.file)
		return code == exitOK
	})
	s.does(exitOK, "in sync", "shard", "status")
	var rows []shardRow
	out := s.does(exitOK, "", "shard", "status", "--json")
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 1 || !rows[0].Sync || !rows[0].Follows || !rows[0].Up || rows[0].Addr != primary || rows[0].Term != term {
		s.t.Errorf("shard status --json: %v: %s", err, out)
	}
}

// standStill has a primary stand still, with a session that has been open before.
// awake has it go on: what that session is asked then it must not acknowledge.
func standStill(t *testing.T, in *local.Instance) (awake func()) {
	t.Helper()
	ask := storetest.Session(t, in.DSN(local.Database))
	pids := []int{in.PID()}
	must(t, syscall.Kill(in.PID(), syscall.SIGSTOP))
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", in.PID(), in.PID()))
	must(t, err)
	for _, text := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(text)
		must(t, err)
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		pids = append(pids, pid)
	}
	return func() {
		signalAll(syscall.SIGCONT, pids)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := ask(ctx, "CREATE TABLE public.late ()"); err == nil {
			t.Error("a former primary woke and acknowledged a write")
		}
	}
}
