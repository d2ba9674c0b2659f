package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

// fanRange bounds the messages that one fan-out reads; a longer range is left
// to several.
const fanRange = 1000

// load reads what a fan-out request is about and spreads it.
func (f *fanOut) load(ctx context.Context, r fanRequest) error {
	for r.to-r.from >= fanRange {
		// All but the last stretch only bring mentions and threads.
		first := r
		first.to = r.from + fanRange - 1
		r.ref.add()
		if err := f.loadRange(ctx, first); err != nil {
			r.ref.left.Add(-1) // the caller still holds its own part
			return err
		}
		r.from += fanRange
	}
	return f.loadRange(ctx, r)
}

func (f *fanOut) loadRange(ctx context.Context, r fanRequest) error {
	n, err := f.readNews(ctx, r)
	if err != nil {
		return err
	}
	if n == nil { // no such channel
		r.ref.done()
		return nil
	}
	members, err := f.s.roster(ctx, r.channel, n.memberVersion)
	if err != nil {
		return err
	}
	f.spreadTo(n, members, r.ref)
	return nil
}

// sqlNews reads a channel's state in one statement, so that what belongs
// together is of one moment.
const sqlNews = `SELECT c.kind, c.name, c.user_a, c.user_b, c.member_version, c.last_seq, c.last_count, c.last_change,
		coalesce(m.created_at, c.last_at), coalesce(m.sender_id, 0), coalesce(m.seq, 0),
		CASE WHEN m.deleted_at IS NULL AND m.kind = 0 THEN left(m.body, $3) ELSE '' END, coalesce(m.kind, 0), m.system
	FROM data.channels c
	LEFT JOIN LATERAL (SELECT * FROM data.messages m WHERE m.partition = c.partition AND m.channel_id = c.channel_id
		AND m.thread IS NULL ORDER BY m.seq DESC LIMIT 1) m ON true
	WHERE c.partition = $1 AND c.channel_id = $2`

const sqlNewMessages = `SELECT seq, count, sender_id, kind, coalesce(thread, 0), coalesce(thread_count, 0), mentions, mention_all
	FROM data.messages WHERE partition = $1 AND channel_id = $2 AND seq BETWEEN $3 AND $4 ORDER BY seq`

const sqlFollowers = `SELECT f.user_id, f.root_seq, t.last_seq, t.count, f.since_count
	FROM data.thread_followers f
	JOIN data.threads t ON t.partition = f.partition AND t.channel_id = f.channel_id AND t.root_seq = f.root_seq
	WHERE f.partition = $1 AND f.channel_id = $2 AND f.root_seq = ANY ($3)`

func (f *fanOut) readNews(ctx context.Context, r fanRequest) (*channelNews, error) {
	p := partitionOf(r.channel)
	var n *channelNews
	err := f.s.read(ctx, p, func(ctx context.Context, q querier) error {
		n = &channelNews{channel: r.channel, from: r.from}
		var at time.Time
		var preview *string
		var system *chat.System
		err := q.QueryRow(ctx, sqlNews, int32(p), int64(r.channel), 2*chat.PreviewChars).Scan(&n.kind, &n.name, &n.pair[0], &n.pair[1],
			&n.memberVersion, &n.lastSeq, &n.lastCount, &n.lastChange, &at, &n.lastSender, &n.previewSeq, &preview, &n.previewKind, &system)
		if err == pgx.ErrNoRows {
			n = nil
			return nil
		}
		if err != nil {
			return err
		}
		n.lastAt = chat.MillisOf(at)
		if preview != nil {
			n.preview = chat.Preview(*preview)
		}
		if system != nil {
			n.preview = system.Preview()
		}
		if r.from == 0 {
			return nil
		}
		roots, err := n.readMessages(ctx, q, r)
		if err != nil || len(roots) == 0 {
			return err
		}
		return n.readFollowers(ctx, q, roots)
	})
	return n, err
}

// readMessages takes in the new messages: who wrote, who was mentioned. It
// returns the threads that have new replies, with the last reply of each writer.
func (n *channelNews) readMessages(ctx context.Context, q querier, r fanRequest) (map[chat.Seq]map[chat.UserID]ownMark, error) {
	rows, err := q.Query(ctx, sqlNewMessages, int32(partitionOf(n.channel)), int64(n.channel), int64(r.from), int64(r.to))
	if err != nil {
		return nil, err
	}
	roots := map[chat.Seq]map[chat.UserID]ownMark{}
	var (
		seq, root    chat.Seq
		count, reply chat.Count
		sender       chat.UserID
		kind         chat.MessageKind
		mentions     []int64
		all          bool
	)
	_, err = pgx.ForEachRow(rows, []any{&seq, &count, &sender, &kind, &root, &reply, &mentions, &all}, func() error {
		if root != 0 {
			if roots[root] == nil {
				roots[root] = map[chat.UserID]ownMark{}
			}
			roots[root][sender] = ownMark{sender, seq, reply} // in order of seq, so the last one
		} else if kind == chat.KindText {
			n.own = append(n.own, ownMark{sender, seq, count})
		}
		for _, u := range mentions {
			n.mentions = append(n.mentions, mentionMark{chat.UserID(u), sender, seq, root, reply})
		}
		if all {
			n.mentions = append(n.mentions, mentionMark{0, sender, seq, root, reply})
		}
		return nil
	})
	return roots, err
}

func (n *channelNews) readFollowers(ctx context.Context, q querier, writers map[chat.Seq]map[chat.UserID]ownMark) error {
	var roots []int64
	for root := range writers {
		roots = append(roots, int64(root))
	}
	rows, err := q.Query(ctx, sqlFollowers, int32(partitionOf(n.channel)), int64(n.channel), roots)
	if err != nil {
		return err
	}
	var m threadMark
	_, err = pgx.ForEachRow(rows, []any{&m.user, &m.root, &m.lastSeq, &m.lastCount, &m.readCount}, func() error {
		// What someone has written he has read, with what was before it.
		own := writers[m.root][m.user]
		m.readCount, m.ownSeq = max(m.readCount, own.count), own.seq
		n.threads = append(n.threads, m)
		return nil
	})
	return err
}

// adopt makes inbox rows for members who have none, and then applies the news
// to them.
func (f *fanOut) adopt(n *homeNews) {
	f.queue(fanJob{refs: n.refs, do: func(ctx context.Context) error { return f.makeEntries(ctx, n) }})
}

// newEntry is the place of a member in a channel, as the channel knows it.
type newEntry struct {
	user  chat.UserID
	seq   chat.Seq
	count chat.Count
}

func (f *fanOut) makeEntries(ctx context.Context, n *homeNews) error {
	p := partitionOf(n.news.channel)
	users := make([]int64, len(n.part.users))
	for i, u := range n.part.users {
		users[i] = int64(u)
	}
	var version int64
	var found []newEntry
	err := f.s.read(ctx, p, func(ctx context.Context, q querier) error {
		found = nil
		rows, err := q.Query(ctx, `SELECT c.member_version, m.user_id, m.joined_seq, m.joined_count
			FROM data.channels c JOIN data.members m ON m.partition = c.partition AND m.channel_id = c.channel_id
			WHERE c.partition = $1 AND c.channel_id = $2 AND m.user_id = ANY ($3)`, int32(p), int64(n.news.channel), users)
		if err != nil {
			return err
		}
		var e newEntry
		_, err = pgx.ForEachRow(rows, []any{&version, &e.user, &e.seq, &e.count}, func() error {
			found = append(found, e)
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	part := homePart{rosterVersion: n.part.rosterVersion}
	for _, e := range found {
		if err := f.makeEntry(ctx, n, e, version); err != nil {
			return err
		}
		part.users, part.homes = append(part.users, e.user), append(part.homes, partitionOf(e.user))
	}
	// The ones who are no members any more need nothing.
	for _, r := range n.refs {
		r.add()
	}
	f.spreadNews(&homeNews{news: n.news, part: part, refs: n.refs, adopted: true})
	for _, r := range n.refs {
		r.done()
	}
	return nil
}

// makeEntry makes one member's inbox row, or brings back the one of someone who
// had left, unless he has left again since.
func (f *fanOut) makeEntry(ctx context.Context, n *homeNews, e newEntry, version int64) error {
	p := partitionOf(e.user)
	peer := chat.UserID(0)
	if n.news.kind == chat.KindDirect {
		peer = n.news.pair[0] + n.news.pair[1] - e.user
	}
	return f.s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		var pos int64
		err := tx.QueryRow(ctx, `INSERT INTO data.user_state AS u (partition, user_id, inbox_pos) VALUES ($1, $2, 1)
			ON CONFLICT (partition, user_id) DO UPDATE SET inbox_pos = u.inbox_pos + 1 RETURNING inbox_pos`, int32(p), int64(e.user)).Scan(&pos)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO data.inbox AS i (partition, user_id, channel_id, kind, peer_id, name, member, member_as_of, pos,
				last_seq, last_count, read_seq, read_count, joined_seq)
			VALUES ($1, $2, $3, $4, $5, $6, true, $7, $8, $9, $10, $9, $10, $9)
			ON CONFLICT (partition, user_id, channel_id) DO UPDATE SET member = true, member_as_of = excluded.member_as_of, joined_seq = excluded.joined_seq,
				kind = excluded.kind, peer_id = excluded.peer_id, name = excluded.name, pos = excluded.pos,
				read_seq = greatest(i.read_seq, excluded.read_seq), read_count = greatest(i.read_count, excluded.read_count)
			WHERE NOT i.member AND i.member_as_of < excluded.member_as_of`,
			int32(p), int64(e.user), int64(n.news.channel), int16(n.news.kind), int64(peer), n.news.name, version, pos, int64(e.seq), int64(e.count))
		return err
	})
}
