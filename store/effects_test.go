package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
	"gori/store/storetest"
)

func (w *world) owed() (effects, attempts int) {
	w.t.Helper()
	for _, sh := range w.shards() {
		var n, tries int
		if err := sh.pool().QueryRow(context.Background(), `SELECT count(*), coalesce(sum(attempts), 0) FROM data.effects`).Scan(&n, &tries); err != nil {
			w.t.Fatal(err)
		}
		effects, attempts = effects+n, attempts+tries
	}
	return effects, attempts
}

// leave writes an effect as a node does that dies right after its commit.
func (w *world) leave(p shard.Partition, d debt) {
	w.t.Helper()
	err := w.write(context.Background(), p, func(ctx context.Context, tx pgx.Tx) error {
		var owed []effect
		return w.owe(ctx, tx, p, &owed, d)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// forgetMember removes a member at the channel only.
func (w *world) forgetMember(id chat.ChannelID, u chat.UserID) {
	w.t.Helper()
	err := w.write(context.Background(), shard.Of(id), func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM data.members WHERE partition = $1 AND channel_id = $2 AND user_id = $3`, shard.Of(id), id, u); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE data.channels SET member_version = member_version + 1 WHERE partition = $1 AND channel_id = $2`, shard.Of(id), id)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// newStill is a world that sweeps often and whose clock stands still but for what
// the test adds to it.
func newStill(t testing.TB, shards int) (*world, *atomic.Int64) {
	t.Helper()
	var passed atomic.Int64
	start := time.Now()
	return newWorld(t, shards, func(c *Config) {
		c.SweepEvery = 10 * time.Millisecond
		c.Clock = func() time.Time { return start.Add(time.Duration(passed.Load())) }
	}), &passed
}

func TestWhatADeadNodeLeftIsSwept(t *testing.T) {
	t.Parallel()
	w, passed := newStill(t, 2)
	ids := w.people(3)
	id := w.group(ids[0], ids[1:]...)
	w.quiet()
	w.leave(shard.Of(ids[1]), friendEffect{User: ids[0], Other: ids[1], Register: register{Wants: wantsFriend, Version: 1}})
	w.leave(shard.Of(ids[1]), readMarkEffect{Channel: id, User: ids[1], Seq: 1})
	w.forgetMember(id, ids[2])
	w.leave(shard.Of(id), leftEffect{Channel: id, Seq: 1, Users: ids[2:]})
	_ = nap(t.Context(), 50*time.Millisecond)
	if n, tries := w.owed(); n != 3 || tries != 0 {
		t.Fatalf("%d effects and %d tries before they are stale", n, tries)
	}
	passed.Add(int64(effectStale + time.Second))
	w.quiet()
	if st := w.friendState(ids[0], ids[1]); st != chat.FriendReceived {
		t.Errorf("the request did not arrive: %q", st)
	}
	if _, ok := w.entry(ids[2], id); ok {
		t.Error("the removal did not arrive")
	}
}

// An effect that cannot be applied is tried again, ever more rarely.
func TestEffectsBackOff(t *testing.T) {
	t.Parallel()
	w, passed := newStill(t, 1)
	u := w.person("ann")
	// It names users that do not exist, which a muzzle cannot deal with once it finds their channel.
	if err := w.makeDirect(t.Context(), chat.DirectID(u, 77, 0), u, 77); err != nil {
		t.Fatal(err)
	}
	left := func() time.Duration {
		var next time.Time
		if err := w.shards()[0].pool().QueryRow(t.Context(), `SELECT next_at FROM data.effects`).Scan(&next); err != nil {
			t.Fatal(err)
		}
		return next.Sub(w.now())
	}
	for want, pause := 1, effectStale; want <= 3; want, pause = want+1, 2*pause {
		passed.Add(int64(left() + time.Millisecond)) // until the next try is due, and no longer
		eventually(t, "another try", func() bool { _, tries := w.owed(); return tries >= want })
		if got := left(); got < pause-time.Millisecond || got > pause {
			t.Fatalf("after %d tries the next one comes in %v", want, got)
		}
	}
}

// Several nodes sweep the same effects, which come in any order.
func TestEffectsOfManyNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, func(c *Config) { c.SweepEvery = 5 * time.Millisecond })
	other := newWorldOn(t, w.dsns, func(c *Config) { c.SweepEvery = 5 * time.Millisecond })
	ids := w.people(8)
	for _, a := range ids[1:] {
		for v := range int64(5) {
			w.leave(shard.Of(a), friendEffect{User: ids[0], Other: a, Register: register{Wants: int16(v % 2), Version: v + 1}})
		}
	}
	w.ahead.Add(int64(time.Minute))
	other.ahead.Add(int64(time.Minute))
	w.quiet()
	if n := len(sure(w.Friends(t.Context(), ids[0]))); n != 0 { // version 5 wants nothing
		t.Fatalf("%d friends after the last word", n)
	}
}

// A shard that is down keeps nobody else from anything, and what is owed to it
// arrives once it is back.
func TestAShardDown(t *testing.T) {
	t.Parallel()
	in := storetest.StartInstance(t)
	w := newWorldOn(t, []string{storetest.DSN(t), in.DSN("gori")}, func(c *Config) { c.SweepEvery = 20 * time.Millisecond })
	ctx := t.Context()
	var here, there []chat.UserID
	for _, u := range w.people(24) {
		if w.routes.Load().owner[shard.Of(u)] == 0 {
			here = append(here, u)
		} else {
			there = append(there, u)
		}
	}
	var id chat.ChannelID
	for w.routes.Load().owner[shard.Of(id)] != 0 || id == 0 {
		id = w.group(here[0], here[1], there[0])
	}
	w.quiet()
	in.Kill()
	eventually(t, "the shard counts as down", func() bool { return !w.shards()[1].isUp() })

	found, partial, err := w.Find(ctx, "user", 20)
	if err != nil || !partial || len(found) != min(len(here), 20) {
		t.Fatalf("%d found, partial %v, %v", len(found), partial, err)
	}
	users, err := w.Profiles(ctx, append(there[:2:2], here[:3]...))
	wantCode(t, err, chat.CodeShardDown)
	if len(users) != 3 {
		t.Fatalf("%d profiles of 3 that can be reached", len(users))
	}
	_, err = w.Authenticate(ctx, there[0], [32]byte{})
	wantCode(t, err, chat.CodeShardDown)
	if _, err := w.Befriend(ctx, here[0], here[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Govern(ctx, chat.Governance{Kind: chat.GovernRemove, Channel: id, Actor: here[0], Users: there[:1]}); err != nil {
		t.Fatal(err)
	}
	_, err = w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: there[0]})
	wantCode(t, err, chat.CodeNotMember)

	if err := in.Start(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removal arrives", func() bool {
		w.ahead.Add(int64(time.Second))
		if !w.shards()[1].isUp() {
			return false
		}
		page, err := w.Inbox(ctx, there[0], 0, 10)
		return err == nil && len(page.Entries) > 0 && !page.Entries[len(page.Entries)-1].Member
	})
}
