package store

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// sqlTakePos locks the users' counters, in order, and advances each by the
// number of entries that are about to change. Whoever changes an inbox takes
// this lock first, so a user's positions are committed in their order.
const sqlTakePos = `UPDATE data.user_state u SET inbox_pos = u.inbox_pos + k.n
	FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS k(p, usr, n)
	WHERE u.partition = k.p AND u.user_id = k.usr`

// sqlFollow brings threads to their followers who have an entry. What is not
// newer than their membership is late news of an earlier one.
const sqlFollow = `INSERT INTO data.thread_inbox AS t (partition, user_id, channel_id, root_seq, last_seq, last_count, read_count)
	SELECT k.p, k.usr, k.ch, k.root, k.seq, k.n, k.rd
	FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) AS k(p, usr, ch, root, seq, n, rd)
	CROSS JOIN LATERAL (SELECT i.joined_seq FROM data.inbox i
		WHERE i.partition = k.p AND i.user_id = k.usr AND i.channel_id = k.ch AND i.member LIMIT 1) i
	WHERE k.seq > i.joined_seq
	ON CONFLICT (partition, user_id, channel_id, root_seq) DO UPDATE SET last_seq = greatest(t.last_seq, excluded.last_seq),
		last_count = greatest(t.last_count, excluded.last_count), read_count = greatest(t.read_count, excluded.read_count)`

// sqlMention notes mentions that are not read yet, of members who have an entry.
const sqlMention = `INSERT INTO data.mentions (partition, user_id, channel_id, seq, root_seq)
	SELECT k.p, k.usr, k.ch, k.seq, k.root
	FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) AS k(p, usr, ch, seq, root, n)
	CROSS JOIN LATERAL (SELECT i.read_seq, i.joined_seq FROM data.inbox i
		WHERE i.partition = k.p AND i.user_id = k.usr AND i.channel_id = k.ch AND i.member LIMIT 1) i
	LEFT JOIN LATERAL (SELECT t.read_count FROM data.thread_inbox t WHERE k.root > 0
		AND t.partition = k.p AND t.user_id = k.usr AND t.channel_id = k.ch AND t.root_seq = k.root LIMIT 1) t ON true
	WHERE CASE WHEN k.root = 0 THEN k.seq > i.read_seq ELSE k.n > coalesce(t.read_count, 0) AND k.seq > i.joined_seq END
	ON CONFLICT DO NOTHING`

// sqlUnmention takes away the mentions in a thread that its user has passed by
// replying. Those in the channel itself count only beyond the read mark.
const sqlUnmention = `DELETE FROM data.mentions m
	USING unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS k(p, usr, ch, root, seq)
	WHERE m.partition = k.p AND m.user_id = k.usr AND m.channel_id = k.ch AND m.root_seq = k.root AND m.seq <= k.seq`

// sqlInbox brings the entries of members to the state given, where they do not
// have a newer one: the counters only grow, the preview follows its message and
// its last alteration, the name the last message.
const sqlInbox = `UPDATE data.inbox i SET
		pos = u.inbox_pos - d.back,
		name = CASE WHEN d.seq >= i.last_seq THEN d.name ELSE i.name END,
		last_at = CASE WHEN d.pseq > i.preview_seq THEN d.at ELSE i.last_at END,
		last_sender = CASE WHEN d.pseq > i.preview_seq THEN d.sender ELSE i.last_sender END,
		preview_kind = CASE WHEN d.pseq > i.preview_seq THEN d.pkind ELSE i.preview_kind END,
		preview = CASE WHEN d.pseq > i.preview_seq OR d.pseq = i.preview_seq AND d.chg > i.last_change THEN d.preview ELSE i.preview END,
		preview_seq = greatest(i.preview_seq, d.pseq),
		last_seq = greatest(i.last_seq, d.seq),
		last_count = greatest(i.last_count, d.n),
		last_change = greatest(i.last_change, d.chg),
		read_seq = greatest(i.read_seq, d.own_seq),
		read_count = greatest(i.read_count, d.own_count)
	FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::timestamptz[], $10::bigint[], $11::bigint[], $12::text[], $13::smallint[], $14::bigint[], $15::bigint[])
		AS d(p, usr, ch, back, name, seq, n, chg, at, sender, pseq, preview, pkind, own_seq, own_count)
	CROSS JOIN LATERAL (SELECT u.inbox_pos FROM data.user_state u WHERE u.partition = d.p AND u.user_id = d.usr LIMIT 1) u
	WHERE i.partition = d.p AND i.user_id = d.usr AND i.channel_id = d.ch AND i.member
	RETURNING i.user_id, ` + entryColumns

// inboxRow is one entry about to change.
type inboxRow struct {
	inboxKey
	n    *homeNews
	own  ownMark
	back int64
}

// transact writes a batch in one transaction and one round trip and tells the
// users. It returns the members who have no entry yet.
func (h *home) transact(ctx context.Context, batch []*homeNews) (map[*homeNews]homePart, error) {
	ctx, done, err := h.sh.during(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := h.hot.get(ctx)
	if err != nil {
		return nil, err
	}
	rows := inboxRows(batch)
	b := &pgx.Batch{}
	queueRows(b, h.s.gateSQL, rows)
	extras := queueMarks(b, batch)
	pushes := h.s.queuePushes(b, rows)
	queueEntries(b, rows)

	br := conn.SendBatch(ctx, b)
	defer br.Close()
	for range 2 + extras {
		if _, err := br.Exec(); err != nil {
			return nil, err
		}
	}
	urgent, err := pushes.scan(br)
	if err != nil {
		return nil, err
	}
	res, err := br.Query()
	if err != nil {
		return nil, err
	}
	notices, err := scanNotices(res, len(rows))
	if err != nil {
		return nil, err
	}
	if err := br.Close(); err != nil {
		return nil, err
	}
	h.sh.heard()
	h.s.count.homeBatches.Add(1)
	h.s.count.entries.Add(int64(len(rows)))
	if len(notices) > 0 {
		h.s.cfg.OnInbox(notices)
	}
	if urgent {
		h.s.cfg.OnWake()
	}
	return missingRows(rows, notices), nil
}

func scanNotices(rows pgx.Rows, size int) ([]chat.InboxNotice, error) {
	notices := make([]chat.InboxNotice, 0, size)
	var user chat.UserID
	var r entryScan
	_, err := pgx.ForEachRow(rows, append([]any{&user}, r.fields()...), func() error {
		e, err := r.entry()
		notices = append(notices, chat.InboxNotice{User: user, Entry: e})
		return err
	})
	return notices, err
}

// inboxRows lists the entries to change in the order of locking.
func inboxRows(batch []*homeNews) []inboxRow {
	var rows []inboxRow
	for _, n := range batch {
		own := map[chat.UserID]ownMark{}
		for _, m := range n.news.own {
			if m.seq > own[m.user].seq {
				own[m.user] = m
			}
		}
		for i, u := range n.part.users {
			rows = append(rows, inboxRow{inboxKey: inboxKey{n.part.homes[i], u}, n: n, own: own[u]})
		}
	}
	slices.SortStableFunc(rows, func(a, b inboxRow) int { return compareKeys(a.inboxKey, b.inboxKey) })
	// The last entry of a user gets the new position, those before it the
	// ones before.
	for i := len(rows) - 2; i >= 0; i-- {
		if rows[i].inboxKey == rows[i+1].inboxKey {
			rows[i].back = rows[i+1].back + 1
		}
	}
	return rows
}

// queueRows passes the gate and takes positions.
func queueRows(b *pgx.Batch, gateSQL string, rows []inboxRow) {
	var ps, parts []int32
	var users, counts []int64
	for i, r := range rows {
		if i > 0 && rows[i-1].inboxKey == r.inboxKey {
			counts[len(counts)-1]++
			continue
		}
		if len(ps) == 0 || ps[len(ps)-1] != int32(r.p) {
			ps = append(ps, int32(r.p))
		}
		parts, users, counts = append(parts, int32(r.p)), append(users, int64(r.user)), append(counts, 1)
	}
	b.Queue(gateSQL, ps)
	b.Queue(sqlTakePos, parts, users, counts)
}

// markArgs are columns of marks.
type markArgs struct {
	p                               int32s
	user, channel, root, seq, count []int64
	read                            []int64
}

type int32s = []int32

func (a *markArgs) add(p shard.Partition, u chat.UserID, ch chat.ChannelID, root, seq chat.Seq, count, read chat.Count) {
	a.p = append(a.p, int32(p))
	a.user, a.channel = append(a.user, int64(u)), append(a.channel, int64(ch))
	a.root, a.seq = append(a.root, int64(root)), append(a.seq, int64(seq))
	a.count, a.read = append(a.count, int64(count)), append(a.read, int64(read))
}

// queueMarks adds the statements for threads and mentions, if there are any,
// and tells how many.
func queueMarks(b *pgx.Batch, batch []*homeNews) (statements int) {
	var follow, mention, passed markArgs
	for _, n := range batch {
		ch := n.news.channel
		for u, p := range n.part.among() {
			for _, t := range mergeThreads(n.news.threads, u) {
				follow.add(p, u, ch, t.root, t.lastSeq, t.lastCount, t.readCount)
				if t.ownSeq != 0 {
					passed.add(p, u, ch, t.root, t.ownSeq, 0, 0)
				}
			}
			for _, m := range n.news.mentions {
				if m.sender != u && (m.user == u || m.user == 0 && n.news.hears(u, m.root)) {
					mention.add(p, u, ch, m.root, m.seq, m.count, 0)
				}
			}
		}
	}
	if len(follow.p) > 0 {
		b.Queue(sqlFollow, follow.p, follow.user, follow.channel, follow.root, follow.seq, follow.count, follow.read)
		statements++
	}
	if len(mention.p) > 0 {
		b.Queue(sqlMention, mention.p, mention.user, mention.channel, mention.seq, mention.root, mention.count)
		statements++
	}
	if len(passed.p) > 0 {
		b.Queue(sqlUnmention, passed.p, passed.user, passed.channel, passed.root, passed.seq)
		statements++
	}
	return statements
}

// hears says whether u is among "all" in the thread, or in the channel itself.
func (n *channelNews) hears(u chat.UserID, root chat.Seq) bool {
	return root == 0 || slices.ContainsFunc(n.threads, func(t threadMark) bool { return t.user == u && t.root == root })
}

// among yields the members with their homes.
func (part homePart) among() func(yield func(chat.UserID, shard.Partition) bool) {
	return func(yield func(chat.UserID, shard.Partition) bool) {
		for i, u := range part.users {
			if !yield(u, part.homes[i]) {
				return
			}
		}
	}
}

// mergeThreads returns one mark for each thread that u follows.
func mergeThreads(marks []threadMark, u chat.UserID) []threadMark {
	var out []threadMark
	for _, m := range marks {
		if m.user != u {
			continue
		}
		i := slices.IndexFunc(out, func(o threadMark) bool { return o.root == m.root })
		if i < 0 {
			out = append(out, m)
			continue
		}
		o := &out[i]
		o.lastSeq, o.lastCount = max(o.lastSeq, m.lastSeq), max(o.lastCount, m.lastCount)
		o.readCount, o.ownSeq = max(o.readCount, m.readCount), max(o.ownSeq, m.ownSeq)
	}
	return out
}

func queueEntries(b *pgx.Batch, rows []inboxRow) {
	n := len(rows)
	var (
		ps                                                                      = make([]int32, n)
		users, chs, backs, seqs, counts, changes, senders, pseqs, own, ownCount = make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
		names, previews                                                         = make([]string, n), make([]string, n)
		ats                                                                     = make([]time.Time, n)
		kinds                                                                   = make([]int16, n)
	)
	for i, r := range rows {
		s := &r.n.news
		ps[i], users[i], chs[i], backs[i] = int32(r.p), int64(r.user), int64(s.channel), r.back
		names[i], seqs[i], counts[i], changes[i] = s.name, int64(s.lastSeq), int64(s.lastCount), int64(s.lastChange)
		ats[i], senders[i], pseqs[i], previews[i], kinds[i] = s.lastAt.Time(), int64(s.lastSender), int64(s.previewSeq), s.preview, int16(s.previewKind)
		own[i], ownCount[i] = int64(r.own.seq), int64(r.own.count)
	}
	b.Queue(sqlInbox, ps, users, chs, backs, names, seqs, counts, changes, ats, senders, pseqs, previews, kinds, own, ownCount)
}

// missingRows tells which entries were not there.
func missingRows(rows []inboxRow, notices []chat.InboxNotice) map[*homeNews]homePart {
	if len(notices) == len(rows) {
		return nil
	}
	type key struct {
		user    chat.UserID
		channel chat.ChannelID
	}
	found := make(map[key]bool, len(notices))
	for _, n := range notices {
		found[key{n.User, n.Entry.Channel}] = true
	}
	missing := map[*homeNews]homePart{}
	for _, r := range rows {
		if !found[key{r.user, r.n.news.channel}] {
			part := missing[r.n]
			part.rosterVersion = r.n.part.rosterVersion
			part.users, part.homes = append(part.users, r.user), append(part.homes, r.p)
			missing[r.n] = part
		}
	}
	return missing
}
