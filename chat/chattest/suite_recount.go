package chattest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"gori/chat"
)

// recount does random things to a group and then works every number of every
// inbox out anew, from nothing but the history and the read marks.
func recount(b *bench) {
	for seed := range uint64(3) {
		b.recount(rand.New(rand.NewPCG(seed, 1)), fmt.Sprintf("seed %d", seed))
	}
}

func (b *bench) recount(rnd *rand.Rand, name string) {
	b.Helper()
	u := b.users(name[5:]+"a", name[5:]+"b", name[5:]+"c")
	ch := b.group(u[0], u[1], u[2])
	roots := []chat.Seq{}
	threadRead := map[chat.UserID]map[chat.Seq]chat.Seq{u[0]: {}, u[1]: {}, u[2]: {}}
	for range 60 {
		who := u[rnd.IntN(len(u))]
		last := chat.Seq(len(b.all(ch, who)))
		switch op := rnd.IntN(10); {
		case op < 5:
			d := b.draft(ch, who, "text")
			if rnd.IntN(3) == 0 {
				d.Mentions = []chat.UserID{u[rnd.IntN(len(u))]}
			}
			d.MentionAll = rnd.IntN(6) == 0
			r := b.append(d)[0]
			if rnd.IntN(3) == 0 {
				roots = append(roots, r.Seq)
			}
		case op < 7 && len(roots) > 0:
			root := roots[rnd.IntN(len(roots))]
			var mentions []chat.UserID
			if rnd.IntN(3) == 0 {
				mentions = []chat.UserID{u[rnd.IntN(len(u))]}
			}
			b.reply(ch, root, who, mentions...)
		case op == 7 && len(roots) > 0:
			root := roots[rnd.IntN(len(roots))]
			seq := 1 + rnd.Int64N(int64(last))
			b.settled(who, ch)
			_, moved, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: who, Channel: ch, Thread: root, Seq: chat.Seq(seq)})
			b.must(err)
			if moved {
				threadRead[who][root] = max(threadRead[who][root], chat.Seq(seq))
			}
		default:
			seq := 1 + rnd.Int64N(int64(last))
			b.settled(who, ch)
			_, _, err := b.Inboxes.MarkRead(b.ctx, chat.ReadMark{User: who, Channel: ch, Seq: chat.Seq(seq)})
			b.must(err)
		}
	}
	for _, who := range u {
		e := b.settled(who, ch)
		all := b.all(ch, who)
		want(b, name+": unread", unreadOf(e), countUnread(all, e.ReadSeq))
		want(b, name+": mentions", e.Mentions, countMentions(all, who, e.ReadSeq))
		for _, root := range roots {
			n := countThread(all, who, root, threadRead[who][root])
			want(b, fmt.Sprintf("%s: thread %d unread", name, root), threadOf(e, root).Unread, n)
		}
	}
}

func countUnread(all []chat.Message, read chat.Seq) (n chat.Count) {
	for _, m := range all {
		if m.Seq > read && m.Kind == chat.KindText && m.Thread == 0 {
			n++
		}
	}
	return n
}

func countMentions(all []chat.Message, who chat.UserID, read chat.Seq) (n int) {
	for _, m := range all {
		if m.Seq > read && m.Thread == 0 && m.Sender != who && (m.MentionAll || slices.Contains(m.Mentions, who)) {
			n++
		}
	}
	return n
}

// countThread counts the unread replies of a thread, if who follows it.
func countThread(all []chat.Message, who chat.UserID, root, read chat.Seq) (n chat.Count) {
	follows := all[root-1].Sender == who
	for _, m := range all {
		switch {
		case m.Thread != root:
			continue
		case m.Sender == who:
			follows, n = true, 0
			continue
		case slices.Contains(m.Mentions, who):
			follows = true
		}
		if follows && m.Seq > read {
			n++
		}
	}
	return n
}
