package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/chat"
	"gori/reach"
	"gori/shard"
	"gori/store"
	"gori/store/local"
)

// gapBound is a generous bound of how long writes may wait for a standby to
// take over: promised are 2 s for one kill.
const gapBound = 10 * time.Second

// allInSync waits until every shard's standby has everything, and its supervisor
// has seen that once more: a primary that dies before is only started again.
func (s *system) allInSync() {
	s.t.Helper()
	eventually(s.t, "all standbys have everything", func() bool {
		for _, one := range s.state().Shards {
			if one.PID == 0 || one.Standby == 0 || !one.Sync {
				return false
			}
		}
		return true
	})
	time.Sleep(time.Second)
}

// killPrimary kills a shard's primary as a crash would.
func (s *system) killPrimary(i int) {
	s.t.Helper()
	if err := syscall.Kill(s.state().Shards[i].PID, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

// seat is what the ring says of a shard.
func (s *system) seat(id shard.ID) shard.Seat {
	s.t.Helper()
	ring, err := reach.ReadDocument(s.t.Context(), reach.AsConfig(s.state().Shards))
	if err != nil {
		s.t.Fatal(err)
	}
	seat, _ := ring.Seat(id)
	return seat
}

// A primary dies while people talk, then the next one, then everything.
func TestAStandbyTakesOverWithoutLoss(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := startUp(t, dir, "--shards", "2", "--standby")
	s.allInSync()
	old := keepCopy(t, s)

	s = startUp(t, dir) // it remembers the standbys
	s.allInSync()
	k := gather(t, s.url, 6, 1)
	k.talk(20 * time.Millisecond)
	for i := range 2 {
		s.killPrimary(i)
		eventually(t, "the other instance is the primary", func() bool {
			id := shard.ID(s.state().Shards[i].ID)
			seat := s.seat(id)
			return seat.Term == 2 && seat.Addr == "@"+string(id)+shard.SecondSuffix
		})
		s.allInSync()
	}
	// The second of these comes before, or just after, the next standby has
	// everything: nothing may be lost in either case.
	s.killPrimary(0)
	eventually(t, "something runs again", func() bool { return s.state().Shards[0].PID != 0 })
	s.killPrimary(0)
	s.allInSync()
	k.hush()
	sent, longest := k.check()
	promised(t, fmt.Sprintf("the longest gap of a device of %d messages", sent), longest, gapBound)
	if sent == 0 {
		t.Error("nothing was said")
	}

	refuseOldPrimary(t, s, old)
	before := s.seat("a")
	s.signal(syscall.SIGKILL)
	<-s.done
	eventually(t, "its children end", func() bool { return len(s.processes()) == 0 })
	s = startUp(t, dir)
	s.allInSync()
	if now := s.seat("a"); now.Term != before.Term || now.Addr != before.Addr {
		t.Errorf("after everything was killed the ring says %+v, before %+v", now, before)
	}
	code, out, e := gori(t, "ring", "show", "--data", dir)
	if code != exitOK || strings.Contains(out, "may lack") {
		t.Errorf("ring show: exit %d: %s%s", code, out, e)
	}
	newTalk(t, s.url, "later").say("all is well")
}

// keepCopy stops the system and copies the primary of its first shard, as
// somebody might who is about to try something.
func keepCopy(t *testing.T, s *system) *local.Instance {
	t.Helper()
	s.signal(syscall.SIGTERM)
	<-s.done
	aside := dataDir(t)
	from := filepath.Join(s.dir, "shards", "a", "pg")
	if out, err := exec.Command("cp", "-a", from, filepath.Join(aside, "pg")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	old, err := local.New(local.Config{ID: "a", Dir: aside, SharedBuffersMB: 16})
	if err != nil {
		t.Fatal(err)
	}
	return old
}

// refuseOldPrimary starts a former primary by hand: no node uses it, whatever
// address the node was given.
func refuseOldPrimary(t *testing.T, s *system, old *local.Instance) {
	t.Helper()
	if err := old.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer old.Stop(t.Context())
	var log bytes.Buffer
	st, err := store.Open(t.Context(), store.Config{
		Shards: []store.ShardConfig{{ID: "a", DSN: old.DSN(local.Database)}, {ID: "b", DSN: s.state().Shards[1].DSN}},
		Resolve: func(addr string) (string, error) {
			if strings.HasPrefix(addr, "@a") {
				return old.DSN(local.Database), nil
			}
			return reach.InstanceDSN(s.state().Instances, addr)
		},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range st.Health() {
		if h.Up != (h.Shard == "b") {
			t.Errorf("a node that was led to a former primary has shard %s up: %v", h.Shard, h.Up)
		}
	}
	id := chat.ChannelID(1)
	for st.RingDocument().Map.Owner(shard.Of(id)) != "a" {
		id++
	}
	_, err = st.WhereChannel(t.Context(), id)
	if code := chat.CodeOf(err); code != chat.CodeShardDown {
		t.Errorf("what it is asked of that shard: %v", err)
	}
	st.Close()
	if !strings.Contains(log.String(), "has term 1") {
		t.Errorf("the node does not say why: %s", log.String())
	}
}

// What commands say of a system with standbys.
func TestShardCommands(t *testing.T) {
	dir := dataDir(t)
	s := startUp(t, dir, "--shards", "1", "--standby")
	s.allInSync()
	k := newTalk(t, s.url, "person")
	k.say("before")
	code, out, e := gori(t, "shard", "status", "--data", dir, "--json")
	var rows []shardRow
	if err := json.Unmarshal([]byte(out), &rows); code != exitOK || err != nil || len(rows) != 1 || !rows[0].Sync || rows[0].Term != 1 {
		t.Errorf("shard status: exit %d, %v: %s%s", code, err, out, e)
	}
	if code, out, e = gori(t, "shard", "promote", "a", "--data", dir); code != exitOK || !strings.Contains(out, "term 2") {
		t.Errorf("shard promote: exit %d: %s%s", code, out, e)
	}
	k.say("after")
	s.allInSync()
	if code, _, e = gori(t, "shard", "promote", "z", "--data", dir); code == exitOK || !strings.Contains(e, "z") {
		t.Errorf("shard promote z: exit %d: %s", code, e)
	}
	k.check()
	for _, args := range [][]string{{"doctor"}, {"backup", "--to", filepath.Join(t.TempDir(), "kept")}} {
		if code, out, e = gori(t, append(args, "--data", dir)...); code != exitOK {
			t.Errorf("%s after a promotion: exit %d: %s%s", args[0], code, out, e)
		}
	}
	s.signal(syscall.SIGTERM)
	<-s.done

	s = startUp(t, dir, "--standby=false")
	k.who.url = s.url
	k.say("alone")
	eventually(t, "the standby is taken out", func() bool {
		_, err := os.Stat(filepath.Join(dir, "shards", "a", "pg"))
		return os.IsNotExist(err) && s.seat("a").Standby == ""
	})
	k.say("still")
	k.check()
	if code, out, e = gori(t, "shard", "status", "--data", dir); code != exitOK || !strings.Contains(out, "none") {
		t.Errorf("shard status: exit %d: %s%s", code, out, e)
	}
}
