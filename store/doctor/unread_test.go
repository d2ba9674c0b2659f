package doctor

import (
	"slices"
	"testing"

	"gori/chat"
)

func TestUnreadIsCountedAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	var people []chat.UserID
	for _, c := range s.conns {
		rows, err := c.Query(t.Context(), "SELECT user_id FROM data.inbox WHERE channel_id = $1 AND member ORDER BY user_id", s.group)
		ok(t, err)
		for rows.Next() {
			var id chat.UserID
			ok(t, rows.Scan(&id))
			people = append(people, id)
		}
		ok(t, rows.Err())
	}
	slices.Sort(people)
	last := people[len(people)-1] // has read nothing
	r, err := s.Append(t.Context(), chat.Draft{Channel: s.group, Sender: people[0], ClientMsgID: key(), Body: "you", Mentions: []chat.UserID{last}})
	ok(t, err)
	_, err = s.Append(t.Context(), chat.Draft{Channel: s.group, Sender: people[1], ClientMsgID: key(), Body: "all", MentionAll: true})
	ok(t, err)
	_, err = s.Append(t.Context(), chat.Draft{Channel: s.group, Sender: people[1], ClientMsgID: key(), Body: "in a thread", Thread: r[0].Seq, Mentions: []chat.UserID{last}})
	ok(t, err)
	s.settled(t)
	if got := s.examine(t, false); levelOf(got) != OK || len(got.Unread) > 0 {
		t.Fatalf("a whole system: %q", bad(got))
	}
	home := s.at(chat.ChannelID(last))
	where := " WHERE user_id = $1 AND channel_id = $2"
	for what, spoil := range map[string]string{
		"unread too many":    "UPDATE data.inbox SET read_count = read_count - 3" + where,
		"unread too few":     "UPDATE data.inbox SET last_count = last_count - 1" + where,
		"a mention lost":     "DELETE FROM data.mentions" + where + " AND root_seq = 0 AND seq = (SELECT max(seq) FROM data.mentions" + where + " AND root_seq = 0)",
		"a mention too many": "INSERT INTO data.mentions (partition, user_id, channel_id, seq) SELECT i.partition, i.user_id, i.channel_id, i.read_seq + 1 FROM data.inbox i" + where,
	} {
		s.exec(t, home, spoil, last, s.group)
		got := s.examine(t, false)
		if len(got.Unread) != 1 || levelOf(got) != Problem || got.Unread[0].User != int64(last) || got.Unread[0].Channel != int64(s.group) || got.Unread[0].Mended ||
			got.Unread[0].Unread == got.Unread[0].WantUnread && got.Unread[0].Mentions == got.Unread[0].WantMentions {
			t.Errorf("%s: %+v, %q", what, got.Unread, bad(got))
		}
		if got = s.examine(t, true); len(got.Unread) != 1 || !got.Unread[0].Mended || levelOf(got) != Warning {
			t.Errorf("%s, to be mended: %+v, %q", what, got.Unread, bad(got))
		}
		if got = s.examine(t, false); levelOf(got) != OK || len(got.Unread) > 0 {
			t.Errorf("%s, mended: %+v, %q", what, got.Unread, bad(got))
		}
	}
}

// examine looks with or without repairs.
func (s *system) examine(t *testing.T, fix bool) *Report {
	t.Helper()
	o := s.opt
	o.Fix = fix
	return Examine(t.Context(), o)
}

// levelOf is how bad unread numbers are.
func levelOf(r *Report) Level {
	for _, f := range r.Findings {
		if f.Check == "unread" {
			return f.Level
		}
	}
	return ""
}
