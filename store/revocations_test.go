package store

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

// ends makes a login of a user and ends it again.
func (w *world) ends(user chat.UserID, n byte) chat.LoginID {
	w.t.Helper()
	id, _, err := w.CreateLogin(context.Background(), user, [32]byte{n}, "device")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.RevokeLogins(context.Background(), user, id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func tells(page chat.RevokedPage, login chat.LoginID) bool {
	for _, r := range page.List {
		if r.Login == login {
			return true
		}
	}
	return false
}

func TestRevocationsAreReadByTheShardsClock(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t, 2, asNodes)
	w.ahead.Store(int64(time.Hour)) // of no consequence
	user := w.person("ann")
	start := sure(w.Revoked(ctx, nil, 0))
	login := w.ends(user, 1)
	for range 3 {
		page := sure(w.Revoked(ctx, start.Since, 0))
		if !tells(page, login) || page.Lost || len(page.Since) != 2 {
			t.Fatalf("read %+v", page)
		}
	}
	if other := newWorldOn(t, w.dsns, asNodes); !tells(sure(other.Revoked(ctx, start.Since, 0)), login) {
		t.Fatal("another node does not read it")
	}

	// The shard's clock has been set back since the last look.
	future := chat.RevokedSince{}
	for id, at := range start.Since {
		future[id] = at.Add(time.Hour)
	}
	if page := sure(w.Revoked(ctx, future, 0)); !tells(page, login) || page.Lost || page.Since["a"].After(time.Now().Add(time.Minute)) {
		t.Fatalf("with a clock set back: %+v", page)
	}
	// It was not looked at for so long that rows may be gone.
	past := chat.RevokedSince{}
	for id, at := range start.Since {
		past[id] = at.Add(-revokedKept)
	}
	if page := sure(w.Revoked(ctx, past, 0)); !page.Lost {
		t.Fatal("what may be gone is not told")
	}
	// Who does not answer in time keeps the point.
	late, cancel := context.WithCancel(ctx)
	cancel()
	page, err := w.Revoked(late, start.Since, 0)
	if err == nil || len(page.Since) != 2 {
		t.Fatalf("%+v, %v", page, err)
	}
	for id, at := range start.Since {
		if !page.Since[id].Equal(at) {
			t.Fatalf("shard %s is taken for read up to %v", id, page.Since[id])
		}
	}
}

func TestOldRevocationsAreDeleted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t, 2, asNodes)
	user := w.person("ann")
	old, young := w.ends(user, 1), w.ends(user, 2)
	sh := sure(w.locate(partitionOf(user)))
	age(t, w, user, old)
	for _, sh := range w.shards() {
		if err := w.forgetRevocations(ctx, sh); err != nil {
			t.Fatal(err)
		}
	}
	var left []int64
	if err := sh.pool().QueryRow(ctx, `SELECT array_agg(login_id) FROM data.revocations`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0] != int64(young) {
		t.Fatalf("left are %v", left)
	}
}

// age makes a revocation eleven minutes old.
func age(t *testing.T, w *world, user chat.UserID, login chat.LoginID) {
	t.Helper()
	err := w.write(context.Background(), partitionOf(user), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE data.revocations SET at = at - interval '11 minutes' WHERE partition = $1 AND login_id = $2`,
			int32(partitionOf(user)), int64(login))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPositionsOfManyUsersAtOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t, 3, asNodes)
	users := w.people(30)
	id := w.group(users[0], users[1:]...)
	for range 5 {
		w.say(id, users[3], "x")
	}
	w.quiet()
	at := sure(w.InboxPositions(ctx, append(users, 4242)))
	if len(at) != len(users) {
		t.Fatalf("%d positions of %d users", len(at), len(users))
	}
	for _, u := range users {
		if page := sure(w.Inbox(ctx, u, 0, 10)); page.Pos != at[u] || page.Head != page.Pos {
			t.Fatalf("user %d: position %d, inbox %d", u, at[u], page.Pos)
		}
	}
}
