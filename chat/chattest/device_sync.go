package chattest

import (
	"context"
	"fmt"
	"reflect"

	"gori/chat"
)

// What a Device does with what it is told. All but fetch is called with mu held.

func (d *Device) view(ch chat.ChannelID) *view {
	v := d.views[ch]
	if v == nil {
		v = &view{messages: map[chat.Seq]chat.Message{}, kept: map[chat.Seq]chat.Message{}}
		d.views[ch] = v
	}
	return v
}

func (d *Device) enter(entries []chat.InboxEntry, pos chat.Pos) {
	for _, e := range entries {
		if e.Pos <= d.entries[e.Channel].Pos {
			continue
		}
		d.entries[e.Channel] = e
		if !e.Member {
			delete(d.views, e.Channel)
			continue
		}
		v := d.view(e.Channel)
		v.seqTo, v.changeTo = max(v.seqTo, e.LastSeq), max(v.changeTo, e.LastChange)
		d.look(e.Channel, v)
	}
	d.pos = max(d.pos, pos)
}

func (d *Device) message(m chat.Message, change bool) {
	if e, known := d.entries[m.Channel]; known && !e.Member {
		return // the inbox has told of the removal; what it tells of a return comes with it
	}
	v := d.view(m.Channel)
	v.seqTo, v.changeTo = max(v.seqTo, m.Seq), max(v.changeTo, m.Change)
	switch {
	case change && m.Change == v.change+1 && m.Seq <= v.seq && !v.looking:
		v.change = m.Change
		v.messages[m.Seq] = m
	case change:
	case m.Seq > v.seq:
		v.kept[m.Seq] = m
		v.release()
	}
	d.look(m.Channel, v)
}

func (v *view) release() {
	for {
		m, ok := v.kept[v.seq+1]
		if !ok {
			return
		}
		delete(v.kept, m.Seq)
		v.seq = m.Seq
		if _, has := v.messages[m.Seq]; !has {
			v.messages[m.Seq] = m
		}
	}
}

func (v *view) lacks() bool { return v.seq < v.seqTo || v.change < v.changeTo }

// look fetches a channel a moment later, if something is missing then.
func (d *Device) look(ch chat.ChannelID, v *view) {
	if v.looking || !v.lacks() || d.ctx.Err() != nil {
		return
	}
	v.looking = true
	d.work.Go(func() {
		d.sleep(deviceWait)
		if d.ctx.Err() == nil {
			d.fetch(ch)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		v.looking = false
		if d.views[ch] == v {
			d.look(ch, v)
		}
	})
}

// fetch reads the messages after the cursor, then the changes.
func (d *Device) fetch(ch chat.ChannelID) {
	svc := d.c.anyNode().Service
	for more := true; more; {
		d.mu.Lock()
		v := d.views[ch]
		if v == nil || !v.lacks() {
			d.mu.Unlock()
			return
		}
		seq, change := v.seq, v.change
		d.mu.Unlock()
		page, err := svc.History(d.ctx, d.Who, chat.HistoryQuery{Channel: ch, After: seq, HasAfter: true, Limit: 200})
		if err != nil {
			d.lost(ch, err)
			return
		}
		changes, err := svc.Changes(d.ctx, d.Who, chat.ChangesQuery{Channel: ch, After: change, UpTo: seq, Limit: 200})
		if err != nil {
			d.lost(ch, err)
			return
		}
		d.mu.Lock()
		for _, m := range page.Messages {
			v.messages[m.Seq] = m
			v.seq = max(v.seq, m.Seq)
		}
		for _, m := range changes.Messages {
			v.messages[m.Seq] = m
			v.change = max(v.change, m.Change)
		}
		v.release()
		if !changes.MoreAfter && !page.MoreAfter && len(page.Messages) == 0 {
			v.change = max(v.change, changes.LastChange)
		}
		more = page.MoreAfter || changes.MoreAfter || len(page.Messages) > 0
		d.mu.Unlock()
	}
}

// lost forgets a channel that may not be read.
func (d *Device) lost(ch chat.ChannelID, err error) {
	if chat.CodeOf(err) == chat.CodeNotMember {
		d.mu.Lock()
		delete(d.views, ch)
		d.mu.Unlock()
	}
}

// Differs tells the first thing in which the device differs from the store; ""
// if it is equal.
func (d *Device) Differs(ctx context.Context) string {
	m := d.c.Memory
	inbox, err := m.Inbox(ctx, d.Who.User, 0, 500)
	if err != nil {
		return err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range inbox.Entries {
		if have := d.entries[e.Channel]; !reflect.DeepEqual(have, e) && (e.Member || have.Member) {
			return fmt.Sprintf("channel %s: has entry %+v, the store %+v", e.Channel, have, e)
		}
		if !e.Member {
			if d.views[e.Channel] != nil {
				return fmt.Sprintf("channel %s: still shown after the end of the membership", e.Channel)
			}
			continue
		}
		if diff := d.view(e.Channel).differs(m.kept(e.Channel)); diff != "" {
			return fmt.Sprintf("channel %s: %s", e.Channel, diff)
		}
	}
	return ""
}

// kept returns a copy of a channel's messages.
func (m *Memory) kept(ch chat.ChannelID) (all []chat.Message) {
	defer m.lock()()
	for _, msg := range m.channels[ch].messages {
		all = append(all, copyOf(msg))
	}
	return all
}

func (v *view) differs(kept []chat.Message) string {
	if len(v.messages) != len(kept) || int(v.seq) != len(kept) {
		return fmt.Sprintf("%d messages up to %d (of %d known), the store %d", len(v.messages), v.seq, v.seqTo, len(kept))
	}
	for _, want := range kept {
		if have := v.messages[want.Seq]; have.Body != want.Body || have.Change != want.Change || len(have.Reactions) != len(want.Reactions) {
			return fmt.Sprintf("message %d is %+v, in the store %+v", want.Seq, have, want)
		}
	}
	return ""
}
