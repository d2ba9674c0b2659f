package store

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

var testIDs atomic.Int64

// testID draws ids that lie in different partitions.
func testID() int64 { return 1<<40 + testIDs.Add(1)*7919 }

func cid(n int) chat.ClientMsgID {
	var id chat.ClientMsgID
	id[0] = 1
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// user makes a user's home rows, without an account.
func (h *harness) user() chat.UserID {
	h.t.Helper()
	u := chat.UserID(testID())
	h.write(int64(u), "INSERT INTO data.user_state (partition, user_id) VALUES ($1, $2)", int32(partitionOf(u)), int64(u))
	return u
}

// channel makes a channel of members, without their inbox rows.
func (h *harness) channel(members ...chat.UserID) chat.ChannelID {
	h.t.Helper()
	id := chat.ChannelID(testID())
	kind, pair := chat.KindGroup, [2]chat.UserID{}
	if len(members) == 2 {
		kind, pair = chat.KindDirect, [2]chat.UserID{min(members[0], members[1]), max(members[0], members[1])}
	}
	p := int32(partitionOf(id))
	h.write(int64(id), `INSERT INTO data.channels (partition, channel_id, kind, user_a, user_b, created_by, member_limit, member_count)
		VALUES ($1, $2, $3, $4, $5, 0, 500, $6)`, p, int64(id), int16(kind), int64(pair[0]), int64(pair[1]), len(members))
	for _, u := range members {
		h.write(int64(id), "INSERT INTO data.members (partition, channel_id, user_id, role) VALUES ($1, $2, $3, 1)", p, int64(id), int64(u))
	}
	return id
}

type harness struct {
	t testing.TB
	*Store
}

func (h *harness) write(key int64, sql string, args ...any) {
	h.t.Helper()
	err := h.Store.write(context.Background(), partitionOf(key), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func newHarness(t testing.TB, shards int, edit ...func(*Config)) *harness {
	return &harness{t, openRing(t, shards, edit...)}
}

func (h *harness) send(ch chat.ChannelID, u chat.UserID, n int, body string) chat.Receipt {
	h.t.Helper()
	r, err := h.Append(context.Background(), chat.Draft{Channel: ch, Sender: u, ClientMsgID: cid(n), Body: body})
	if err != nil {
		h.t.Fatal(err)
	}
	return r[0]
}

// settled waits until every fan-out is done.
func (h *harness) settledAll() {
	h.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		left := 0
		for _, sh := range h.shards() {
			var n int
			if err := sh.pool().QueryRow(context.Background(), "SELECT count(*) FROM control.fanout_pending").Scan(&n); err != nil {
				h.t.Fatal(err)
			}
			left += n
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%d fan-outs are left", left)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (h *harness) entry(u chat.UserID, ch chat.ChannelID) chat.InboxEntry {
	h.t.Helper()
	page, err := h.Inbox(context.Background(), u, 0, 500)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range page.Entries {
		if e.Channel == ch {
			return e
		}
	}
	h.t.Fatalf("user %v has no entry of channel %v", u, ch)
	return chat.InboxEntry{}
}

func wantCode(t testing.TB, err error, code chat.Code) {
	t.Helper()
	var e *chat.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}

func TestAppendNumbersAndFansOut(t *testing.T) {
	h := newHarness(t, 3)
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	for i := 1; i <= 5; i++ {
		if r := h.send(ch, a, i, "안녕"); r.Seq != chat.Seq(i) || r.Count != chat.Count(i) || r.Duplicate || r.At == 0 || r.MemberVersion != 1 {
			t.Fatalf("message %d: %+v", i, r)
		}
	}
	if r := h.send(ch, a, 3, "안녕"); r.Seq != 3 || !r.Duplicate {
		t.Fatalf("a repeated one: %+v", r)
	}
	_, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(3), Body: "other"})
	wantCode(t, err, chat.CodeIDReused)
	_, err = h.Append(t.Context(), chat.Draft{Channel: ch, Sender: h.user(), ClientMsgID: cid(9), Body: "x"})
	wantCode(t, err, chat.CodeNotMember)
	_, err = h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(9), Body: "x", ReplyTo: 6})
	wantCode(t, err, chat.CodeNotFound)
	_, err = h.Append(t.Context(), chat.Draft{Channel: 5, Sender: a, ClientMsgID: cid(9), Body: "x"})
	wantCode(t, err, chat.CodeNotMember)
	h.settledAll()
	ea, eb := h.entry(a, ch), h.entry(b, ch)
	if ea.LastCount-ea.ReadCount != 0 || ea.ReadSeq != 5 || ea.Preview != "안녕" || ea.Peer != b || ea.LastSender != a {
		t.Errorf("the sender's entry: %+v", ea)
	}
	if eb.LastCount-eb.ReadCount != 5 || eb.LastSeq != 5 || eb.Peer != a {
		t.Errorf("the other's entry: %+v", eb)
	}
}

func TestAppendSeveralAllOrNone(t *testing.T) {
	h := newHarness(t, 1)
	a, b, c := h.user(), h.user(), h.user()
	ch := h.channel(a, b, c)
	d := func(n int, u chat.UserID, edit ...func(*chat.Draft)) chat.Draft {
		d := chat.Draft{Channel: ch, Sender: u, ClientMsgID: cid(n), Body: "x"}
		for _, e := range edit {
			e(&d)
		}
		return d
	}
	_, err := h.Append(t.Context(), d(1, a), d(2, h.user()), d(3, b))
	wantCode(t, err, chat.CodeNotMember)
	h.send(ch, b, 2, "x")
	reply := func(n int) func(*chat.Draft) { return func(d *chat.Draft) { d.ReplyToDraft = n } }
	// A known one first, a new one that answers it, the new one again, one that answers the new one.
	rs, err := h.Append(t.Context(), d(2, b), d(4, a, reply(1)), d(4, a, reply(1)), d(5, c, reply(3)))
	if err != nil {
		t.Fatal(err)
	}
	seqs := []chat.Seq{1, 2, 2, 3}
	dups := []bool{true, false, true, false}
	for i, r := range rs {
		if r.Seq != seqs[i] || r.Duplicate != dups[i] {
			t.Errorf("receipt %d: %+v", i, r)
		}
	}
	rows, _ := h.shards()[0].pool().Query(t.Context(), "SELECT coalesce(reply_to, 0) FROM data.messages ORDER BY seq")
	got, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(got) != 3 || got[0] != 0 || got[1] != 1 || got[2] != 2 {
		t.Errorf("answers: %v %v", got, err)
	}
}

func TestThreadsMentionsAndFollowers(t *testing.T) {
	h := newHarness(t, 2)
	a, b, c, d := h.user(), h.user(), h.user(), h.user()
	ch := h.channel(a, b, c, d)
	h.send(ch, a, 1, "root")
	post := func(n int, u chat.UserID, thread chat.Seq, all bool, mentions ...chat.UserID) chat.Receipt {
		t.Helper()
		rs, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: u, ClientMsgID: cid(n), Body: "re", Thread: thread, Mentions: mentions, MentionAll: all})
		if err != nil {
			t.Fatal(err)
		}
		h.settledAll()
		return rs[0]
	}
	if r := post(2, b, 1, false); r.Seq != 2 || r.Count != 1 || r.ThreadCount != 1 {
		t.Fatalf("reply: %+v", r)
	}
	post(3, b, 1, false, c)
	post(4, a, 0, true)
	_, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(9), Body: "x", Thread: 2})
	wantCode(t, err, chat.CodeNotFound)
	type want struct {
		unread         chat.Count
		mentions       int
		thread         chat.Count
		threadMentions int
	}
	for u, w := range map[chat.UserID]want{a: {0, 0, 2, 0}, b: {2, 1, 0, 0}, c: {2, 1, 1, 1}, d: {2, 1, 0, 0}} {
		e := h.entry(u, ch)
		got := want{unread: e.LastCount - e.ReadCount, mentions: e.Mentions}
		for _, th := range e.Threads {
			got.thread, got.threadMentions = th.Unread, th.Mentions
		}
		if got != w {
			t.Errorf("user %v: got %+v, want %+v", u, got, w)
		}
		if e.LastSeq != 4 || e.Preview != "re" || e.LastSender != a {
			t.Errorf("user %v: %+v", u, e)
		}
	}
	// Who answers has read the thread and its mentions.
	post(5, c, 1, false)
	if e := h.entry(c, ch); len(e.Threads) != 0 || e.LastCount-e.ReadCount != 2 {
		t.Errorf("after answering: %+v", e)
	}
}
