package store

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"gori/chat"
)

// model is what Append promises, in a few lines.
type model struct {
	known    map[draftKey]chat.Receipt
	digest   map[draftKey]int64
	seq      map[chat.ChannelID]chat.Seq
	count    map[chat.ChannelID]chat.Count
	threads  map[[2]int64]chat.Count // replies by channel and root
	inThread map[[2]int64]bool       // by channel and seq: a reply
	members  map[chat.ChannelID][]chat.UserID
	counted  map[chat.ChannelID][]chat.UserID // senders of what counts, in order
	read     map[[2]int64]chat.Count          // by channel and user
}

func (m *model) append(drafts []chat.Draft) ([]chat.Receipt, chat.Code) {
	ch := drafts[0].Channel
	within := map[draftKey]int64{}
	for i := range drafts {
		d := &drafts[i]
		if old, ok := within[keyOf(d)]; ok {
			if old != digestOf(d) {
				return nil, chat.CodeIDReused
			}
			continue
		}
		within[keyOf(d)] = digestOf(d)
	}
	for i := range drafts {
		if code := m.refuse(&drafts[i]); code != "" {
			return nil, code
		}
	}
	var out []chat.Receipt
	for i := range drafts {
		d := &drafts[i]
		if r, ok := m.known[keyOf(d)]; ok {
			r.Duplicate = true
			out = append(out, r)
			continue
		}
		m.seq[ch]++
		r := chat.Receipt{Seq: m.seq[ch]}
		if d.Thread != 0 {
			m.threads[[2]int64{int64(ch), int64(d.Thread)}]++
			r.ThreadCount = m.threads[[2]int64{int64(ch), int64(d.Thread)}]
			m.inThread[[2]int64{int64(ch), int64(r.Seq)}] = true
		} else {
			m.count[ch]++
			m.counted[ch] = append(m.counted[ch], d.Sender)
			m.read[[2]int64{int64(ch), int64(d.Sender)}] = m.count[ch]
		}
		r.Count = m.count[ch]
		m.known[keyOf(d)], m.digest[keyOf(d)] = r, digestOf(d)
		out = append(out, r)
	}
	return out, ""
}

func (m *model) refuse(d *chat.Draft) chat.Code {
	if _, ok := m.known[keyOf(d)]; ok {
		if m.digest[keyOf(d)] != digestOf(d) {
			return chat.CodeIDReused
		}
		return ""
	}
	member := false
	for _, u := range m.members[d.Channel] {
		member = member || u == d.Sender
	}
	switch {
	case !member:
		return chat.CodeNotMember
	case d.ReplyTo > m.seq[d.Channel]:
		return chat.CodeNotFound
	case d.Thread > m.seq[d.Channel], d.Thread > 0 && m.inThread[[2]int64{int64(d.Channel), int64(d.Thread)}]:
		return chat.CodeNotFound
	}
	return ""
}

// Whatever is appended, in calls of one or several drafts, with repeats,
// strangers, answers and threads: receipts and unread counts are the model's.
func TestAppendAgreesWithItsModel(t *testing.T) {
	h := newHarness(t, 2)
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{known: map[draftKey]chat.Receipt{}, digest: map[draftKey]int64{}, seq: map[chat.ChannelID]chat.Seq{},
			count: map[chat.ChannelID]chat.Count{}, threads: map[[2]int64]chat.Count{}, inThread: map[[2]int64]bool{},
			members: map[chat.ChannelID][]chat.UserID{}, counted: map[chat.ChannelID][]chat.UserID{}, read: map[[2]int64]chat.Count{}}
		users := []chat.UserID{h.user(), h.user(), h.user()}
		var chs []chat.ChannelID
		for _, members := range [][]chat.UserID{users[:2], users} {
			ch := h.channel(members...)
			chs, m.members[ch] = append(chs, ch), members
		}
		calls := rapid.IntRange(1, 12).Draw(rt, "calls")
		for range calls {
			drafts := drawDrafts(rt, rapid.SampledFrom(chs).Draw(rt, "channel"), users)
			want, code := m.append(drafts)
			got, err := h.Append(context.Background(), drafts...)
			if chat.CodeOf(err) != code {
				rt.Fatalf("%+v: got %v, want %q", drafts, err, code)
			}
			for i := range want {
				g := got[i]
				g.At, g.MemberVersion = 0, 0
				if d := &drafts[i]; g != want[i] && !(repeatsEarlier(drafts[:i], d) && g.Seq == want[i].Seq) {
					rt.Fatalf("draft %d of %+v: got %+v, want %+v", i, drafts, g, want[i])
				}
			}
		}
		h.settledAll()
		for _, ch := range chs {
			if m.seq[ch] == 0 {
				continue
			}
			for _, u := range m.members[ch] {
				e := h.entry(u, ch)
				if want := m.count[ch] - m.read[[2]int64{int64(ch), int64(u)}]; e.LastCount-e.ReadCount != want || e.LastSeq != m.seq[ch] {
					rt.Fatalf("user %v: %+v, want unread %d of seq %d", u, e, want, m.seq[ch])
				}
			}
		}
	})
}

func repeatsEarlier(earlier []chat.Draft, d *chat.Draft) bool {
	for i := range earlier {
		if keyOf(&earlier[i]) == keyOf(d) {
			return true
		}
	}
	return false
}

func drawDrafts(rt *rapid.T, ch chat.ChannelID, users []chat.UserID) []chat.Draft {
	n := 1
	if rapid.Bool().Draw(rt, "several") {
		n = rapid.IntRange(2, 5).Draw(rt, "drafts")
	}
	ds := make([]chat.Draft, n)
	for i := range ds {
		id := rapid.IntRange(1, 25).Draw(rt, "id")
		ds[i] = chat.Draft{Channel: ch, Sender: rapid.SampledFrom(users).Draw(rt, "sender"), ClientMsgID: cid(id), Body: fmt.Sprint("body ", id)}
		switch rapid.IntRange(0, 9).Draw(rt, "twist") {
		case 0:
			ds[i].Body = "another body"
		case 1:
			ds[i].ReplyTo = chat.Seq(rapid.IntRange(1, 10).Draw(rt, "reply"))
		case 2, 3:
			ds[i].Thread = chat.Seq(rapid.IntRange(1, 6).Draw(rt, "thread"))
		}
	}
	return ds
}

func TestRostersAreBounded(t *testing.T) {
	c := newRosters(100)
	for i := range chat.ChannelID(50) {
		c.put(i, newRoster(1, make([]chat.UserID, 10)))
	}
	if c.ids > 100 || c.lru.Len() != len(c.byID) || c.get(49, 1) == nil || c.get(0, 1) != nil {
		t.Errorf("%d ids in %d rosters", c.ids, c.lru.Len())
	}
	c.put(49, newRoster(3, nil))
	c.put(49, newRoster(2, make([]chat.UserID, 5)))
	if r := c.get(49, 2); r == nil || r.version != 3 || c.get(49, 4) != nil {
		t.Errorf("an older roster replaced a newer one: %+v", r)
	}
}
