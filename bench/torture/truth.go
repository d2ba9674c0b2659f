package torture

import (
	"context"
	"fmt"
	"slices"

	"gori/client"
)

// truth is what the server has of a channel at the end.
type truth struct {
	messages []client.Message // 1, 2, 3 …
	states   []state
	members  map[client.UserID]bool
	holes    int64
}

func (ch *channel) readTruth(ctx context.Context) error {
	t := &truth{members: map[client.UserID]bool{}}
	c := ch.members[0].c
	for at, more := client.Seq(0), true; more; {
		page, err := c.History(ctx, ch.id, client.HistoryQuery{After: at, HasAfter: true, Limit: 200})
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			if m.Seq != at+1 {
				t.holes++
			}
			for at++; at < m.Seq; at++ {
				t.messages, t.states = append(t.messages, client.Message{}), append(t.states, state{})
			}
			at = m.Seq
			t.messages, t.states = append(t.messages, m), append(t.states, stateOf(m))
		}
		more = page.MoreAfter && len(page.Messages) > 0
	}
	members, _, err := c.Members(ctx, ch.id)
	if err != nil {
		return err
	}
	for _, m := range members {
		t.members[m.User] = true
	}
	ch.truth = t
	return nil
}

// joined is the seq of the last message that tells of u becoming a member, 0 if
// u was one from the beginning, and how many there are.
func (t *truth) joined(u client.UserID) (last client.Seq, times int) {
	for _, m := range t.messages {
		if m.System != nil && (m.System.Event == "added" || m.System.Event == "joined") && slices.Contains(m.System.Users, u) {
			last = m.Seq
			times++
		}
	}
	return last, times
}

// recount works out a member's unread messages and mentions from the definition
// in docs/ARCHITECTURE.md, by looking at every message.
func (ch *channel) recount(p *person) (unread int64, mentions int) {
	s := ch.seats[p]
	mark, _ := ch.truth.joined(p.id)
	s.mu.Lock()
	mark = max(mark, s.read)
	s.mu.Unlock()
	for _, m := range ch.truth.messages {
		if m.Sender == p.id && m.Kind == 0 && m.Thread == 0 {
			mark = max(mark, m.Seq)
		}
	}
	for _, m := range ch.truth.messages {
		if m.Seq <= mark || m.Kind != 0 || m.Thread != 0 {
			continue
		}
		unread++
		told := ch.byMsg[m.ClientMsgID]
		if told != nil && m.Sender != p.id && (told.all || slices.Contains(told.mentions, p.id)) {
			mentions++
		}
	}
	return unread, mentions
}

// difference is something that is not as it should be.
type difference struct {
	ch   *channel
	seq  client.Seq
	what string
}

// compareDevices holds every device against the server; most is how many
// differences it looks for.
func (w *world) compareDevices(most int) []difference {
	var list []difference
	for _, ch := range w.channels {
		if ch.truth == nil {
			continue
		}
		for p := range ch.seats {
			for _, d := range p.devices {
				if len(list) >= most {
					return list
				}
				if one := d.compare(ch); one != nil {
					list = append(list, *one)
				}
			}
		}
	}
	return list
}

func (d *device) compare(ch *channel) *difference {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, t := d.view[ch.id], ch.truth
	if !t.members[d.p.id] {
		if v != nil && d.entries[ch.id].Member {
			return &difference{ch, 0, fmt.Sprintf("%s still has %s, which %s is no member of", d.name, ch.name, d.p)}
		}
		return nil
	}
	if v == nil {
		v = &view{}
	}
	for i := range t.states {
		seq := client.Seq(i + 1)
		switch {
		case i >= len(v.states):
			return &difference{ch, seq, fmt.Sprintf("%s has %s to %d, the server to %d", d.name, ch.name, len(v.states), len(t.states))}
		case v.states[i] != t.states[i]:
			return &difference{ch, seq, fmt.Sprintf("%s shows message %d of %s as of change %d, the server as of %d: %q", d.name, seq, ch.name, v.states[i].change, t.states[i].change, short(t.messages[i].Body))}
		}
	}
	if len(v.states) > len(t.states) {
		return &difference{ch, client.Seq(len(t.states)), fmt.Sprintf("%s has %d messages of %s, the server %d", d.name, len(v.states), ch.name, len(t.states))}
	}
	return nil
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// compareUnread holds the server's inbox against a recount, and the devices'
// entries against the server's inbox.
func (w *world) compareUnread(ctx context.Context, most int) []difference {
	var list []difference
	for _, p := range w.people {
		inbox, err := p.inbox(ctx)
		if err != nil {
			list = append(list, difference{what: fmt.Sprintf("the inbox of %s cannot be read: %v", p, err)})
		}
		for _, ch := range w.of(p) {
			if len(list) >= most {
				return list
			}
			if ch.truth == nil || err != nil {
				continue
			}
			if what := p.compareEntry(ch, inbox[ch.id]); what != "" {
				list = append(list, difference{ch, client.Seq(len(ch.truth.messages)), what})
			}
		}
	}
	return list
}

func (p *person) compareEntry(ch *channel, e client.InboxEntry) string {
	if member := ch.truth.members[p.id]; e.Member != member && (member || e.Channel != 0) {
		return fmt.Sprintf("the inbox of %s says member %t of %s, the channel %t", p, e.Member, ch.name, member)
	} else if !member {
		return ""
	}
	unread, mentions := ch.recount(p)
	if e.Unread() != unread || e.Mentions != mentions {
		return fmt.Sprintf("%s has %d unread and %d mentions in %s by the inbox (last %d/%d, read %d/%d), %d and %d by a recount",
			p, e.Unread(), e.Mentions, ch.name, e.LastSeq, e.LastCount, e.ReadSeq, e.ReadCount, unread, mentions)
	}
	for _, d := range p.devices {
		d.mu.Lock()
		have := d.entries[ch.id]
		d.mu.Unlock()
		if have.Unread() != unread || have.Mentions != mentions || have.LastSeq != e.LastSeq || have.ReadSeq != e.ReadSeq {
			return fmt.Sprintf("%s shows %d unread and %d mentions in %s to %d, the inbox %d and %d to %d",
				d.name, have.Unread(), have.Mentions, ch.name, have.LastSeq, unread, mentions, e.LastSeq)
		}
	}
	return ""
}

func (p *person) inbox(ctx context.Context) (map[client.ChannelID]client.InboxEntry, error) {
	all := map[client.ChannelID]client.InboxEntry{}
	for after, more := client.Pos(0), true; more; {
		page, err := p.c.Inbox(ctx, after, 500)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entries {
			all[e.Channel] = e
		}
		after, more = page.Pos, page.More
	}
	return all, nil
}
