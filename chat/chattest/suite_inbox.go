package chattest

import (
	"fmt"
	"reflect"
	"strings"

	"gori/chat"
)

func inboxPages(b *bench) {
	u := b.users("a", "b")
	var chans []chat.ChannelID
	for range 5 {
		ch := b.group(u[0], u[1])
		b.say(ch, u[0], "hello")
		b.settled(u[1], ch)
		chans = append(chans, ch)
	}
	page, err := b.Inboxes.Inbox(b.ctx, u[1], 0, 2)
	b.must(err)
	if len(page.Entries) != 2 || !page.More || page.Pos != page.Entries[1].Pos || page.Entries[0].Pos >= page.Entries[1].Pos {
		b.Fatalf("first page is %+v", page)
	}
	_, err = b.Contacts.Befriend(b.ctx, u[1], u[0])
	b.must(err)
	friends, err := b.Contacts.Friends(b.ctx, u[1])
	b.must(err)
	page, err = b.Inboxes.Inbox(b.ctx, u[1], 0, 2) // the friend has moved its head
	b.must(err)
	home, err := b.Inboxes.Home(b.ctx, u[1], 0, 2)
	b.must(err)
	if home.Self.ID != u[1] || len(friends) != 1 || !reflect.DeepEqual(home.Friends, friends) || !reflect.DeepEqual(home.Inbox, page) {
		b.Fatalf("home is %+v, not %+v and %+v", home, page, friends)
	}
	if _, err := b.Inboxes.Home(b.ctx, 4711, 0, 2); chat.CodeOf(err) != chat.CodeNotFound {
		b.Fatalf("the home of nobody: %v", err)
	}
	seen := 0
	after := chat.Pos(0)
	for {
		page, err = b.Inboxes.Inbox(b.ctx, u[1], after, 2)
		b.must(err)
		for _, e := range page.Entries {
			if e.Pos <= after {
				b.Fatalf("pos %d after %d", e.Pos, after)
			}
		}
		seen += len(page.Entries)
		after = page.Pos
		if !page.More {
			break
		}
	}
	want(b, "entries in all pages", seen, 5)
	page, err = b.Inboxes.Inbox(b.ctx, u[1], after, 500)
	b.must(err)
	want(b, "entries after the last pos", len(page.Entries), 0)
	want(b, "pos does not go back", page.Pos >= after, true)
	b.say(chans[2], u[0], "again")
	b.settled(u[1], chans[2])
	page, err = b.Inboxes.Inbox(b.ctx, u[1], after, 500)
	b.must(err)
	if len(page.Entries) != 1 || page.Entries[0].Channel != chans[2] || page.Pos <= after {
		b.Fatalf("after one more message: %+v", page)
	}
}

func unread(b *bench) {
	u := b.users("a", "b", "late")
	ch := b.group(u[0], u[1])
	want(b, "unread of a new group", unreadOf(b.settled(u[1], ch)), 0)
	b.say(ch, u[0], "1")
	b.say(ch, u[0], "2")
	third := b.say(ch, u[0], "3")
	want(b, "unread of the writer", unreadOf(b.settled(u[0], ch)), 0)
	want(b, "unread of the reader", unreadOf(b.settled(u[1], ch)), 3)
	b.govern(chat.Governance{Kind: chat.GovernAdd, Channel: ch, Actor: u[0], Users: u[2:]})
	want(b, "system messages do not count", unreadOf(b.settled(u[1], ch)), 3)
	want(b, "unread of a newcomer", unreadOf(b.settled(u[2], ch)), 0)
	e, moved, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: u[1], Channel: ch, Seq: third.Seq - 1})
	b.must(err)
	want(b, "moved", moved, true)
	want(b, "unread after reading two", unreadOf(e), 1)
	b.say(ch, u[1], "4")
	want(b, "writing reads all before", unreadOf(b.settled(u[1], ch)), 0)
	want(b, "unread of the first writer", unreadOf(b.settled(u[0], ch)), 1)
	want(b, "unread of the newcomer", unreadOf(b.settled(u[2], ch)), 1)
	b.alter(b.alteration(chat.AlterDelete, ch, third.Seq, u[0]))
	want(b, "a deleted one keeps its count", unreadOf(b.settled(u[0], ch)), 1)
	// The read mark reaches the members' list.
	b.eventually(func() string {
		members, err := b.Directory.Members(b.ctx, u[0], ch)
		b.must(err)
		for _, m := range members {
			if m.User == u[1] && m.ReadSeq != b.entry(u[1], ch).ReadSeq {
				return fmt.Sprintf("member's read_seq is %d, the inbox says %d", m.ReadSeq, b.entry(u[1], ch).ReadSeq)
			}
		}
		return ""
	})
}

func mentions(b *bench) {
	u := b.users("a", "b", "c")
	ch := b.group(u[0], u[1], u[2])
	d := b.draft(ch, u[0], "@b")
	d.Mentions = []chat.UserID{u[1]}
	first := b.append(d)[0]
	d = b.draft(ch, u[0], "@all")
	d.MentionAll = true
	b.append(d)
	b.say(ch, u[0], "nobody")
	want(b, "mentions of b", b.settled(u[1], ch).Mentions, 2)
	want(b, "mentions of c", b.settled(u[2], ch).Mentions, 1)
	want(b, "mentions of the writer", b.settled(u[0], ch).Mentions, 0)
	e, _, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: u[1], Channel: ch, Seq: first.Seq})
	b.must(err)
	want(b, "mentions after reading the first", e.Mentions, 1)
	want(b, "mentions read again", b.entry(u[1], ch).Mentions, 1)
	b.say(ch, u[1], "answer")
	want(b, "mentions after writing", b.settled(u[1], ch).Mentions, 0)
}

func (b *bench) reply(ch chat.ChannelID, root chat.Seq, from chat.UserID, mentions ...chat.UserID) chat.Receipt {
	b.Helper()
	d := b.draft(ch, from, "reply")
	d.Thread, d.Mentions = root, mentions
	return b.append(d)[0]
}

// threadOf is what an entry says of one thread.
func threadOf(e chat.InboxEntry, root chat.Seq) chat.ThreadUnread {
	for _, t := range e.Threads {
		if t.Root == root {
			return t
		}
	}
	return chat.ThreadUnread{Root: root}
}

func threads(b *bench) {
	u := b.users("author", "b", "c", "d")
	ch := b.group(u[0], u[1], u[2], u[3])
	root := b.say(ch, u[0], "root").Seq
	want(b, "thread_n", b.reply(ch, root, u[1]).ThreadCount, 1)
	second := b.reply(ch, root, u[1], u[2])
	want(b, "thread_n", second.ThreadCount, 2)
	for i, n := range []chat.ThreadUnread{{Root: root, Unread: 2}, {Root: root}, {Root: root, Unread: 1, Mentions: 1}, {Root: root}} {
		want(b, fmt.Sprintf("thread of user %d", i), threadOf(b.settled(u[i], ch), root), n)
	}
	e := b.settled(u[2], ch)
	want(b, "replies do not count in the channel", unreadOf(e), 1)
	want(b, "nor do their mentions", e.Mentions, 0)
	e, moved, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: u[0], Channel: ch, Thread: root, Seq: second.Seq - 1})
	b.must(err)
	want(b, "moved", moved, true)
	want(b, "after reading one", threadOf(e, root).Unread, 1)
	b.reply(ch, root, u[0])
	want(b, "answering reads all before", threadOf(b.settled(u[0], ch), root).Unread, 0)
	want(b, "of who replied", threadOf(b.settled(u[1], ch), root).Unread, 1)
	want(b, "of who was mentioned", threadOf(b.settled(u[2], ch), root), chat.ThreadUnread{Root: root, Unread: 2, Mentions: 1})
	e, _, err = b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: u[2], Channel: ch, Thread: root, Seq: 1 << 40})
	b.must(err)
	want(b, "after reading all", threadOf(e, root), chat.ThreadUnread{Root: root})
	want(b, "the channel is still unread", unreadOf(e), 1)
}

func markRead(b *bench) {
	u := b.users("a", "b", "outsider")
	ch := b.group(u[0], u[1])
	b.say(ch, u[0], "1")
	last := b.say(ch, u[0], "2")
	b.settled(u[1], ch)
	mark := func(seq chat.Seq) (chat.InboxEntry, bool) {
		e, moved, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: u[1], Channel: ch, Seq: seq})
		b.must(err)
		return e, moved
	}
	e, moved := mark(1 << 40)
	want(b, "read_seq beyond the end", e.ReadSeq, last.Seq)
	want(b, "moved", moved, true)
	e, moved = mark(1)
	want(b, "read_seq after going back", e.ReadSeq, last.Seq)
	want(b, "moved back", moved, false)
	pos := b.entry(u[1], ch).Pos
	_, moved = mark(last.Seq)
	want(b, "moved to where it is", moved, false)
	want(b, "pos when nothing moves", b.entry(u[1], ch).Pos, pos)
	_, _, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: u[2], Channel: ch, Seq: 1})
	b.wantCode(err, chat.CodeNotMember)
}

func previews(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	made := b.settled(u[1], ch)
	want(b, "kind of a new group's preview", made.PreviewKind, chat.KindSystem)
	want(b, "preview of a new group", made.Preview, chat.System{Event: chat.EventCreated, Actor: u[0], Users: u[1:], Text: made.Name}.Preview())
	body := strings.Repeat("가나다 ", 100)
	b.say(ch, u[0], body)
	e := b.settled(u[1], ch)
	want(b, "preview", e.Preview, chat.Preview(body))
	want(b, "sender", e.LastSender, u[0])
	last := b.say(ch, u[1], "last")
	want(b, "preview", b.settled(u[0], ch).Preview, "last")
	b.reply(ch, last.Seq, u[0])
	want(b, "preview after a reply in a thread", b.settled(u[1], ch).Preview, "last")
	b.alter(b.alteration(chat.AlterEdit, ch, last.Seq, u[1]))
	want(b, "preview after an edit", b.settled(u[0], ch).Preview, "edited")
	b.alter(b.alteration(chat.AlterDelete, ch, last.Seq, u[1]))
	want(b, "preview after a delete", b.settled(u[0], ch).Preview, "")
}

func preferences(b *bench) {
	u := b.users("a", "b", "outsider")
	ch := b.group(u[0], u[1])
	before := b.settled(u[1], ch).Pos
	level, pinned := chat.LevelMentions, true
	e, err := b.Inboxes.Prefer(b.ctx, u[1], ch, chat.Preference{Level: &level})
	b.must(err)
	want(b, "level", e.Level, level)
	e, err = b.Inboxes.Prefer(b.ctx, u[1], ch, chat.Preference{Pinned: &pinned})
	b.must(err)
	want(b, "level stays", e.Level, level)
	want(b, "pinned", e.Pinned, true)
	e = b.entry(u[1], ch)
	want(b, "kept", e.Pinned && e.Level == level && e.Pos > before, true)
	want(b, "not of others", b.entry(u[0], ch).Pinned, false)
	_, err = b.Inboxes.Prefer(b.ctx, u[2], ch, chat.Preference{Pinned: &pinned})
	b.wantCode(err, chat.CodeNotMember)
}

func removalInbox(b *bench) {
	u := b.users("a", "b")
	ch := b.group(u[0], u[1])
	b.say(ch, u[0], "secret")
	before := b.settled(u[1], ch)
	b.govern(chat.Governance{Kind: chat.GovernRemove, Channel: ch, Actor: u[0], Users: u[1:]})
	e := b.entry(u[1], ch)
	if e.Member || e.Preview != "" || e.Name != "" || e.Pos <= before.Pos {
		b.Fatalf("entry after removal is %+v", e)
	}
	b.say(ch, u[0], "more secrets")
	b.settled(u[0], ch)
	if e = b.entry(u[1], ch); e.Member || e.Preview != "" {
		b.Fatalf("entry after removal and a message is %+v", e)
	}
	_, _, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: u[1], Channel: ch, Seq: 1})
	b.wantCode(err, chat.CodeNotMember)
	b.govern(chat.Governance{Kind: chat.GovernAdd, Channel: ch, Actor: u[0], Users: u[1:]})
	e = b.settled(u[1], ch)
	want(b, "member again", e.Member, true)
	want(b, "unread after coming back", unreadOf(e), 0)
}
