package proof

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/store"
)

// verdict is what the checker found wrong, the first of it in words.
type verdict struct {
	refused, lost, doubled, gaps, disorder, stale, unread, homes int
	words                                                        []string
}

func (v *verdict) say(count *int, format string, args ...any) {
	*count++
	if len(v.words) < 30 {
		v.words = append(v.words, fmt.Sprintf(format, args...))
	}
}

func (v *verdict) total() int {
	return v.refused + v.lost + v.doubled + v.gaps + v.disorder + v.stale + v.unread + v.homes
}

func (v *verdict) String() string {
	return fmt.Sprintf("refused or never answered %d, lost %d, doubled %d, gaps %d, out of order %d, stale %d, unread %d, homes %d",
		v.refused, v.lost, v.doubled, v.gaps, v.disorder, v.stale, v.unread, v.homes)
}

// check compares all that was acknowledged with what a node tells that has
// learnt nothing before, once nothing is under way any more.
func (w *town) check(l *load) *verdict {
	w.t.Helper()
	v := &verdict{}
	v.words = append(v.words, l.wrong...)
	v.refused = len(l.wrong)
	fresh := w.open(nil)
	if what := w.quiet(w.grace); what != "" {
		v.say(&v.homes, "%s", what)
	}
	for _, r := range w.rooms {
		msgs, err := everything(fresh, r)
		if err != nil {
			v.say(&v.lost, "room %v: %v", r.id, err)
			continue
		}
		v.room(r, msgs)
		for _, p := range r.members {
			v.entry(fresh, r, p, msgs, w.grace)
		}
	}
	for _, p := range w.people {
		v.home(fresh, p)
	}
	return v
}

// mustBeRight fails the test if anything is wrong.
func (w *town) mustBeRight(l *load) {
	w.t.Helper()
	v := w.check(l)
	if v.total() > 0 {
		w.t.Errorf("%v\n%v", v, v.words)
	}
	w.t.Logf("%d calls acknowledged, %d of them repeated sends; the longest took %v", l.acked.Load(), l.retold, l.worst.Round(time.Millisecond))
}

// everything reads a room's history from its beginning.
func everything(s *store.Store, r *room) ([]chat.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var all []chat.Message
	after := chat.Seq(0)
	for {
		page, err := s.History(ctx, chat.HistoryQuery{Channel: r.id, Viewer: r.members[0].id, HasAfter: true, After: after, Limit: 500})
		if chat.ErrorOf(err) != nil && chat.ErrorOf(err).Retry && ctx.Err() == nil {
			rest(ctx, 20*time.Millisecond)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, page.Messages...)
		if !page.MoreAfter || len(page.Messages) == 0 {
			return all, nil
		}
		after = all[len(all)-1].Seq
	}
}

// room looks at what was said in one.
func (v *verdict) room(r *room, msgs []chat.Message) {
	there := map[chat.ClientMsgID]chat.Message{}
	last := map[int]chat.ClientMsgID{}
	said := chat.Count(0)
	at := chat.Seq(0)
	for _, m := range msgs {
		if at++; m.Seq != at {
			v.say(&v.gaps, "room %v: seq %d follows %d", r.id, m.Seq, at-1)
			at = m.Seq
		}
		if m.Kind == chat.KindSystem {
			continue
		}
		if said++; m.Count != said {
			v.say(&v.gaps, "room %v: message %d says it is the %d-th, it is the %d-th", r.id, m.Seq, m.Count, said)
			said = m.Count
		}
		if before, again := there[m.ClientMsgID]; again {
			v.say(&v.doubled, "room %v: %x is there as %d and as %d", r.id, m.ClientMsgID, before.Seq, m.Seq)
		}
		there[m.ClientMsgID] = m
		s := r.words[m.ClientMsgID]
		if s == nil {
			v.say(&v.doubled, "room %v: nobody sent %d (%x)", r.id, m.Seq, m.ClientMsgID)
			continue
		}
		if s.seq != 0 && s.seq != m.Seq {
			v.say(&v.disorder, "room %v: %x is at %d, acknowledged was %d", r.id, m.ClientMsgID, m.Seq, s.seq)
		}
		// A worker waits for each answer, and its ids grow.
		if before := last[s.worker]; slices.Compare(before[:], m.ClientMsgID[:]) > 0 {
			v.say(&v.disorder, "room %v: %d was sent before another one of the same device that is before it", r.id, m.Seq)
		}
		last[s.worker] = m.ClientMsgID
	}
	for id, s := range r.words {
		if s.seq == 0 {
			continue
		}
		m, ok := there[id]
		switch {
		case !ok:
			v.say(&v.lost, "room %v: %x, acknowledged as %d, is not there", r.id, id, s.seq)
		case m.Deleted != s.deleted:
			v.say(&v.stale, "room %v: message %d is deleted: %t, acknowledged was %t", r.id, m.Seq, m.Deleted, s.deleted)
		case !s.deleted && m.Body != s.body:
			v.say(&v.stale, "room %v: message %d reads %.40q, acknowledged was %.40q", r.id, m.Seq, m.Body, s.body)
		case !s.deleted && liked(m, s.from.id) != s.liked:
			v.say(&v.stale, "room %v: message %d is liked by its sender: %t, acknowledged was %t", r.id, m.Seq, !s.liked, s.liked)
		}
	}
}

func liked(m chat.Message, by chat.UserID) bool {
	return slices.ContainsFunc(m.Reactions, func(r chat.Reaction) bool { return slices.Contains(r.Users, by) })
}

// entry compares a member's unread numbers with a recount of the messages.
func (v *verdict) entry(s *store.Store, r *room, p *person, msgs []chat.Message, grace time.Duration) {
	mark := r.read[p]
	if len(msgs) > 0 && msgs[0].Kind == chat.KindSystem {
		mark = max(mark, 1) // what was before one came is read
	}
	for _, m := range msgs {
		if m.Sender == p.id && m.Kind != chat.KindSystem {
			mark = max(mark, m.Seq)
		}
	}
	unread, mentions := chat.Count(0), 0
	for _, m := range msgs {
		if m.Seq <= mark || m.Kind == chat.KindSystem {
			continue
		}
		unread++
		if said := r.words[m.ClientMsgID]; said != nil && m.Sender != p.id && slices.Contains(said.mentions, p.id) {
			mentions++
		}
	}
	var e chat.InboxEntry
	right := func() bool {
		page, err := s.Inbox(context.Background(), p.id, 0, 500)
		if i := slices.IndexFunc(page.Entries, func(e chat.InboxEntry) bool { return e.Channel == r.id }); err == nil && i >= 0 {
			e = page.Entries[i]
		}
		return int(e.LastSeq) == len(msgs) && e.LastCount-e.ReadCount == unread && e.Mentions == mentions
	}
	for end := time.Now().Add(grace); !right(); rest(context.Background(), 50*time.Millisecond) {
		if time.Now().After(end) {
			v.say(&v.unread, "person %d in room %v: %d unread and %d mentions to %d, a recount has %d and %d to %d (read to %d)",
				p.i, r.id, e.LastCount-e.ReadCount, e.Mentions, e.LastSeq, unread, mentions, len(msgs), mark)
			return
		}
	}
}

// home looks at a person's own rows.
func (v *verdict) home(s *store.Store, p *person) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	self, err := s.Self(ctx, p.id)
	if err != nil || self.DisplayName != p.name {
		v.say(&v.homes, "person %d is called %q, acknowledged was %q (%v)", p.i, self.DisplayName, p.name, err)
	}
	for token, good := range p.logins {
		if _, err := s.Authenticate(ctx, p.id, token); (err == nil) != good {
			v.say(&v.homes, "person %d: a login that is good: %t, says %v", p.i, good, err)
		}
	}
}

// quiet waits until nothing is owed to anybody; it says what is.
func (w *town) quiet(most time.Duration) string {
	for end := time.Now().Add(most); ; rest(context.Background(), 20*time.Millisecond) {
		left := 0
		for _, at := range w.posts {
			w.with(at, func(ctx context.Context, conn *pgx.Conn) error {
				var n int
				err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM control.fanout_pending) + (SELECT count(*) FROM data.effects e
					JOIN control.partition_owner o USING (partition) WHERE o.state = 'active')`).Scan(&n)
				left += n
				return err
			})
		}
		if left == 0 {
			return ""
		}
		if time.Now().After(end) {
			return fmt.Sprintf("%d fan-outs and effects are left after %v", left, most)
		}
	}
}
