package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
	"gori/store"
)

func take(t testing.TB, w *world) (string, *Manifest) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "set")
	m, err := Take(t.Context(), Options{Shards: w.shards, To: dir, Version: "test", Budget: 2 * time.Second})
	ok(t, err)
	return dir, m
}

// everything reads all of a channel.
func everything(t testing.TB, s *store.Store, user chat.UserID, id chat.ChannelID) []chat.Message {
	t.Helper()
	var all []chat.Message
	for {
		page, err := s.History(t.Context(), chat.HistoryQuery{Viewer: user, Channel: id, HasAfter: true, After: chat.Seq(len(all)), Limit: 100})
		ok(t, err)
		all = append(all, page.Messages...)
		if !page.MoreAfter {
			return all
		}
	}
}

func TestWhatIsRestoredIsWhatWasBackedUp(t *testing.T) {
	w := newWorld(t, 3)
	stop := w.chatter(t)
	dir, m := take(t, w)
	said := stop()
	if m.Ring == nil || m.Ring.Version != 1 || len(m.Shards) != 3 || m.PauseUS <= 0 {
		t.Errorf("the manifest says ring %v, %d shards, a pause of %d µs", m.Ring, len(m.Shards), m.PauseUS)
	}
	t.Logf("pause %d µs after %d tries", m.PauseUS, m.Tries)
	for name, sum := range m.Tables() {
		if sum.Rows == 0 && name != fanoutTable.name {
			t.Errorf("no row of %s is in the set", name)
		}
	}
	for _, n := range []int{3, 2} {
		t.Run(fmt.Sprintf("into %d", n), func(t *testing.T) {
			to := shardsOf(t, n)
			r, err := Restore(t.Context(), RestoreOptions{From: dir, Shards: to})
			ok(t, err)
			if len(r.Shards) != n || r.Shards["a"]+r.Shards["b"]+r.Shards["c"] != shard.Partitions {
				t.Errorf("partitions %v", r.Shards)
			}
			usable(t, w, open(t, to), said)
			// A backup of what was restored has the same content but for what went on since.
			if err := store.MigrateAll(t.Context(), to, nil, nil); err != nil {
				t.Errorf("a node's start: %v", err)
			}
		})
	}
}

// usable makes sure that a restored system holds a beginning of each channel,
// without gaps, and goes on.
func usable(t *testing.T, w *world, s *store.Store, said map[chat.ChannelID]int) {
	t.Helper()
	ctx := t.Context()
	if _, err := s.Authenticate(ctx, w.people[4], token("user4")); err != nil {
		t.Errorf("log in: %v", err)
	}
	if home, err := s.Home(ctx, w.people[4], 0, 10); err != nil || home.Inbox.Generation == 0 {
		t.Errorf("devices are told generation %d, %v", home.Inbox.Generation, err)
	}
	for _, id := range w.channels {
		all := everything(t, s, w.people[0], id)
		// Each channel began with the message that tells of it and ten more; one had
		// another one.
		if len(all) < 11 || len(all) > 12+said[id] {
			t.Fatalf("%d messages, and %d were written during the backup", len(all), said[id])
		}
		was := everything(t, w.Store, w.people[0], id)
		for i, msg := range all {
			if msg.Seq != chat.Seq(i+1) || msg.Body != was[i].Body || msg.ClientMsgID != was[i].ClientMsgID {
				t.Fatalf("message %d is %v", i+1, msg)
			}
		}
		r, err := s.Append(ctx, draft(id, w.people[1], "again"))
		ok(t, err)
		if r[0].Seq != chat.Seq(len(all)+1) {
			t.Errorf("the next message is %d after %d", r[0].Seq, len(all))
		}
	}
	// What was owed to inboxes is carried out.
	behind := func() bool {
		page, err := s.Inbox(ctx, w.people[5], 0, 100)
		ok(t, err)
		for _, e := range page.Entries {
			if c, err := s.Channel(ctx, w.people[5], e.Channel); err != nil || c.LastSeq != e.LastSeq {
				return true
			}
		}
		return len(page.Entries) != len(w.channels)
	}
	for deadline := time.Now().Add(2 * time.Minute); behind(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("inboxes stay behind")
		}
	}
}

// The set is of one instant: a message written after another one was
// acknowledged is never in it without that one, whatever their shards. The
// snapshots are begun at different moments, so without gates it would be.
func TestTheSetIsOfOneInstant(t *testing.T) {
	w := newWorld(t, 3)
	slowly := func(id shard.ID) { time.Sleep(time.Duration(id[0]-'a') * 150 * time.Millisecond) }
	for _, c := range []struct {
		name    string
		noGates bool
	}{{"with gates", false}, {"a mutant without gates", true}} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "set")
			wrote := w.turns(t, func() {
				_, err := Take(t.Context(), Options{Shards: w.shards, To: dir, Budget: 3 * time.Second, wait: slowly, noGates: c.noGates})
				ok(t, err)
			})
			to := shardsOf(t, 1)
			_, err := Restore(t.Context(), RestoreOptions{From: dir, Shards: to})
			ok(t, err)
			if missing := w.holes(t, open(t, to), wrote); missing != c.noGates {
				t.Errorf("a message is missing before one that is there: %v", missing)
			}
		})
	}
}

// turns writes into one channel after the other while do runs, and returns the
// ids of the messages in the order of acknowledgement.
func (w *world) turns(t *testing.T, do func()) []chat.ClientMsgID {
	t.Helper()
	var wrote []chat.ClientMsgID
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			d := draft(w.channels[i%len(w.channels)], w.people[0], "turn")
			if err := w.post(d); err != nil {
				t.Error(err)
				return
			}
			wrote = append(wrote, d.ClientMsgID)
		}
	}()
	do()
	cancel()
	<-done
	return wrote
}

// holes tells whether one of the messages is missing and a later one is not.
func (w *world) holes(t *testing.T, s *store.Store, wrote []chat.ClientMsgID) bool {
	t.Helper()
	there := map[chat.ClientMsgID]bool{}
	for _, id := range w.channels {
		for _, m := range everything(t, s, w.people[0], id) {
			there[m.ClientMsgID] = true
		}
	}
	missing := false
	for _, id := range wrote {
		if missing && there[id] {
			return true
		}
		missing = missing || !there[id]
	}
	return false
}

// A try that takes longer than its budget is taken back, and people go on.
func TestAPauseEndsWithItsBudget(t *testing.T) {
	w := newWorld(t, 2)
	stop := w.chatter(t)
	_, err := Take(t.Context(), Options{Shards: w.shards, To: filepath.Join(t.TempDir(), "set"), Budget: 100 * time.Millisecond, Tries: 3, wait: func(id shard.ID) {
		if id == "b" {
			time.Sleep(300 * time.Millisecond) // as if the host stood still
		}
	}})
	if !errors.Is(err, errAgain) {
		t.Errorf("it says %v", err)
	}
	for id, n := range stop() {
		if n == 0 {
			t.Errorf("channel %v stood still", id)
		}
	}
}

func TestABackupThatIsNotWholeIsRefused(t *testing.T) {
	w := newWorld(t, 2)
	dir, m := take(t, w)
	name := ""
	for _, f := range m.Files {
		if f.Table == "data.messages" {
			name = f.Name
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	ok(t, err)
	to := shardsOf(t, 1)
	refused := func(t *testing.T, want string) {
		t.Helper()
		if _, err := Verify(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("verify says %v, not %q", err, want)
		}
		if _, err := Restore(t.Context(), RestoreOptions{From: dir, Shards: to}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("restore says %v, not %q", err, want)
		}
	}
	put := func(name string, text []byte) { ok(t, os.WriteFile(filepath.Join(dir, name), text, 0o600)) }

	for i := 0; i < len(text); i += 1 + len(text)/20 {
		bad := append([]byte(nil), text...)
		bad[i] ^= 0x10
		put(name, bad)
		refused(t, "is damaged: "+name)
	}
	put(name, text[:len(text)/2])
	refused(t, "is damaged: "+name)
	put(name, append(append([]byte(nil), text...), 0))
	refused(t, "is damaged: "+name)
	ok(t, os.Remove(filepath.Join(dir, name)))
	refused(t, "is missing")
	put(name, text)

	manifest, err := os.ReadFile(filepath.Join(dir, manifestName))
	ok(t, err)
	put(manifestName, manifest[:len(manifest)/2])
	refused(t, "is damaged: manifest.json")
	put(manifestName, []byte(strings.Replace(string(manifest), `"format": 1`, `"format": 9`, 1)))
	refused(t, "has format 9")
	ok(t, os.Remove(filepath.Join(dir, manifestName)))
	refused(t, "there is no backup")
	put(unfinishedName, nil)
	refused(t, "was not finished")
	ok(t, os.Remove(filepath.Join(dir, unfinishedName)))
	put(manifestName, manifest)
	if _, err := Restore(t.Context(), RestoreOptions{From: dir, Shards: to}); err != nil {
		t.Errorf("the whole one, into shards that nothing has touched: %v", err)
	}
	var full *NotEmptyError
	if _, err := Restore(t.Context(), RestoreOptions{From: dir, Shards: to}); !errors.As(err, &full) || full.Unfinished {
		t.Errorf("into shards in use: %v", err)
	}
}

// A restore that dies leaves nothing that serves, and is told from one that did
// not.
func TestARestoreThatDiesServesNothing(t *testing.T) {
	w := newWorld(t, 2)
	dir, _ := take(t, w)
	to := shardsOf(t, 2)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err := Restore(ctx, RestoreOptions{From: dir, Shards: to, Loaded: func(ManifestFile) {
		if n++; n == 20 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it says %v", err)
	}
	for _, sc := range to {
		conn, err := pgx.Connect(t.Context(), sc.DSN)
		ok(t, err)
		var active int
		ok(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM control.partition_owner WHERE state = 'active'").Scan(&active))
		_ = conn.Close(t.Context())
		if active != 0 {
			t.Errorf("shard %s serves %d partitions", sc.ID, active)
		}
	}
	var left *NotEmptyError
	if _, err := Restore(t.Context(), RestoreOptions{From: dir, Shards: to}); !errors.As(err, &left) || !left.Unfinished {
		t.Errorf("a second restore: %v", err)
	}
}
