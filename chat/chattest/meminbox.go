package chattest

import (
	"context"
	"slices"

	"gori/chat"
)

// fanOut brings the channel's present state and what is new to all inboxes.
func (m *Memory) fanOut(c *channel, fresh ...*chat.Message) {
	for id := range c.members {
		u := m.users[id]
		if u == nil {
			continue
		}
		e := m.entryOf(u, c)
		for _, msg := range fresh {
			hear(u.ID, c, e, msg)
		}
		m.refresh(u, c, e)
	}
}

// entryOf finds or makes a member's inbox entry.
func (m *Memory) entryOf(u *user, c *channel) *entry {
	e := u.inbox[c.ID]
	if e == nil {
		e = &entry{}
		u.inbox[c.ID] = e
	}
	if !e.Member {
		member := c.members[u.ID]
		*e = entry{InboxEntry: chat.InboxEntry{Channel: c.ID, Kind: c.Kind, Member: true, ReadSeq: member.ReadSeq}}
		if c.Kind == chat.KindDirect {
			e.Peer = c.other(u.ID)
		}
		if root := c.at(member.ReadSeq); root != nil {
			e.ReadCount = root.Count
		}
	}
	return e
}

// hear notes what one new message means to one member.
func hear(id chat.UserID, c *channel, e *entry, msg *chat.Message) {
	if msg.Kind == chat.KindSystem {
		return
	}
	mine := msg.Sender == id
	mentioned := !mine && (msg.MentionAll || slices.Contains(msg.Mentions, id))
	if msg.Thread == 0 {
		if mine && msg.Seq > e.ReadSeq {
			e.ReadSeq, e.ReadCount = msg.Seq, msg.Count
			c.members[id].ReadSeq = msg.Seq
			e.mentions = slices.DeleteFunc(e.mentions, func(s chat.Seq) bool { return s <= msg.Seq })
		}
		if mentioned && msg.Seq > e.ReadSeq {
			e.mentions = append(e.mentions, msg.Seq)
		}
		return
	}
	root := c.at(msg.Thread)
	t := c.threads[msg.Thread]
	if t == nil {
		t = &thread{followers: map[chat.UserID]chat.Count{}, mentions: map[chat.UserID][]chat.Seq{}}
		c.threads[msg.Thread] = t
		if root.Kind == chat.KindText {
			t.followers[root.Sender] = 0
		}
	}
	if mine {
		t.followers[id] = max(t.followers[id], msg.ThreadCount)
		delete(t.mentions, id)
		return
	}
	if _, follows := t.followers[id]; !follows && slices.Contains(msg.Mentions, id) {
		t.followers[id] = msg.ThreadCount - 1
	}
	if _, follows := t.followers[id]; follows && mentioned {
		t.mentions[id] = append(t.mentions[id], msg.Seq)
	}
}

// refresh works an entry out of its channel, gives it a new pos and tells.
func (m *Memory) refresh(u *user, c *channel, e *entry) {
	u.pos++
	e.Pos = u.pos
	e.Name = c.Name
	e.LastSeq, e.LastCount, e.LastChange = c.LastSeq, c.LastCount, c.LastChange
	for i := len(c.messages) - 1; i >= 0; i-- {
		msg := c.messages[i]
		if msg.Thread != 0 {
			continue
		}
		e.LastAt, e.LastSender = msg.At, msg.Sender
		e.Preview, e.PreviewKind = chat.Preview(msg.Body), msg.Kind
		if msg.System != nil {
			e.Preview = msg.System.Preview()
		}
		break
	}
	e.Mentions = len(e.mentions)
	e.Threads = nil
	for root, t := range c.threads {
		read, follows := t.followers[u.ID]
		if n := c.at(root).Replies.Count - read; follows && n > 0 {
			e.Threads = append(e.Threads, chat.ThreadUnread{Root: root, Unread: n, Mentions: len(t.mentions[u.ID])})
		}
	}
	slices.SortFunc(e.Threads, func(a, b chat.ThreadUnread) int { return int(a.Root - b.Root) })
	m.notices = append(m.notices, chat.InboxNotice{User: u.ID, Entry: e.copy()})
}

func (e *entry) copy() chat.InboxEntry {
	out := e.InboxEntry
	out.Threads = slices.Clone(e.Threads)
	return out
}

// expel empties the inbox entry of someone who is no longer a member.
func (m *Memory) expel(c *channel, id chat.UserID) {
	u := m.users[id]
	if u == nil || u.inbox[c.ID] == nil {
		return
	}
	u.pos++
	e := u.inbox[c.ID]
	*e = entry{InboxEntry: chat.InboxEntry{Channel: c.ID, Kind: c.Kind, Pos: u.pos}}
	for _, t := range c.threads {
		delete(t.followers, id)
		delete(t.mentions, id)
	}
	m.notices = append(m.notices, chat.InboxNotice{User: id, Entry: e.copy()})
}

// Inbox implements chat.Inboxes.
func (m *Memory) Inbox(_ context.Context, id chat.UserID, after chat.Pos, limit int) (chat.InboxPage, error) {
	defer m.lock()()
	page := chat.InboxPage{Entries: []chat.InboxEntry{}}
	u := m.users[id]
	if u == nil {
		return page, nil
	}
	for _, e := range u.inbox {
		if e.Pos > after {
			page.Entries = append(page.Entries, e.copy())
		}
	}
	slices.SortFunc(page.Entries, func(a, b chat.InboxEntry) int { return int(a.Pos - b.Pos) })
	page.Pos, page.Head = u.pos, u.pos
	if len(page.Entries) > limit {
		page.Entries, page.More = page.Entries[:limit], true
		page.Pos = page.Entries[limit-1].Pos
	}
	return page, nil
}

// Home implements chat.Inboxes.
func (m *Memory) Home(ctx context.Context, user chat.UserID, after chat.Pos, limit int) (h chat.Home, err error) {
	if h.Inbox, err = m.Inbox(ctx, user, after, limit); err != nil {
		return h, err
	}
	if h.Self, err = m.Self(ctx, user); err != nil {
		return h, err
	}
	if h.Friends, err = m.Friends(ctx, user); err != nil {
		return h, err
	}
	h.Hiding, err = m.HidingFrom(ctx, user)
	return h, err
}

// MarkRead implements chat.Inboxes.
func (m *Memory) MarkRead(_ context.Context, r chat.ReadMark) (chat.InboxEntry, bool, error) {
	defer m.lock()()
	c, member, err := m.memberOf(r.Channel, r.User)
	if err != nil {
		return chat.InboxEntry{}, false, err
	}
	u := m.users[r.User]
	e := m.entryOf(u, c)
	seq := min(r.Seq, c.LastSeq)
	moved := false
	if r.Thread == 0 {
		if moved = seq > e.ReadSeq; moved {
			e.ReadSeq, e.ReadCount = seq, c.at(seq).Count
			member.ReadSeq = seq
			e.mentions = slices.DeleteFunc(e.mentions, func(s chat.Seq) bool { return s <= seq })
		}
	} else if t := c.threads[r.Thread]; t != nil {
		moved = t.read(c, r.User, r.Thread, seq)
	}
	if moved {
		m.refresh(u, c, e)
	}
	return e.copy(), moved, nil
}

// read moves a follower's mark in a thread up to seq.
func (t *thread) read(c *channel, id chat.UserID, root, seq chat.Seq) bool {
	was, follows := t.followers[id]
	if !follows {
		return false
	}
	for _, msg := range c.messages[:seq] {
		if msg.Thread == root {
			t.followers[id] = max(t.followers[id], msg.ThreadCount)
		}
	}
	t.mentions[id] = slices.DeleteFunc(t.mentions[id], func(s chat.Seq) bool { return s <= seq })
	return t.followers[id] > was
}

// Prefer implements chat.Inboxes.
func (m *Memory) Prefer(_ context.Context, id chat.UserID, ch chat.ChannelID, p chat.Preference) (chat.InboxEntry, error) {
	defer m.lock()()
	c, _, err := m.memberOf(ch, id)
	if err != nil {
		return chat.InboxEntry{}, err
	}
	u := m.users[id]
	e := m.entryOf(u, c)
	if p.Level != nil {
		e.Level = *p.Level
	}
	if p.Pinned != nil {
		e.Pinned = *p.Pinned
	}
	m.refresh(u, c, e)
	return e.copy(), nil
}
