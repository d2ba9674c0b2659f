package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// Miscount is a person's numbers in a channel that are not what its messages and
// the person's read mark come to.
type Miscount struct {
	Home         shard.ID `json:"home"` // the shard that keeps the numbers
	User         int64    `json:"user,string"`
	Channel      int64    `json:"channel,string"`
	ReadSeq      int64    `json:"read_seq"`
	LastSeq      int64    `json:"last_seq"` // as far as the person's list knows
	Unread       int64    `json:"unread"`
	WantUnread   int64    `json:"want_unread"`
	Mentions     int64    `json:"mentions"`
	WantMentions int64    `json:"want_mentions"`
	Mended       bool     `json:"mended"`
}

const (
	recountAtOnce = 1000 // entries of inboxes
	maxMiscounts  = 1000 // told, and mended at once
)

// place is an entry of an inbox, with what it says and what it should.
type place struct {
	part, channelPart                  int32
	user, channel                      int64
	lastSeq, lastCount, readSeq, count int64 // count is that at the read mark
	mentions                           int64
	wantLast, wantUnread, wantMentions int64
}

func (e *place) right() bool {
	return e.lastCount == e.wantLast && e.lastCount-e.count == e.wantUnread && e.mentions == e.wantMentions
}

func (e *place) miscount(home shard.ID) Miscount {
	return Miscount{Home: home, User: e.user, Channel: e.channel, ReadSeq: e.readSeq, LastSeq: e.lastSeq, Unread: e.lastCount - e.count,
		WantUnread: e.wantUnread, Mentions: e.mentions, WantMentions: e.wantMentions}
}

// unread counts for everybody in every channel again what is unread, from the
// messages up to the last one that the person's list knows of. Those do not
// change, so a system in use does not disturb it. Inboxes are read some at a
// time, and their messages counted where the channels are.
func (x *exam) unread(ctx context.Context, list []*patient) {
	if x.Ring != nil && x.Ring.Plan != nil {
		x.add(Finding{Check: "unread", Level: Note, What: "was not counted: a reshard is under way", Do: "look again when it is done"})
		return
	}
	r := &recount{exam: x, at: map[int32]*patient{}}
	for _, p := range list {
		for _, part := range p.served {
			r.at[part] = p
		}
	}
	for _, p := range list {
		if err := r.home(ctx, p); err != nil {
			p.try("unread", err)
			return
		}
	}
	if err := r.again(ctx); err != nil {
		x.add(Finding{Check: "unread", Level: Warning, What: "could not be counted: " + err.Error()})
		return
	}
	if r.tell(ctx); len(r.wrong) == 0 {
		x.add(Finding{Check: "unread", Level: OK, What: fmt.Sprintf("is what the messages come to, for each of %d places of people in channels", r.counted)})
	}
}

// recount is one count of all places.
type recount struct {
	*exam
	at      map[int32]*patient // by partition
	counted int
	wrong   []wrong
	more    bool // there are more wrong ones than are looked after
}

type wrong struct {
	home *patient
	place
}

// sqlPlaces reads entries of inboxes in the order of the primary key.
const sqlPlaces = `SELECT i.partition, i.user_id, i.channel_id, i.last_seq, i.last_count, i.read_seq, i.read_count,
		(SELECT count(*) FROM data.mentions m WHERE m.partition = i.partition AND m.user_id = i.user_id AND m.channel_id = i.channel_id
			AND m.root_seq = 0 AND m.seq > i.read_seq AND m.seq <= i.last_seq)
	FROM data.inbox i WHERE i.member AND i.read_seq <= i.last_seq AND `

func (p *patient) places(ctx context.Context, which string, args ...any) ([]place, error) {
	rows, err := p.conn.Query(ctx, sqlPlaces+which, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e place, err error) {
		err = row.Scan(&e.part, &e.user, &e.channel, &e.lastSeq, &e.lastCount, &e.readSeq, &e.count, &e.mentions)
		e.channelPart = int32(shard.Of(e.channel))
		return e, err
	})
}

// home counts for those whose home is one shard.
func (r *recount) home(ctx context.Context, p *patient) error {
	for _, part := range p.served {
		user, channel := int64(0), int64(0)
		for !r.more {
			page, err := p.places(ctx, "i.partition = $1 AND (i.user_id, i.channel_id) > ($2, $3) ORDER BY i.user_id, i.channel_id LIMIT $4",
				part, user, channel, recountAtOnce)
			if err != nil {
				return err
			}
			if err := r.judge(ctx, p, page); err != nil {
				return err
			}
			if len(page) < recountAtOnce {
				break
			}
			last := page[len(page)-1]
			user, channel = last.user, last.channel
		}
	}
	return ctx.Err()
}

// judge counts places again and keeps those that are wrong.
func (r *recount) judge(ctx context.Context, p *patient, page []place) error {
	if err := r.count(ctx, page); err != nil {
		return err
	}
	r.counted += len(page)
	for _, e := range page {
		if e.right() {
			continue
		}
		if len(r.wrong) >= maxMiscounts {
			r.more = true
			return nil
		}
		r.wrong = append(r.wrong, wrong{p, e})
	}
	return nil
}

// sqlRecount counts, for each place, what was written in the channel itself
// beyond the read mark, and what of it names the person. It looks at what was
// written and not at the counts that messages carry, but for the last one's.
const sqlRecount = `SELECT k.i, coalesce((SELECT l.count FROM data.messages l WHERE l.partition = k.p AND l.channel_id = k.ch AND l.seq = k.last), 0), c.n, c.named
	FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS k(i, p, ch, usr, rd, last)
	CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE m.kind = 0) AS n,
			count(*) FILTER (WHERE m.sender_id <> k.usr AND (m.mention_all OR k.usr = ANY (m.mentions))) AS named
		FROM data.messages m WHERE m.partition = k.p AND m.channel_id = k.ch AND m.seq > k.rd AND m.seq <= k.last AND m.thread IS NULL) c`

// count asks the shards of the channels.
func (r *recount) count(ctx context.Context, page []place) error {
	asked := map[*patient][]int32{}
	for i := range page {
		if p := r.at[page[i].channelPart]; p != nil {
			asked[p] = append(asked[p], int32(i))
		} else {
			e := &page[i] // nobody serves it: that is told elsewhere
			e.wantLast, e.wantUnread, e.wantMentions = e.lastCount, e.lastCount-e.count, e.mentions
		}
	}
	for p, which := range asked {
		var parts []int32
		var channels, users, read, last []int64
		for _, i := range which {
			e := page[i]
			parts, channels, users = append(parts, e.channelPart), append(channels, e.channel), append(users, e.user)
			read, last = append(read, e.readSeq), append(last, e.lastSeq)
		}
		rows, err := p.conn.Query(ctx, sqlRecount, which, parts, channels, users, read, last)
		if err != nil {
			return err
		}
		var i int32
		var at, n, named int64
		if _, err := pgx.ForEachRow(rows, []any{&i, &at, &n, &named}, func() error {
			page[i].wantLast, page[i].wantUnread, page[i].wantMentions = at, n, named
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// again looks a second time at what was wrong, some time later: what two nodes
// bring to one inbox may arrive in another order.
func (r *recount) again(ctx context.Context) error {
	if len(r.wrong) == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.Settle):
	}
	first := r.wrong
	r.wrong = nil
	for _, w := range first {
		page, err := w.home.places(ctx, "i.partition = $1 AND i.user_id = $2 AND i.channel_id = $3", w.part, w.user, w.channel)
		if err != nil {
			return err
		}
		r.counted -= len(page)
		if err := r.judge(ctx, w.home, page); err != nil {
			return err
		}
	}
	return nil
}

// tell notes what is wrong, and mends it if that is wished.
func (r *recount) tell(ctx context.Context) {
	by := map[*patient][]Miscount{}
	for _, w := range r.wrong {
		m := w.miscount(w.home.ID)
		if r.Fix {
			err := r.mend(ctx, w)
			if m.Mended = err == nil; err != nil {
				w.home.try("unread", err)
			}
		}
		by[w.home] = append(by[w.home], m)
		r.miscounts = append(r.miscounts, m)
	}
	for p, list := range by {
		const meaning = "these people see a wrong number beside these channels"
		m := list[0]
		what := fmt.Sprintf("is wrong in %d places; the first is user %d in channel %d: unread %d instead of %d, mentions %d instead of %d (read to %d of %d)",
			len(list), m.User, m.Channel, m.Unread, m.WantUnread, m.Mentions, m.WantMentions, m.ReadSeq, m.LastSeq)
		if r.more {
			what += "; there are more"
		}
		if r.Fix && !slices.ContainsFunc(list, func(m Miscount) bool { return !m.Mended }) {
			p.say("unread", Warning, what+": mended", meaning, "look again")
		} else {
			p.say("unread", Problem, what, meaning, "gori doctor --fix counts them anew; --json names all")
		}
	}
}
