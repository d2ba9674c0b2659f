package chattest

import (
	"fmt"
	"strings"
	"time"

	"gori/chat"
)

func (b *bench) alteration(kind chat.AlterKind, ch chat.ChannelID, seq chat.Seq, actor chat.UserID) chat.Alteration {
	return chat.Alteration{Kind: kind, Channel: ch, Seq: seq, Actor: actor, Body: "edited", Emoji: "👍", Now: time.Now()}
}

func (b *bench) alter(a chat.Alteration) chat.Altered {
	b.Helper()
	res, err := b.Log.Alter(b.ctx, a)
	b.must(err)
	return res
}

func alterEdit(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	seq := b.say(ch, u[1], "first").Seq
	edit := b.alteration(chat.AlterEdit, ch, seq, u[1])
	edit.Mentions = []chat.UserID{u[0]}
	res := b.alter(edit)
	want(b, "applied", res.Applied, true)
	want(b, "change", res.Message.Change, 1)
	want(b, "body", res.Message.Body, "edited")
	if res.Message.EditedAt == 0 || len(res.Message.Mentions) != 1 {
		b.Fatalf("edited message is %+v", res.Message)
	}
	again := b.alter(edit)
	want(b, "applied again", again.Applied, false)
	want(b, "change again", again.Message.Change, 1)
	_, err := b.Log.Alter(b.ctx, b.alteration(chat.AlterEdit, ch, seq, u[0]))
	b.wantCode(err, chat.CodeForbidden)
	_, err = b.Log.Alter(b.ctx, b.alteration(chat.AlterEdit, ch, 99, u[0]))
	b.wantCode(err, chat.CodeNotFound)
	_, err = b.Log.Alter(b.ctx, b.alteration(chat.AlterEdit, ch, 1, u[0]))
	b.wantCode(err, chat.CodeForbidden) // the system message
	want(b, "body in history", b.all(ch, u[0])[1].Body, "edited")
}

func alterDelete(b *bench) {
	u := b.users("owner", "b", "c")
	ch := b.group(u[0], u[1], u[2])
	seq := b.say(ch, u[1], "secret").Seq
	b.alter(b.alteration(chat.AlterReact, ch, seq, u[2]))
	_, err := b.Log.Alter(b.ctx, b.alteration(chat.AlterDelete, ch, seq, u[2]))
	b.wantCode(err, chat.CodeForbidden)
	late := b.alteration(chat.AlterDelete, ch, seq, u[1])
	late.Now = time.Now().Add(chat.DeleteWindow + time.Hour)
	_, err = b.Log.Alter(b.ctx, late)
	b.wantCode(err, chat.CodeTooLate)
	res := b.alter(b.alteration(chat.AlterDelete, ch, seq, u[1]))
	want(b, "applied", res.Applied, true)
	want(b, "change", res.Message.Change, 2)
	if m := res.Message; !m.Deleted || m.Body != "" || len(m.Mentions) != 0 {
		b.Fatalf("deleted message is %+v", m)
	}
	again := b.alter(b.alteration(chat.AlterDelete, ch, seq, u[1]))
	want(b, "applied again", again.Applied, false)
	_, err = b.Log.Alter(b.ctx, b.alteration(chat.AlterEdit, ch, seq, u[1]))
	b.wantCode(err, chat.CodeDeleted) // a late edit brings nothing back
	_, err = b.Log.Alter(b.ctx, b.alteration(chat.AlterReact, ch, seq, u[1]))
	b.wantCode(err, chat.CodeDeleted)
	for _, m := range b.all(ch, u[2]) {
		if strings.Contains(fmt.Sprintf("%+v", m), "secret") {
			b.Fatal("the deleted body is still there")
		}
	}
	other := b.say(ch, u[2], "for the owner").Seq
	want(b, "applied by the owner", b.alter(b.alteration(chat.AlterDelete, ch, other, u[0])).Applied, true)
}

func alterReact(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	seq := b.say(ch, u[0], "hi").Seq
	up, down := b.alteration(chat.AlterReact, ch, seq, u[1]), b.alteration(chat.AlterUnreact, ch, seq, u[1])
	want(b, "unreact before", b.alter(down).Applied, false)
	want(b, "react", b.alter(up).Applied, true)
	want(b, "react again", b.alter(up).Applied, false)
	other := up
	other.Actor = u[0]
	res := b.alter(other)
	if r := res.Message.Reactions; len(r) != 1 || r[0].Emoji != "👍" || len(r[0].Users) != 2 || r[0].Users[0] != u[1] {
		b.Fatalf("reactions are %+v, want one with b and a in order of arrival", r)
	}
	want(b, "unreact", b.alter(down).Applied, true)
	want(b, "change", b.all(ch, u[0])[1].Change, 3)
	for i := range chat.MaxReactionKinds - 1 {
		other.Emoji = fmt.Sprintf("e%d", i)
		b.alter(other)
	}
	other.Emoji = "one too many"
	_, err := b.Log.Alter(b.ctx, other)
	b.wantCode(err, chat.CodeTooLong)
	other.Emoji = "👍"
	other.Actor = u[1]
	want(b, "a known one when full", b.alter(other).Applied, true)
}

func changes(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	var seqs []chat.Seq
	for i := range 6 {
		seqs = append(seqs, b.say(ch, u[0], fmt.Sprint(i)).Seq)
	}
	edit := func(i int, body string) {
		a := b.alteration(chat.AlterEdit, ch, seqs[i], u[0])
		a.Body = body
		b.alter(a)
	}
	edit(0, "x")
	edit(1, "y")
	edit(0, "z")
	edit(4, "w")
	read := func(after chat.Change, upTo chat.Seq, limit int) chat.Page {
		p, err := b.Log.Changes(b.ctx, chat.ChangesQuery{Channel: ch, Viewer: u[1], After: after, UpTo: upTo, Limit: limit})
		b.must(err)
		return p
	}
	show := func(p chat.Page) string {
		var s []string
		for _, m := range p.Messages {
			s = append(s, fmt.Sprintf("%d:%s@%d", m.Seq, m.Body, m.Change))
		}
		return fmt.Sprintf("%s more=%t last=%d", strings.Join(s, " "), p.MoreAfter, p.LastChange)
	}
	for _, c := range []struct {
		after chat.Change
		upTo  chat.Seq
		limit int
		want  string
	}{
		{0, 99, 10, "3:y@2 2:z@3 6:w@4 more=false last=4"},
		{2, 99, 10, "2:z@3 6:w@4 more=false last=4"},
		{0, 5, 10, "3:y@2 2:z@3 more=false last=4"},
		{0, 99, 2, "3:y@2 2:z@3 more=true last=4"},
		{3, 99, 2, "6:w@4 more=false last=4"},
		{4, 99, 2, " more=false last=4"},
	} {
		want(b, fmt.Sprintf("changes after %d up to %d limit %d", c.after, c.upTo, c.limit), show(read(c.after, c.upTo, c.limit)), c.want)
	}
	e := b.settled(u[1], ch)
	want(b, "last_change of the inbox", e.LastChange, 4)
}

func historyPages(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	for i := range 9 {
		b.say(ch, u[i%2], fmt.Sprint(i)) // seqs 2 to 10
	}
	in := b.draft(ch, u[0], "reply") // seq 11
	in.Thread = 3
	b.append(in)
	read := func(q chat.HistoryQuery) string {
		q.Channel, q.Viewer = ch, u[1]
		p, err := b.Log.History(b.ctx, q)
		b.must(err)
		want(b, "last_seq", p.LastSeq, 11)
		var s []string
		for _, m := range p.Messages {
			s = append(s, fmt.Sprint(m.Seq))
		}
		return fmt.Sprintf("%s before=%t after=%t", strings.Join(s, " "), p.MoreBefore, p.MoreAfter)
	}
	for name, c := range map[string]struct {
		q    chat.HistoryQuery
		want string
	}{
		"newest":         {chat.HistoryQuery{Limit: 3}, "9 10 11 before=true after=false"},
		"all":            {chat.HistoryQuery{Limit: 50}, "1 2 3 4 5 6 7 8 9 10 11 before=false after=false"},
		"after":          {chat.HistoryQuery{HasAfter: true, After: 4, Limit: 3}, "5 6 7 before=true after=true"},
		"after 0":        {chat.HistoryQuery{HasAfter: true, Limit: 2}, "1 2 before=false after=true"},
		"after the last": {chat.HistoryQuery{HasAfter: true, After: 11, Limit: 2}, " before=true after=false"},
		"before":         {chat.HistoryQuery{Before: 4, Limit: 2}, "2 3 before=true after=true"},
		"before 2":       {chat.HistoryQuery{Before: 2, Limit: 5}, "1 before=false after=true"},
		"around":         {chat.HistoryQuery{Around: 6, Limit: 4}, "4 5 6 7 before=true after=true"},
		"date long ago":  {chat.HistoryQuery{Date: 1, Limit: 2}, "1 2 before=false after=true"},
		"thread":         {chat.HistoryQuery{Thread: 3, Limit: 5}, "11 before=false after=false"},
		"empty thread":   {chat.HistoryQuery{Thread: 4, Limit: 5}, " before=false after=false"},
	} {
		if got := read(c.q); got != c.want {
			b.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func historyBytes(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	big := strings.Repeat("x", 300_000)
	for range 6 {
		b.say(ch, u[0], big)
	}
	p, err := b.Log.History(b.ctx, chat.HistoryQuery{Channel: ch, Viewer: u[1], Limit: 50})
	b.must(err)
	if n := len(p.Messages); n == 0 || n > 4 || !p.MoreBefore || p.Messages[n-1].Seq != 7 {
		b.Fatalf("newest page has %d messages, more before %t", n, p.MoreBefore)
	}
	p, err = b.Log.History(b.ctx, chat.HistoryQuery{Channel: ch, Viewer: u[1], HasAfter: true, Limit: 50})
	b.must(err)
	if n := len(p.Messages); n == 0 || n > 5 || !p.MoreAfter || p.Messages[0].Seq != 1 {
		b.Fatalf("first page has %d messages, more after %t", n, p.MoreAfter)
	}
	want(b, "messages in all pages", len(b.all(ch, u[1])), 7)
}
