package store

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"gori/chat"
)

func (w *world) friendState(user, other chat.UserID) chat.FriendState {
	w.t.Helper()
	for _, f := range sure(w.Friends(context.Background(), user)) {
		if f.User == other {
			return f.State
		}
	}
	return ""
}

func TestFriends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	a, b := w.person("a1"), w.person("b1")
	both := func(ofA, ofB chat.FriendState) {
		t.Helper()
		if x, y := w.friendState(a, b), w.friendState(b, a); x != ofA || y != ofB {
			t.Fatalf("states %q and %q, want %q and %q", x, y, ofA, ofB)
		}
	}
	befriend := func(user, other chat.UserID, want chat.FriendState) {
		t.Helper()
		if st, err := w.Befriend(ctx, user, other); err != nil || st != want {
			t.Fatalf("befriend: %q, %v, want %q", st, err, want)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	befriend(a, b, chat.FriendSent)
	befriend(a, b, chat.FriendSent)
	both(chat.FriendSent, chat.FriendReceived)
	befriend(b, a, chat.FriendAccepted)
	both(chat.FriendAccepted, chat.FriendAccepted)
	do(w.Unfriend(ctx, b, a))
	both("", "")
	befriend(a, b, chat.FriendSent)
	do(w.Unfriend(ctx, b, a)) // refuses
	both("", "")
	befriend(a, b, chat.FriendSent)
	do(w.Unfriend(ctx, a, b)) // withdraws
	both("", "")
	do(w.Unfriend(ctx, a, b))

	befriend(a, b, chat.FriendSent)
	befriend(b, a, chat.FriendAccepted)
	c := sure(w.OpenDirect(ctx, a, b))
	w.say(c.ID, b, "before")
	do(w.Block(ctx, a, b))
	both(chat.FriendBlocked, "")
	_, err := w.Befriend(ctx, b, a)
	wantCode(t, err, chat.CodeBlocked)
	_, err = w.Befriend(ctx, a, b)
	wantCode(t, err, chat.CodeBlocked)
	for _, pair := range [][2]chat.UserID{{a, b}, {b, a}} {
		_, err = w.OpenDirect(ctx, pair[0], pair[1])
		wantCode(t, err, chat.CodeBlocked)
	}
	_, err = w.Append(ctx, chat.Draft{Channel: c.ID, Sender: b, ClientMsgID: newMsgID(time.Now()), Body: "x"})
	wantCode(t, err, chat.CodeBlocked)
	_, err = w.Alter(ctx, chat.Alteration{Kind: chat.AlterReact, Channel: c.ID, Actor: b, Seq: 1, Emoji: "👍"})
	wantCode(t, err, chat.CodeBlocked)
	w.group(a, b)
	_, err = w.CreateGroup(ctx, chat.GroupDraft{Owner: b, Key: newMsgID(time.Now()), Name: "x", Members: []chat.UserID{a}})
	wantCode(t, err, chat.CodeBlocked)
	do(w.Block(ctx, a, b))
	do(w.Unblock(ctx, a, b))
	do(w.Unblock(ctx, a, b))
	both("", "")
	w.say(c.ID, b, "after")
	befriend(b, a, chat.FriendSent)
	both(chat.FriendReceived, chat.FriendSent)

	_, err = w.Befriend(ctx, a, a)
	wantCode(t, err, chat.CodeBadRequest)
	_, err = w.Befriend(ctx, a, 999)
	wantCode(t, err, chat.CodeNotFound)
	wantCode(t, w.Block(ctx, a, 999), chat.CodeNotFound)
}

// A block that finds no channel yet, because it is being made, still holds.
func TestBlockWhileOpening(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	a, b := w.person("a1"), w.person("b1")
	if err := w.Block(ctx, a, b); err != nil {
		t.Fatal(err)
	}
	// As if b's OpenDirect had looked for blocks before.
	id := chat.DirectID(a, b, 0)
	if err := w.makeDirect(ctx, id, b, a); err != nil {
		t.Fatal(err)
	}
	_, err := w.Append(ctx, chat.Draft{Channel: id, Sender: b, ClientMsgID: newMsgID(time.Now()), Body: "x"})
	wantCode(t, err, chat.CodeBlocked)
}

// Whatever two users do, and in whichever order news of it arrive, or never
// until the end, both sides agree.
func TestPairsConverge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var side [2]pair
		var onTheWay [2][]register // to side i
		deliver := func(i int) {
			if n := len(onTheWay[i]); n > 0 {
				k := rapid.IntRange(0, n-1).Draw(t, "which")
				side[i].hear(onTheWay[i][k])
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "side")
			p := &side[i]
			switch rapid.SampledFrom([]string{"befriend", "unfriend", "block", "unblock", "news"}).Draw(t, "step") {
			case "befriend":
				if st := p.state(); st == chat.FriendBlocked || st == chat.FriendSent || st == chat.FriendAccepted {
					continue
				}
				p.decide(wantsFriend)
			case "unfriend":
				if st := p.state(); st == "" || st == chat.FriendBlocked {
					continue
				}
				p.decide(wantsNothing)
			case "block":
				p.decide(wantsBlocked)
			case "unblock":
				if p.mine.Wants != wantsBlocked {
					continue
				}
				p.decide(wantsNothing)
			case "news":
				deliver(i)
				continue
			}
			onTheWay[1-i] = append(onTheWay[1-i], p.mine)
		}
		for i := range side {
			for len(onTheWay[i]) > 0 {
				k := rapid.IntRange(0, len(onTheWay[i])-1).Draw(t, "last")
				side[i].hear(onTheWay[i][k])
				onTheWay[i] = append(onTheWay[i][:k], onTheWay[i][k+1:]...)
			}
		}
		a, b := side[0].state(), side[1].state()
		agreed := map[chat.FriendState][]chat.FriendState{
			"": {"", chat.FriendBlocked}, chat.FriendSent: {chat.FriendReceived, chat.FriendBlocked},
			chat.FriendReceived: {chat.FriendSent}, chat.FriendAccepted: {chat.FriendAccepted},
			chat.FriendBlocked: {"", chat.FriendSent, chat.FriendBlocked},
		}
		for _, ok := range agreed[a] {
			if b == ok {
				return
			}
		}
		t.Fatalf("one side says %q, the other %q", a, b)
	})
}

// Someone who has been blocked and unblocked many times, or asked by many, has
// a bounded list.
func TestFriendsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx := t.Context()
	a, b, c := w.person("a1"), w.person("b1"), w.person("c1")
	fill := func(user chat.UserID, mine int, n int) {
		t.Helper()
		err := w.write(ctx, partitionOf(user), func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO data.friends (partition, user_id, other_id, mine, mine_version)
				SELECT $1, $2, g, $3, 1 FROM generate_series(1, $4) g`, int32(partitionOf(user)), user, mine, n)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	fill(a, wantsFriend, chat.MaxFriends)
	_, err := w.Befriend(ctx, a, b)
	wantCode(t, err, chat.CodeTooLong)
	if err := w.Block(ctx, a, b); err != nil { // there is always room to block
		t.Fatal(err)
	}
	fill(c, wantsNothing, 3*chat.MaxFriends)
	if _, err := w.Befriend(ctx, b, c); err != nil {
		t.Fatal(err)
	}
	if st := w.friendState(c, b); st != "" {
		t.Fatalf("a full list took in %q", st)
	}
	if st, err := w.Befriend(ctx, c, b); err != nil || st != chat.FriendAccepted {
		t.Fatalf("asking the one who asked: %q, %v", st, err)
	}
}
