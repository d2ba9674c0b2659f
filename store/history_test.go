package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

func seqsOf(p chat.Page) string {
	var seqs []string
	for _, m := range p.Messages {
		seqs = append(seqs, fmt.Sprint(int(m.Seq)))
	}
	out := strings.Join(seqs, " ")
	if p.MoreBefore {
		out = "< " + out
	}
	if p.MoreAfter {
		out += " >"
	}
	return strings.TrimSpace(out)
}

func TestHistoryPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx := t.Context()
	ids := w.people(2)
	id := w.group(ids[0], ids[1]) // seq 1
	for i := range 9 {            // 2 to 10
		w.say(id, ids[i%2], fmt.Sprint(i), func(d *chat.Draft) { d.OrigAt = chat.Millis(1_000_000 * (i + 1)) })
	}
	for range 4 { // 11 to 14
		w.say(id, ids[1], "reply", func(d *chat.Draft) { d.Thread = 3 })
	}
	for _, c := range []struct {
		what string
		q    chat.HistoryQuery
		want string
	}{
		{"newest", chat.HistoryQuery{Limit: 3}, "< 12 13 14"},
		{"all", chat.HistoryQuery{Limit: 20}, "1 2 3 4 5 6 7 8 9 10 11 12 13 14"},
		{"after nothing", chat.HistoryQuery{HasAfter: true, Limit: 2}, "1 2 >"},
		{"after", chat.HistoryQuery{HasAfter: true, After: 3, Limit: 2}, "< 4 5 >"},
		{"after, to the end", chat.HistoryQuery{HasAfter: true, After: 12, Limit: 2}, "< 13 14"},
		{"after the end", chat.HistoryQuery{HasAfter: true, After: 14, Limit: 2}, "<"},
		{"before", chat.HistoryQuery{Before: 4, Limit: 2}, "< 2 3 >"},
		{"before, to the start", chat.HistoryQuery{Before: 3, Limit: 2}, "1 2 >"},
		{"before the start", chat.HistoryQuery{Before: 1, Limit: 2}, ">"},
		{"before far beyond", chat.HistoryQuery{Before: 1000, Limit: 1}, "< 14"},
		{"around", chat.HistoryQuery{Around: 7, Limit: 5}, "< 5 6 7 8 9 >"},
		{"around, even", chat.HistoryQuery{Around: 7, Limit: 4}, "< 5 6 7 8 >"},
		{"around one", chat.HistoryQuery{Around: 7, Limit: 1}, "< 7 >"},
		{"around the start", chat.HistoryQuery{Around: 1, Limit: 4}, "1 2 >"},
		{"around the end", chat.HistoryQuery{Around: 14, Limit: 4}, "< 12 13 14"},
		{"date", chat.HistoryQuery{Date: 4_500_000, Limit: 2}, "< 6 7 >"},
		{"date, exactly", chat.HistoryQuery{Date: 5_000_000, Limit: 2}, "< 6 7 >"},
		{"thread", chat.HistoryQuery{Thread: 3, Limit: 2}, "< 13 14"},
		{"thread, after", chat.HistoryQuery{Thread: 3, HasAfter: true, Limit: 3}, "11 12 13 >"},
		{"thread, before", chat.HistoryQuery{Thread: 3, Before: 13, Limit: 1}, "< 12 >"},
		{"no such thread", chat.HistoryQuery{Thread: 4}, ""},
	} {
		c.q.Channel, c.q.Viewer = id, ids[0]
		p, err := w.History(ctx, c.q)
		if err != nil || p.LastSeq != 14 {
			t.Fatalf("%s: %+v, %v", c.what, p, err)
		}
		if got := seqsOf(p); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	p := sure(w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: ids[0], HasAfter: true}))
	if m := p.Messages[2]; m.Replies == nil || m.Replies.Count != 4 || m.Replies.LastSeq != 14 {
		t.Fatalf("the root's summary: %+v", m.Replies)
	}
	if m := p.Messages[0]; m.System == nil || m.System.Event != chat.EventCreated || m.System.Users[0] != ids[1] || m.Kind != chat.KindSystem {
		t.Fatalf("the first message: %+v", m)
	}
	if m := p.Messages[13]; m.Thread != 3 || m.ThreadCount != 4 || m.Count != 9 {
		t.Fatalf("the last reply: %+v", m)
	}
	_, err := w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: 4711})
	wantCode(t, err, chat.CodeNotMember)
	_, err = w.History(ctx, chat.HistoryQuery{Channel: 4711, Viewer: ids[0]})
	wantCode(t, err, chat.CodeNotMember)
}

// The dates of a live channel are those of storing; imported ones are their own.
func TestHistoryByDateOfStoring(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ids := w.people(2)
	id := w.group(ids[0], ids[1])
	var at [20]chat.Millis
	for i := range at {
		at[i] = w.say(id, ids[0], "x").At
		_ = nap(t.Context(), 2*time.Millisecond)
	}
	for i, date := range at {
		p := sure(w.History(t.Context(), chat.HistoryQuery{Channel: id, Viewer: ids[1], Date: date, Limit: 1}))
		if p.Messages[0].Seq != chat.Seq(i+2) {
			t.Fatalf("from %d: seq %d, want %d", date, p.Messages[0].Seq, i+2)
		}
	}
	p := sure(w.History(t.Context(), chat.HistoryQuery{Channel: id, Viewer: ids[1], Date: at[19] + 1000}))
	if got := seqsOf(p); got != "<" {
		t.Fatalf("after the last: %q", got)
	}
}

func TestHistoryIsCutByBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx := t.Context()
	ids := w.people(2)
	id := w.group(ids[0], ids[1])
	for range 5 { // 300,000 bytes each
		w.say(id, ids[0], strings.Repeat("가", chat.MaxBodyChars))
	}
	for what, q := range map[string]chat.HistoryQuery{
		"< 4 5 6":   {},
		"1 2 3 4 >": {HasAfter: true},
		"< 3 4 5 >": {HasAfter: true, After: 2},
		"< 2 3 4 >": {Before: 5},
	} {
		q.Channel, q.Viewer, q.Limit = id, ids[1], 100
		if q.HasAfter && q.After == 2 || q.Before == 5 {
			q.Limit = 3
		}
		if got := seqsOf(sure(w.History(ctx, q))); got != what {
			t.Errorf("%q, want %q", got, what)
		}
	}
}

func (w *world) alter(a chat.Alteration) (chat.Altered, error) {
	if a.Now.IsZero() {
		a.Now = w.now()
	}
	return w.Alter(context.Background(), a)
}

func TestAlterations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(4)
	owner, author, other := ids[0], ids[1], ids[2]
	id := w.group(owner, author, other)
	m := w.say(id, author, "처음", func(d *chat.Draft) { d.Mentions = []chat.UserID{other} })
	edit := chat.Alteration{Kind: chat.AlterEdit, Channel: id, Seq: m.Seq, Actor: author, Body: "나중"}

	out, err := w.alter(edit)
	if err != nil || !out.Applied || out.Message.Change != 1 || out.Message.Body != "나중" || out.Message.EditedAt == 0 || out.Message.Mentions != nil {
		t.Fatalf("edited: %+v, %v", out, err)
	}
	if out, err = w.alter(edit); err != nil || out.Applied || out.Message.Change != 1 {
		t.Fatalf("edited again: %+v, %v", out, err)
	}
	edit.Actor = other
	_, err = w.alter(edit)
	wantCode(t, err, chat.CodeForbidden)
	edit.Actor, edit.Seq = author, 99
	_, err = w.alter(edit)
	wantCode(t, err, chat.CodeNotFound)
	edit.Seq = 1
	_, err = w.alter(edit)
	wantCode(t, err, chat.CodeForbidden) // a system message
	edit.Actor, edit.Seq = ids[3], m.Seq
	_, err = w.alter(edit)
	wantCode(t, err, chat.CodeNotMember)

	react := chat.Alteration{Kind: chat.AlterReact, Channel: id, Seq: m.Seq, Actor: other, Emoji: "👍"}
	for i, want := range []bool{true, false} {
		if out, err = w.alter(react); err != nil || out.Applied != want {
			t.Fatalf("reaction %d: %+v, %v", i, out, err)
		}
	}
	react.Actor = owner
	if out, err = w.alter(react); err != nil || len(out.Message.Reactions) != 1 || len(out.Message.Reactions[0].Users) != 2 || out.Message.Change != 3 {
		t.Fatalf("two reactions: %+v, %v", out, err)
	}
	for i := range chat.MaxReactionKinds {
		react.Emoji = fmt.Sprint("e", i)
		_, err = w.alter(react)
	}
	wantCode(t, err, chat.CodeTooLong)
	react.Emoji = "👍"
	unreact := react
	unreact.Kind = chat.AlterUnreact
	for i, want := range []bool{true, false} {
		if out, err = w.alter(unreact); err != nil || out.Applied != want {
			t.Fatalf("reaction taken back %d: %+v, %v", i, out, err)
		}
	}
	before := out.Message.Change

	del := chat.Alteration{Kind: chat.AlterDelete, Channel: id, Seq: m.Seq, Actor: other}
	_, err = w.alter(del)
	wantCode(t, err, chat.CodeForbidden)
	del.Actor, del.Now = author, w.now().Add(chat.DeleteWindow+time.Minute)
	_, err = w.alter(del)
	wantCode(t, err, chat.CodeTooLate)
	del.Actor = owner
	for i, want := range []bool{true, false} {
		if out, err = w.alter(del); err != nil || out.Applied != want || !out.Message.Deleted || out.Message.Body != "" ||
			out.Message.Reactions != nil || out.Message.EditedAt != 0 || out.Message.Change != before+1 {
			t.Fatalf("deleted %d: %+v, %v", i, out, err)
		}
	}
	// A late edit brings nothing back, and nothing is put on what is gone.
	edit.Actor, edit.Seq = author, m.Seq
	_, err = w.alter(edit)
	wantCode(t, err, chat.CodeDeleted)
	_, err = w.alter(react)
	wantCode(t, err, chat.CodeDeleted)
	// The same send again is still known as that send.
	w.quiet()
	if e, _ := w.entry(other, id); e.LastChange != before+1 || e.Preview != "" {
		t.Fatalf("the inbox did not follow: %+v", e)
	}

	n := w.say(id, author, "second")
	if _, err := w.alter(chat.Alteration{Kind: chat.AlterReact, Channel: id, Seq: n.Seq, Actor: other, Emoji: "❤"}); err != nil {
		t.Fatal(err)
	}
	p := sure(w.Changes(ctx, chat.ChangesQuery{Channel: id, Viewer: other, UpTo: 99, Limit: 1}))
	if len(p.Messages) != 1 || p.Messages[0].Seq != m.Seq || !p.MoreAfter || p.LastChange != before+2 {
		t.Fatalf("changes: %+v", p)
	}
	p = sure(w.Changes(ctx, chat.ChangesQuery{Channel: id, Viewer: other, After: p.Messages[0].Change, UpTo: 99}))
	if len(p.Messages) != 1 || p.Messages[0].Seq != n.Seq || len(p.Messages[0].Reactions) != 1 || p.MoreAfter {
		t.Fatalf("changes: %+v", p)
	}
	if p = sure(w.Changes(ctx, chat.ChangesQuery{Channel: id, Viewer: other, UpTo: m.Seq - 1})); len(p.Messages) != 0 || p.LastChange != before+2 {
		t.Fatalf("changes of what the device does not have: %+v", p)
	}
}

// In a direct channel nobody deletes the other's messages.
func TestDeletingInADirectChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ids := w.people(2)
	id := sure(w.OpenDirect(t.Context(), ids[0], ids[1])).ID
	m := w.say(id, ids[0], "mine")
	_, err := w.alter(chat.Alteration{Kind: chat.AlterDelete, Channel: id, Seq: m.Seq, Actor: ids[1]})
	wantCode(t, err, chat.CodeForbidden)
	if out, err := w.alter(chat.Alteration{Kind: chat.AlterDelete, Channel: id, Seq: m.Seq, Actor: ids[0]}); err != nil || !out.Applied {
		t.Fatal(err)
	}
}
