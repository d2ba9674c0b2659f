package command

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/config"
	"gori/faults"
	"gori/shard"
	"gori/store/local"
)

// failover is a primary that dies when the mover of a reshard has come to a step
// and stands still there.
type failover struct {
	step   string
	victim shard.ID // a and b move partitions to c, and c to them
	soon   bool     // the mover goes on while nobody is the primary
}

func (f failover) String() string {
	when := "later"
	if f.soon {
		when = "at once"
	}
	return fmt.Sprintf("the primary of %s dies at %s, the mover goes on %s", f.victim, f.step, when)
}

// brief says that writers wait at the step, until nodes take that for a mover
// that is dead.
func (f failover) brief() bool {
	return slices.Contains([]string{"fenced", "delta", "activated"}, f.step)
}

// failovers are those tried: all, or two of them by chance.
func failovers() []failover {
	var all []failover
	for _, step := range faults.Steps[slices.Index(faults.Steps, "claimed"):] {
		for _, victim := range []shard.ID{"a", "b", "c"} {
			all = append(all, failover{step, victim, rand.IntN(2) == 0})
		}
	}
	if os.Getenv(envLong) == "" {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:2]
	}
	return all
}

// A primary dies in the middle of a reshard, a source's or a target's: the reshard
// goes on, by itself or by the same command.
func TestAStandbyTakesOverInAReshard(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--shards", "2", "--standby")
	s.allInSync()
	k := gather(t, s.url, 4, 1)
	k.talk(30 * time.Millisecond)
	change, shards := []string{"add", "c"}, "a b c"
	for _, f := range failovers() {
		s.moveThrough(f, change)
		s.settled(shards)
		s.reshard(exitOK, "verify")
		s.allInSync()
		if change[0] == "add" {
			change, shards = []string{"remove", "c"}, "a b"
		} else {
			change, shards = []string{"add", "c"}, "a b c"
		}
	}
	k.hush()
	sent, longest := k.check()
	t.Logf("%d messages were acknowledged and are there once; the longest gap of a device was %v", sent, longest)
	if code, out, e := gori(t, "doctor", "--data", s.dir); code != exitOK {
		t.Errorf("doctor: exit %d: %s%s", code, out, e)
	}
}

// moveThrough does a change through the death of a primary.
func (s *system) moveThrough(f failover, change []string) {
	s.t.Helper()
	mover := s.begin([]string{config.EnvFaults + "=1", config.EnvStop + "=" + f.step}, append([]string{"reshard"}, append(change, "--now")...)...)
	mover.sleeps(s.t)
	if !f.brief() {
		s.allInSync()
	}
	before := s.state()
	i := slices.IndexFunc(before.Shards, func(one local.Shard) bool { return one.ID == string(f.victim) })
	began := time.Now()
	s.killPrimary(i)
	if f.soon {
		_ = mover.Process.Signal(syscall.SIGCONT)
	}
	eventually(s.t, "the shard has a primary again", func() bool {
		now := s.state()
		return len(now.Shards) <= i || now.Shards[i].PID != 0 && now.Shards[i].PID != before.Shards[i].PID
	})
	took := time.Since(began)
	_ = mover.Process.Signal(syscall.SIGCONT)
	<-mover.done
	how := "by itself"
	if code := mover.ProcessState.ExitCode(); code != exitOK {
		how = fmt.Sprintf("by the same command, after exit %d: %s", code, strings.TrimSpace(mover.errOut.String()))
		s.reshard(exitOK, append(change, "--now")...)
	}
	s.t.Logf("%s %s: %s; a primary after %v; it ended %s", change[0], change[1], f, took.Round(10*time.Millisecond), how)
}
