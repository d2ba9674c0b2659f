package chattest

import (
	"context"
	"slices"

	"gori/chat"
)

// Append implements chat.Log.
func (m *Memory) Append(_ context.Context, drafts ...chat.Draft) ([]chat.Receipt, error) {
	if m.BeforeAppend != nil {
		if err := m.BeforeAppend(drafts); err != nil {
			return nil, err
		}
	}
	defer m.lock()()
	if len(drafts) == 0 || len(drafts) > chat.MaxAppendDrafts {
		return nil, chat.Errorf(chat.CodeBadRequest, "an append has 1 to %d drafts", chat.MaxAppendDrafts)
	}
	for i := range drafts {
		if err := m.mayAppend(drafts, i); err != nil {
			return nil, err
		}
	}
	c := m.channels[drafts[0].Channel]
	receipts := make([]chat.Receipt, len(drafts))
	var fresh []*chat.Message
	for i, d := range drafts {
		if d.ReplyToDraft > 0 {
			d.ReplyTo = receipts[d.ReplyToDraft-1].Seq
		}
		if s, known := c.sent[sendKey{d.Sender, d.ClientMsgID}]; known {
			receipts[i] = receiptOf(c, c.at(s.seq))
			receipts[i].Duplicate = true
			continue
		}
		msg := m.store(c, d)
		c.sent[sendKey{d.Sender, d.ClientMsgID}] = sent{drafts[i], msg.Seq}
		receipts[i] = receiptOf(c, msg)
		fresh = append(fresh, msg)
	}
	if len(fresh) > 0 {
		m.fanOut(c, fresh...)
	}
	return receipts, nil
}

func receiptOf(c *channel, msg *chat.Message) chat.Receipt {
	return chat.Receipt{Seq: msg.Seq, Count: msg.Count, ThreadCount: msg.ThreadCount, At: msg.At, MemberVersion: c.MemberVersion}
}

// mayAppend checks one draft against what is stored and what stands before it
// in the same call.
func (m *Memory) mayAppend(drafts []chat.Draft, i int) error {
	d := drafts[i]
	if d.Channel != drafts[0].Channel || d.ReplyToDraft < 0 || d.ReplyToDraft > i {
		return chat.Errorf(chat.CodeBadRequest, "the drafts do not belong together")
	}
	c := m.channels[d.Channel]
	if c == nil {
		return notMember()
	}
	if s, known := c.sent[sendKey{d.Sender, d.ClientMsgID}]; known {
		return sameDraft(s.draft, d)
	}
	for _, before := range drafts[:i] {
		if before.Sender == d.Sender && before.ClientMsgID == d.ClientMsgID {
			return sameDraft(before, d)
		}
	}
	if c.members[d.Sender] == nil {
		return notMember()
	}
	if c.Kind == chat.KindDirect && m.blocked(c.other(d.Sender), d.Sender) {
		return chat.Errorf(chat.CodeBlocked, "you cannot write to this person")
	}
	if d.ReplyTo > c.LastSeq {
		return chat.Errorf(chat.CodeNotFound, "the message it answers does not exist")
	}
	if d.Thread > 0 {
		if root := c.at(d.Thread); root == nil || root.Thread != 0 {
			return chat.Errorf(chat.CodeNotFound, "there is no such message to make a thread under")
		}
	}
	return nil
}

// sameDraft tells whether two drafts with one id say the same. Imports may name
// what they answer in two ways, so that is not compared for them.
func sameDraft(a, b chat.Draft) error {
	same := a.Body == b.Body && a.Thread == b.Thread && a.MentionAll == b.MentionAll && slices.Equal(a.Mentions, b.Mentions) &&
		(b.OrigAt != 0 || a.ReplyTo == b.ReplyTo)
	if !same {
		return chat.Errorf(chat.CodeIDReused, "this client_msg_id was used for another message")
	}
	return nil
}

func (c *channel) other(u chat.UserID) chat.UserID {
	if c.pair[0] == u {
		return c.pair[1]
	}
	return c.pair[0]
}

// store gives a draft its place.
func (m *Memory) store(c *channel, d chat.Draft) *chat.Message {
	c.LastSeq++
	r := chat.Receipt{Seq: c.LastSeq, At: m.now()}
	if d.Thread == 0 {
		c.LastCount++
	} else {
		root := c.at(d.Thread)
		if root.Replies == nil {
			root.Replies = &chat.Replies{}
		}
		*root.Replies = chat.Replies{Count: root.Replies.Count + 1, LastSeq: r.Seq, LastAt: r.At}
		r.ThreadCount = root.Replies.Count
	}
	r.Count = c.LastCount
	msg := chat.MessageOf(d, r)
	msg.Mentions = slices.Clone(d.Mentions)
	c.messages = append(c.messages, &msg)
	return &msg
}

// say appends a system message.
func (m *Memory) say(c *channel, sys chat.System) *chat.Message {
	c.LastSeq++
	msg := &chat.Message{Channel: c.ID, Seq: c.LastSeq, Count: c.LastCount, Sender: sys.Actor, Kind: chat.KindSystem,
		At: m.now(), System: &sys}
	id := m.newID()
	for i := range 8 {
		msg.ClientMsgID[15-i] = byte(id >> (8 * i))
	}
	c.messages = append(c.messages, msg)
	return msg
}

// Alter implements chat.Log.
func (m *Memory) Alter(_ context.Context, a chat.Alteration) (chat.Altered, error) {
	defer m.lock()()
	c, member, err := m.memberOf(a.Channel, a.Actor)
	if err != nil {
		return chat.Altered{}, err
	}
	msg := c.at(a.Seq)
	if msg == nil {
		return chat.Altered{}, chat.Errorf(chat.CodeNotFound, "there is no such message")
	}
	applied, err := alter(c, member, msg, a)
	if err != nil {
		return chat.Altered{}, err
	}
	if applied {
		c.LastChange++
		msg.Change = c.LastChange
		m.fanOut(c)
	}
	return chat.Altered{Message: copyOf(msg), Applied: applied, MemberVersion: c.MemberVersion}, nil
}

func alter(c *channel, member *chat.Member, msg *chat.Message, a chat.Alteration) (applied bool, err error) {
	if msg.Kind == chat.KindSystem && a.Kind <= chat.AlterDelete {
		return false, chat.Errorf(chat.CodeForbidden, "nobody wrote this message")
	}
	mine := msg.Sender == a.Actor
	if a.Kind == chat.AlterDelete {
		moderates := c.Kind == chat.KindGroup && member.Role >= chat.RoleAdmin
		switch {
		case !mine && !moderates:
			return false, chat.Errorf(chat.CodeForbidden, "this is not your message")
		case msg.Deleted:
			return false, nil
		case a.Now.Sub(msg.At.Time()) > chat.DeleteWindow:
			return false, chat.Errorf(chat.CodeTooLate, "the time for taking it back has passed")
		}
		msg.Body, msg.Deleted, msg.Mentions, msg.MentionAll, msg.Reactions = "", true, nil, false, nil
		return true, nil
	}
	if a.Kind == chat.AlterEdit && !mine {
		return false, chat.Errorf(chat.CodeForbidden, "this is not your message")
	}
	if msg.Deleted {
		return false, chat.Errorf(chat.CodeDeleted, "the message was deleted")
	}
	switch a.Kind {
	case chat.AlterEdit:
		if msg.Body == a.Body && slices.Equal(msg.Mentions, a.Mentions) {
			return false, nil
		}
		msg.Body, msg.Mentions, msg.EditedAt = a.Body, slices.Clone(a.Mentions), chat.MillisOf(a.Now)
		return true, nil
	case chat.AlterReact:
		return react(msg, a)
	default:
		return unreact(msg, a), nil
	}
}

func react(msg *chat.Message, a chat.Alteration) (bool, error) {
	for i := range msg.Reactions {
		r := &msg.Reactions[i]
		if r.Emoji != a.Emoji {
			continue
		}
		if slices.Contains(r.Users, a.Actor) {
			return false, nil
		}
		r.Users = append(slices.Clone(r.Users), a.Actor)
		return true, nil
	}
	if len(msg.Reactions) >= chat.MaxReactionKinds {
		return false, chat.Errorf(chat.CodeTooLong, "a message has at most %d different reactions", chat.MaxReactionKinds)
	}
	msg.Reactions = append(msg.Reactions, chat.Reaction{Emoji: a.Emoji, Users: []chat.UserID{a.Actor}})
	return true, nil
}

func unreact(msg *chat.Message, a chat.Alteration) bool {
	for i := range msg.Reactions {
		r := &msg.Reactions[i]
		at := slices.Index(r.Users, a.Actor)
		if r.Emoji != a.Emoji || at < 0 {
			continue
		}
		r.Users = slices.Delete(slices.Clone(r.Users), at, at+1)
		if len(r.Users) == 0 {
			msg.Reactions = slices.Delete(slices.Clone(msg.Reactions), i, i+1)
		}
		return true
	}
	return false
}

// copyOf makes a message that later alterations do not reach.
func copyOf(msg *chat.Message) chat.Message {
	out := *msg
	out.Mentions = slices.Clone(msg.Mentions)
	out.Reactions = nil
	for _, r := range msg.Reactions {
		out.Reactions = append(out.Reactions, chat.Reaction{Emoji: r.Emoji, Users: slices.Clone(r.Users)})
	}
	if msg.Replies != nil {
		replies := *msg.Replies
		out.Replies = &replies
	}
	return out
}

// History implements chat.Log.
func (m *Memory) History(_ context.Context, q chat.HistoryQuery) (chat.Page, error) {
	defer m.lock()()
	c, _, err := m.memberOf(q.Channel, q.Viewer)
	if err != nil {
		return chat.Page{}, err
	}
	limit := q.Limit
	if limit == 0 {
		limit = 50
	}
	limit = min(limit, chat.MaxHistoryPage)
	var all []*chat.Message
	for _, msg := range c.messages {
		if q.Thread == 0 || msg.Thread == q.Thread {
			all = append(all, msg)
		}
	}
	from, to := window(all, q, limit)
	page := chat.Page{Messages: []chat.Message{}, LastSeq: c.LastSeq, LastChange: c.LastChange}
	page.MoreBefore, page.MoreAfter = from > 0, to < len(all)
	for _, msg := range all[from:to] {
		page.Messages = append(page.Messages, copyOf(msg))
	}
	return page, nil
}

// window finds which of the messages a page shows.
func window(all []*chat.Message, q chat.HistoryQuery, limit int) (from, to int) {
	first := func(is func(*chat.Message) bool) int {
		if i := slices.IndexFunc(all, is); i >= 0 {
			return i
		}
		return len(all)
	}
	forward := true
	switch {
	case q.HasAfter:
		from = first(func(msg *chat.Message) bool { return msg.Seq > q.After })
	case q.Date > 0:
		from = first(func(msg *chat.Message) bool { return msg.At >= q.Date })
	case q.Around > 0:
		at := first(func(msg *chat.Message) bool { return msg.Seq >= q.Around })
		from = max(0, at-limit/2)
	default:
		forward = false
		to = len(all)
		if q.Before > 0 {
			to = first(func(msg *chat.Message) bool { return msg.Seq >= q.Before })
		}
		from = max(0, to-limit)
	}
	if forward {
		to = min(len(all), from+limit)
	}
	return cutBytes(all, from, to, forward)
}

// cutBytes shortens a page to MaxHistoryBytes, at the far end.
func cutBytes(all []*chat.Message, from, to int, forward bool) (int, int) {
	size := 0
	for n := range to - from {
		i := from + n
		if !forward {
			i = to - 1 - n
		}
		if size += len(all[i].Body); size > chat.MaxHistoryBytes && n > 0 {
			if forward {
				return from, i
			}
			return i + 1, to
		}
	}
	return from, to
}

// Changes implements chat.Log.
func (m *Memory) Changes(_ context.Context, q chat.ChangesQuery) (chat.Page, error) {
	defer m.lock()()
	c, _, err := m.memberOf(q.Channel, q.Viewer)
	if err != nil {
		return chat.Page{}, err
	}
	var changed []*chat.Message
	for _, msg := range c.messages {
		if msg.Change > q.After && msg.Seq <= q.UpTo {
			changed = append(changed, msg)
		}
	}
	slices.SortFunc(changed, func(a, b *chat.Message) int { return int(a.Change - b.Change) })
	page := chat.Page{Messages: []chat.Message{}, LastSeq: c.LastSeq, LastChange: c.LastChange}
	limit := q.Limit
	if limit == 0 {
		limit = 50
	}
	_, to := cutBytes(changed, 0, min(len(changed), limit), true)
	page.MoreAfter = to < len(changed)
	for _, msg := range changed[:to] {
		page.Messages = append(page.Messages, copyOf(msg))
	}
	return page, nil
}
