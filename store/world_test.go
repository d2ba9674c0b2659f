package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
	"gori/store/storetest"
)

// world is a running Store on some shards, with a clock that tests may move and
// the inbox notices it gave.
type world struct {
	*Store
	t     testing.TB
	dsns  []string
	ahead atomic.Int64 // of the real time

	mu      sync.Mutex
	notices []chat.InboxNotice
}

func newWorld(t testing.TB, shards int, edit ...func(*Config)) *world {
	t.Helper()
	return newWorldOn(t, storetest.DSNs(t, shards), edit...)
}

// newWorldOn is another node on the same shards.
func newWorldOn(t testing.TB, dsns []string, edit ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, dsns: dsns}
	w.Store = openOn(t, dsns, append([]func(*Config){func(c *Config) {
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
		c.OnInbox = func(n []chat.InboxNotice) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.notices = append(w.notices, n...)
		}
	}}, edit...)...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

func (w *world) told(match func(chat.InboxNotice) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.notices {
		if match(n) {
			return true
		}
	}
	return false
}

// eventually waits for what happens a moment later.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if ok() {
			return
		}
		_ = nap(context.Background(), 2*time.Millisecond)
	}
	t.Fatalf("not within %v: %s", patience, what)
}

func account(name string) chat.NewAccount {
	return chat.NewAccount{LoginName: name, DisplayName: strings.ToUpper(name), PasswordHash: "$argon2id$secret-of-" + name,
		TokenHash: sha256.Sum256([]byte(name)), DeviceName: "test"}
}

// person signs someone up.
func (w *world) person(name string) chat.UserID {
	w.t.Helper()
	self, _, err := w.SignUp(context.Background(), account(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return self.ID
}

func (w *world) people(n int) []chat.UserID {
	w.t.Helper()
	var ids []chat.UserID
	for i := range n {
		ids = append(ids, w.person(fmt.Sprintf("user%d", i)))
	}
	return ids
}

func (w *world) group(owner chat.UserID, members ...chat.UserID) chat.ChannelID {
	w.t.Helper()
	c, err := w.CreateGroup(context.Background(), chat.GroupDraft{Owner: owner, Key: newMsgID(time.Now()), Name: "모임", Members: members})
	if err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

func (w *world) say(id chat.ChannelID, from chat.UserID, body string, edit ...func(*chat.Draft)) chat.Receipt {
	w.t.Helper()
	d := chat.Draft{Channel: id, Sender: from, ClientMsgID: newMsgID(time.Now()), Body: body}
	for _, e := range edit {
		e(&d)
	}
	r, err := w.Append(context.Background(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	return r[0]
}

// entry reads the user's present entry of a channel.
func (w *world) entry(u chat.UserID, id chat.ChannelID) (chat.InboxEntry, bool) {
	w.t.Helper()
	page, err := w.Inbox(context.Background(), u, 0, 500)
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(page.Entries, func(e chat.InboxEntry) bool { return e.Channel == id })
	if i < 0 {
		return chat.InboxEntry{}, false
	}
	return page.Entries[i], page.Entries[i].Member
}

// quiet waits until nothing is owed to any partition.
func (w *world) quiet() {
	w.t.Helper()
	eventually(w.t, "all fan-outs and effects are done", func() bool {
		left := 0
		for _, sh := range w.shards() {
			var n int
			if err := sh.pool().QueryRow(context.Background(), `SELECT (SELECT count(*) FROM control.fanout_pending) + (SELECT count(*) FROM data.effects)`).Scan(&n); err != nil {
				w.t.Fatal(err)
			}
			left += n
		}
		return left == 0
	})
}
