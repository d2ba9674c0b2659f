package command

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gori/shard"
)

// newTalkAt is a talk of a person whose home is on a shard, in a channel on
// another or the same.
func (s *system) newTalkAt(name string, home, channel shard.ID) *talk {
	s.t.Helper()
	on := s.ring().Map
	is := func(text string, id shard.ID) bool {
		n, err := strconv.ParseUint(text, 10, 64)
		return err == nil && on.Owner(shard.Of(n)) == id
	}
	k := newTalk(s.t, s.url, name+"0")
	for n := 1; !is(k.who.id, home); n++ {
		k = newTalk(s.t, s.url, fmt.Sprint(name, n))
	}
	for !is(k.channel, channel) {
		k.channel = k.who.group(name)
	}
	return k
}

// try sends a message once and says how long the answer took. One that was not
// acknowledged may be stored all the same: it is tried again by the same id.
func (k *talk) try(id uuid.UUID, body string) (status int, took time.Duration, err error) {
	began := time.Now()
	status, err = k.who.callWith("POST", "/channels/"+k.channel+"/messages", map[string]string{"Idempotency-Key": id.String()}, map[string]any{"body": body}, nil)
	if err == nil {
		k.acked = append(k.acked, body)
	}
	return status, time.Since(began), err
}

// serversOf are the processes of an instance, the one that makes the others
// first.
func (s *system) serversOf(instance string) []int {
	s.t.Helper()
	var pids []int
	for _, in := range s.state().Instances {
		if in.ID == instance {
			pids = append(pids, in.PID)
		}
	}
	for _, pid := range s.processes() {
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		if cwd == filepath.Join(s.dir, "shards", instance, "pg") && pid != pids[0] {
			pids = append(pids, pid)
		}
	}
	return pids
}

func signalAll(sig syscall.Signal, pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
}

// freeze has all of an instance stand still. What it has made meanwhile too.
func (s *system) freeze(instance string) []int {
	s.t.Helper()
	signalAll(syscall.SIGSTOP, s.serversOf(instance)[:1])
	all := s.serversOf(instance)
	signalAll(syscall.SIGSTOP, all)
	return all
}

// unavailable wants a shard that stands still to be told at once, and everybody
// else to go on.
// It returns what sends the message again that had no answer.
func (s *system) unavailable(here, there *talk) (again func()) {
	s.t.Helper()
	longest, id := time.Duration(0), uuid.New()
	const body = "is anybody there?"
	status, first, err := here.try(id, body)
	if status != http.StatusServiceUnavailable || err == nil || !strings.Contains(err.Error(), "shard_unavailable") {
		s.t.Errorf("a message to a shard that stands still: %d %v", status, err)
	}
	for i := range 20 {
		_, took, err := there.try(uuid.New(), fmt.Sprint("elsewhere ", i))
		if err != nil {
			s.t.Errorf("elsewhere: %v", err)
		}
		longest = max(longest, took)
	}
	promised(s.t, "a shard that stands still is told", first, time.Second)
	promised(s.t, "the longest send elsewhere meanwhile", longest, time.Second)
	return func() {
		eventually(s.t, "the message is acknowledged", func() bool {
			_, _, err := here.try(id, body)
			return err == nil
		})
	}
}

// Without a standby a shard that stands still is waited for.
func TestAShardThatStandsStillIsTold(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--shards", "2")
	here, there := s.newTalkAt("here", "b", "a"), s.newTalkAt("there", "b", "b")
	here.say("before")
	there.say("before")
	frozen := s.freeze("a")
	again := s.unavailable(here, there)
	signalAll(syscall.SIGCONT, frozen)
	again()
	here.say("after")
	here.check()
	there.check()
	if now := s.state().Shards[0].PID; now != frozen[0] {
		t.Errorf("the shard was started again: process %d, before %d", now, frozen[0])
	}
}

// With a standby it is ended, and the standby takes over.
func TestAPrimaryThatStandsStillIsReplaced(t *testing.T) {
	t.Parallel()
	if os.Getenv(envLong) == "" {
		t.Skip("store/local tries the same with less patience; make soak does this")
	}
	s := startUp(t, dataDir(t), "--shards", "2", "--standby")
	here, there := s.newTalkAt("here", "b", "a"), s.newTalkAt("there", "b", "b")
	for i, hang := range []struct {
		what, instance string
		whole          bool
		most           time.Duration
	}{{"all of it", "a", true, 10 * time.Second}, {"its postmaster", "a.2", false, 20 * time.Second}} {
		s.allInSync()
		here.say(fmt.Sprint("before ", i))
		frozen, began, again := s.serversOf(hang.instance)[:1], time.Now(), func() {}
		if hang.whole {
			frozen = s.freeze(hang.instance)
			again = s.unavailable(here, there)
		} else {
			signalAll(syscall.SIGSTOP, frozen)
		}
		eventually(t, "the standby is the primary", func() bool { return s.seat("a").Term == int64(i+2) })
		promised(t, hang.what+" stood still: another primary is agreed", time.Since(began), hang.most)
		signalAll(syscall.SIGCONT, frozen)
		for _, pid := range frozen {
			if _, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil { // one that is only not buried yet has none
				t.Errorf("process %d of the former primary is left", pid)
			}
		}
		again()
		here.say(fmt.Sprint("after ", i))
		there.say(fmt.Sprint("after ", i))
	}
	s.allInSync()
	here.check()
	there.check()
}
