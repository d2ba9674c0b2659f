package chattest

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"gori/chat"
)

func appendOrder(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	first := b.all(ch, u[0])
	if len(first) != 1 || first[0].Seq != 1 || first[0].Count != 0 || first[0].Kind != chat.KindSystem || first[0].System.Event != chat.EventCreated {
		b.Fatalf("a new group begins with %+v, want one system message of event created, seq 1, n 0", first)
	}
	for i := range 5 {
		r := b.say(ch, u[i%2], fmt.Sprint(i))
		want(b, "seq", r.Seq, chat.Seq(i+2))
		want(b, "n", r.Count, chat.Count(i+1))
		want(b, "dup", r.Duplicate, false)
	}
	batch := []chat.Draft{b.draft(ch, u[0], "x"), b.draft(ch, u[1], "y"), b.draft(ch, u[0], "z")}
	for i, r := range b.append(batch...) {
		want(b, "seq in a batch", r.Seq, chat.Seq(7+i))
		want(b, "n in a batch", r.Count, chat.Count(6+i))
	}
	for i, m := range b.all(ch, u[1]) {
		want(b, "seq in history", m.Seq, chat.Seq(i+1))
	}
}

func appendConcurrent(b *bench) {
	const senders, each = 6, 10
	names := make([]string, senders)
	for i := range names {
		names[i] = fmt.Sprintf("s%d", i)
	}
	u := b.users(names...)
	ch := b.group(u[0], u[1:]...)
	drafts := make([][]chat.Draft, senders)
	for i := range drafts {
		for k := range each {
			drafts[i] = append(drafts[i], b.draft(ch, u[i], fmt.Sprintf("%d-%d", i, k)))
		}
	}
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			last := chat.Seq(0)
			for _, d := range drafts[i] {
				r, err := b.Log.Append(b.ctx, d)
				if err != nil {
					b.Error(err)
					return
				}
				if r[0].Seq <= last {
					b.Errorf("seq %d after %d of the same sender", r[0].Seq, last)
				}
				last = r[0].Seq
			}
		})
	}
	wg.Wait()
	all := b.all(ch, u[0])
	want(b, "messages", len(all), senders*each+1)
	next := make([]int, senders)
	for i, m := range all {
		want(b, "seq", m.Seq, chat.Seq(i+1))
		want(b, "n", m.Count, chat.Count(i))
		if i == 0 {
			continue
		}
		s := slices.Index(u, m.Sender)
		want(b, "body", m.Body, fmt.Sprintf("%d-%d", s, next[s]))
		next[s]++
	}
}

func appendDuplicate(b *bench) {
	u := b.users("a", "b", "c")
	ch := b.group(u[0], u[1], u[2])
	d := b.draft(ch, u[1], "once")
	d.Mentions = []chat.UserID{u[0]}
	first := b.append(d)[0]
	b.say(ch, u[0], "between")
	again := b.append(d)[0]
	want(b, "dup", again.Duplicate, true)
	want(b, "seq of the duplicate", again.Seq, first.Seq)
	want(b, "n of the duplicate", again.Count, first.Count)
	want(b, "time of the duplicate", again.At, first.At)
	// The same id of another sender is another message.
	other := d
	other.Sender = u[0]
	want(b, "dup of another sender", b.append(other)[0].Duplicate, false)
	// Known and new ones in one call, and one twice in a call.
	fresh := b.draft(ch, u[1], "fresh")
	mixed := b.append(d, fresh)
	want(b, "dup first in a mixed call", mixed[0].Duplicate, true)
	want(b, "dup second in a mixed call", mixed[1].Duplicate, false)
	n := len(b.all(ch, u[0]))
	b.append(d, fresh)
	want(b, "messages after repeating", len(b.all(ch, u[0])), n)
	// An edit, a delete and leaving the group change nothing about it.
	_, err := b.Log.Alter(b.ctx, b.alteration(chat.AlterDelete, ch, first.Seq, u[1]))
	b.must(err)
	_, err = b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernLeave, Channel: ch, Actor: u[1]})
	b.must(err)
	again = b.append(d)[0]
	want(b, "seq after all that", again.Seq, first.Seq)
	want(b, "dup after all that", again.Duplicate, true)
}

func appendReused(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	d := b.draft(ch, u[0], "one")
	b.append(d)
	for what, change := range map[string]func(*chat.Draft){
		"body":        func(d *chat.Draft) { d.Body = "two" },
		"mentions":    func(d *chat.Draft) { d.Mentions = []chat.UserID{u[1]} },
		"reply":       func(d *chat.Draft) { d.ReplyTo = 1 },
		"mention all": func(d *chat.Draft) { d.MentionAll = true },
		"thread":      func(d *chat.Draft) { d.Thread = 2 },
	} {
		other := d
		change(&other)
		if _, err := b.Log.Append(b.ctx, other); chat.CodeOf(err) != chat.CodeIDReused {
			b.Errorf("the same id with another %s: %v, want %s", what, err, chat.CodeIDReused)
		}
	}
	want(b, "messages", len(b.all(ch, u[0])), 2)
}

func appendAllOrNone(b *bench) {
	u := b.users("a", "b", "outsider")
	ch := b.group(u[0], u[1])
	old := b.draft(ch, u[0], "old")
	b.append(old)
	old.Body = "changed"
	for _, bad := range []chat.Draft{b.draft(ch, u[2], "not a member"), old} {
		_, err := b.Log.Append(b.ctx, b.draft(ch, u[0], "good"), bad, b.draft(ch, u[1], "good too"))
		if err == nil {
			b.Fatal("a call with a bad draft succeeded")
		}
	}
	want(b, "messages", len(b.all(ch, u[0])), 2)
	want(b, "next seq", b.say(ch, u[0], "next").Seq, 3)
}

func appendReplyToDraft(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	first, second, third := b.draft(ch, u[0], "1"), b.draft(ch, u[1], "2"), b.draft(ch, u[0], "3")
	first.OrigAt, second.OrigAt, third.OrigAt = 1000, 2000, 3000
	second.ReplyToDraft = 1
	third.ReplyToDraft = 2
	r := b.append(first, second, third)
	all := b.all(ch, u[0])
	want(b, "what the second answers", all[2].ReplyTo, r[0].Seq)
	want(b, "what the third answers", all[3].ReplyTo, r[1].Seq)
	want(b, "orig_at", all[3].OrigAt, 3000)
	for i, again := range b.append(first, second, third) {
		want(b, "dup", again.Duplicate, true)
		want(b, "seq", again.Seq, r[i].Seq)
	}
	fourth := b.draft(ch, u[1], "4")
	fourth.OrigAt, fourth.ReplyToDraft = 4000, 1
	b.append(first, fourth)
	want(b, "what the fourth answers", b.all(ch, u[0])[4].ReplyTo, r[0].Seq)
}

func appendMembers(b *bench) {
	u := b.users("a", "b", "outsider")
	ch := b.group(u[0], u[1])
	_, err := b.Log.Append(b.ctx, b.draft(ch, u[2], "hello"))
	b.wantCode(err, chat.CodeNotMember)
	_, err = b.Log.Append(b.ctx, b.draft(ch+1, u[0], "nowhere"))
	b.wantCode(err, chat.CodeNotMember)
	_, err = b.Log.History(b.ctx, chat.HistoryQuery{Channel: ch, Viewer: u[2], Limit: 1})
	b.wantCode(err, chat.CodeNotMember)
	_, err = b.Log.Changes(b.ctx, chat.ChangesQuery{Channel: ch, Viewer: u[2], Limit: 1})
	b.wantCode(err, chat.CodeNotMember)
	_, err = b.Log.Alter(b.ctx, b.alteration(chat.AlterReact, ch, 1, u[2]))
	b.wantCode(err, chat.CodeNotMember)
}

func appendNoSuch(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	d := b.draft(ch, u[0], "answer")
	d.ReplyTo = 99
	_, err := b.Log.Append(b.ctx, d)
	b.wantCode(err, chat.CodeNotFound)
	d.ReplyTo, d.Thread = 0, 99
	_, err = b.Log.Append(b.ctx, d)
	b.wantCode(err, chat.CodeNotFound)
	root := b.say(ch, u[0], "root")
	d.Thread = root.Seq
	reply := b.append(d)[0]
	deeper := b.draft(ch, u[1], "a thread in a thread")
	deeper.Thread = reply.Seq
	_, err = b.Log.Append(b.ctx, deeper)
	b.wantCode(err, chat.CodeNotFound)
}

func appendRoundTrip(b *bench) {
	u := b.users("a", "b", "c")
	ch := b.group(u[0], u[1], u[2])
	root := b.say(ch, u[0], "뿌리")
	d := b.draft(ch, u[1], "한글 emoji 👩‍👩‍👧 \"quotes\" \\ \t\n</script> \u2028 "+strings.Repeat("가", 2000))
	d.ReplyTo, d.Mentions, d.MentionAll, d.OrigAt = root.Seq, []chat.UserID{u[0], u[2]}, true, 1234567890123
	r := b.append(d)[0]
	all := b.all(ch, u[2])
	got, expect := all[2], chat.MessageOf(d, r)
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", expect) {
		b.Fatalf("read   %+v\nstored %+v", got, expect)
	}
	in := b.draft(ch, u[1], "in a thread")
	in.Thread = root.Seq
	tr := b.append(in)[0]
	want(b, "thread_n", tr.ThreadCount, 1)
	want(b, "n of a reply", tr.Count, r.Count)
	all = b.all(ch, u[2])
	if all[1].Replies == nil || *all[1].Replies != (chat.Replies{Count: 1, LastSeq: tr.Seq, LastAt: tr.At}) {
		b.Fatalf("replies of the root are %+v", all[1].Replies)
	}
	if fmt.Sprintf("%+v", all[3]) != fmt.Sprintf("%+v", chat.MessageOf(in, tr)) {
		b.Fatalf("read %+v", all[3])
	}
}
