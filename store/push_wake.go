package store

import (
	"cmp"
	"slices"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

// sqlWake notes news for members who have a device and want to be told. Where
// nobody on the shard has one, it does nothing at all. It answers a row if some
// are due at once, as those of bots are.
const sqlWake = `WITH woken AS (
		INSERT INTO data.push_wakes AS w (partition, user_id, channel_id, seq, thread_seq, mention_seq, due_at)
		SELECT k.p, k.usr, k.ch, k.seq, k.thread, k.mention, now() + CASE d.kind WHEN 3 THEN interval '0' ELSE $7::interval END
		FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS k(p, usr, ch, seq, thread, mention)
		CROSS JOIN LATERAL (SELECT max(d.kind) AS kind FROM data.push_devices d WHERE d.partition = k.p AND d.user_id = k.usr) d
		CROSS JOIN LATERAL (SELECT i.level, i.kind FROM data.inbox i
			WHERE i.partition = k.p AND i.user_id = k.usr AND i.channel_id = k.ch AND i.member LIMIT 1) i
		WHERE EXISTS (SELECT FROM data.push_devices) AND d.kind IS NOT NULL
			AND CASE WHEN d.kind = 3 THEN k.mention > 0 OR i.kind = $8 WHEN i.level = $9 THEN true WHEN i.level = $10 THEN k.mention > 0 ELSE false END
		ON CONFLICT (partition, user_id, channel_id) DO UPDATE SET seq = greatest(w.seq, excluded.seq),
			thread_seq = greatest(w.thread_seq, excluded.thread_seq), mention_seq = greatest(w.mention_seq, excluded.mention_seq),
			news_at = now(), due_at = least(w.due_at, excluded.due_at)
		RETURNING w.due_at)
	SELECT 1 FROM woken WHERE due_at <= now() LIMIT 1`

// sqlOwnSeen takes back what devices were told of a channel where their user
// has written since, and so read.
const sqlOwnSeen = `SELECT control.push_seen(k.p, k.usr, k.ch, k.seq)
	FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) AS k(p, usr, ch, seq)
	WHERE EXISTS (SELECT FROM data.push_jobs) AND EXISTS (SELECT FROM data.push_jobs j
		WHERE j.partition = k.p AND j.user_id = k.usr AND j.channel_id = k.ch AND j.sent_seq > j.cleared AND j.sent_seq <= k.seq)`

// sqlMarkSeen is sqlOwnSeen for one read mark.
const sqlMarkSeen = `SELECT control.push_seen($1, $2, $3, $4) WHERE EXISTS (SELECT FROM data.push_jobs j
	WHERE j.partition = $1 AND j.user_id = $2 AND j.channel_id = $3 AND j.sent_seq > j.cleared AND j.sent_seq <= $4)`

// others are the newest messages of a channel's news by anyone, and by anyone
// but the writer of that one.
type others struct {
	seq, second chat.Seq
	by          chat.UserID
}

func othersOf(n *channelNews) others {
	var o others
	for _, m := range n.own {
		switch {
		case m.user == o.by:
			o.seq = max(o.seq, m.seq)
		case m.seq > o.seq:
			o.second, o.seq, o.by = o.seq, m.seq, m.user
		default:
			o.second = max(o.second, m.seq)
		}
	}
	return o
}

// wakeFor returns the newest messages that concern u: in the channel itself, in
// a followed thread, mentioning u; 0: none.
func (n *channelNews) wakeFor(u chat.UserID, o others) (seq, thread, mention chat.Seq) {
	seq = o.seq
	if o.by == u {
		seq = o.second
	}
	for _, t := range n.threads {
		if t.user == u && t.lastSeq > t.ownSeq {
			thread = max(thread, t.lastSeq)
		}
	}
	for _, m := range n.mentions {
		if m.sender != u && (m.user == u || m.user == 0 && n.hears(u, m.root)) {
			mention = max(mention, m.seq)
		}
	}
	return seq, thread, mention
}

// pushStatements are what an inbox transaction has queued for pushes.
type pushStatements struct{ wakes, seen bool }

// queuePushes adds the statements that note news, and that take back what was
// told. Wakes come before jobs, and both in the order of their keys, as
// everybody locks them.
func (s *Store) queuePushes(b *pgx.Batch, rows []inboxRow) pushStatements {
	return pushStatements{wakes: s.queueWakes(b, rows), seen: queueSeen(b, rows)}
}

// scan reads the results, and tells whether some pushes are due at once.
func (p pushStatements) scan(br pgx.BatchResults) (urgent bool, err error) {
	if p.wakes {
		tag, err := br.Exec()
		if err != nil {
			return false, err
		}
		urgent = tag.RowsAffected() > 0
	}
	if p.seen {
		_, err = br.Exec()
	}
	return urgent, err
}

// queueSeen adds the statement for those who have written, if there are any.
func queueSeen(b *pgx.Batch, rows []inboxRow) bool {
	var wrote []inboxRow
	for _, r := range rows {
		if r.own.seq > 0 {
			wrote = append(wrote, r)
		}
	}
	if len(wrote) == 0 {
		return false
	}
	slices.SortFunc(wrote, func(x, y inboxRow) int {
		return cmp.Or(compareKeys(x.inboxKey, y.inboxKey), cmp.Compare(x.n.news.channel, y.n.news.channel))
	})
	n := len(wrote)
	ps, users, channels, seqs := make([]int32, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, r := range wrote {
		ps[i], users[i], channels[i], seqs[i] = int32(r.p), int64(r.user), int64(r.n.news.channel), int64(r.own.seq)
	}
	b.Queue(sqlOwnSeen, ps, users, channels, seqs)
	return true
}

// queueWakes adds the statement that notes news for those who are to be told,
// if there are any.
func (s *Store) queueWakes(b *pgx.Batch, rows []inboxRow) bool {
	newest := map[*homeNews]others{}
	var ps []int32
	var users, channels, seqs, threads, mentions []int64
	for _, r := range rows {
		if len(r.n.news.own) == 0 && len(r.n.news.threads) == 0 {
			continue // nothing was written, only altered
		}
		o, known := newest[r.n]
		if !known {
			o = othersOf(&r.n.news)
			newest[r.n] = o
		}
		seq, thread, mention := r.n.news.wakeFor(r.user, o)
		if seq == 0 && thread == 0 && mention == 0 {
			continue
		}
		ps, users, channels = append(ps, int32(r.p)), append(users, int64(r.user)), append(channels, int64(r.n.news.channel))
		seqs, threads, mentions = append(seqs, int64(seq)), append(threads, int64(thread)), append(mentions, int64(mention))
	}
	if len(ps) == 0 {
		return false
	}
	b.Queue(sqlWake, ps, users, channels, seqs, threads, mentions, s.cfg.PushGrace,
		int16(chat.KindDirect), int16(chat.LevelAll), int16(chat.LevelMentions))
	return true
}
