package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

// The statements of the hot path look rows up in LATERAL subqueries with a
// LIMIT, which leave the planner no choice but one look-up in the index for
// each argument: a plan made while a table was small stays good when it grows.

// sqlLockChannels locks the rows of the channels in the order of the
// arguments, which is that of the keys in every transaction, and reads what the
// fan-out needs. A lock is a write, so also a batch that only finds its like again
// is acknowledged no sooner than the standby has everything before it.
var sqlLockChannels = mutated(`SELECT c.*
	FROM unnest($1::int[], $2::bigint[]) AS k(p, ch)
	CROSS JOIN LATERAL (SELECT c.channel_id, c.kind, c.name, c.user_a, c.user_b, c.member_version, c.last_change
		FROM data.channels c WHERE c.partition = k.p AND c.channel_id = k.ch FOR NO KEY UPDATE) c`)

// What sqlAppend found out about a draft.
const (
	verdictNew       = 0
	verdictKnown     = 1
	verdictReused    = 2
	verdictNotMember = 3
	verdictMuzzled   = 4
	verdictNoReply   = 5
	verdictNoThread  = 6
)

// sqlAppend judges and stores drafts of channels whose rows are locked: each by
// itself, in the channel itself. The statement begins after the locks are held,
// so its snapshot shows everything committed before. Seqs are dense and
// messages are never taken away, so a message exists if its seq was given.
var sqlAppend = mutated(`WITH k AS MATERIALIZED (
	SELECT j.*, count(*) FILTER (WHERE verdict = 0) OVER (PARTITION BY p, ch ORDER BY i) AS n
	FROM (
		SELECT d.*, c.ctid AS tid, c.last_seq, c.last_count, greatest(c.last_at, now()) AS at,
			x.seq AS old_seq, x.count AS old_count, x.thread_count AS old_thread_count, x.created_at AS old_at,
			CASE WHEN x.seq IS NOT NULL THEN CASE WHEN x.digest = d.digest THEN 1 ELSE 2 END
				WHEN m.user_id IS NULL THEN 3
				WHEN m.muzzled THEN 4
				WHEN d.reply > c.last_seq THEN 5
				ELSE 0 END AS verdict
		FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::uuid[], $5::bigint[], $6::text[], $7::bigint[], $8::text[],
				$9::bool[], $10::timestamptz[])
			WITH ORDINALITY AS d(p, ch, sender, cid, digest, body, reply, mentions, mall, orig, i)
		LEFT JOIN LATERAL (SELECT c.ctid, c.last_seq, c.last_count, c.last_at FROM data.channels c
			WHERE c.partition = d.p AND c.channel_id = d.ch LIMIT 1) c ON true
		LEFT JOIN LATERAL (SELECT m.user_id, m.muzzled FROM data.members m
			WHERE m.partition = d.p AND m.channel_id = d.ch AND m.user_id = d.sender LIMIT 1) m ON true
		LEFT JOIN LATERAL (SELECT x.seq, x.count, x.thread_count, x.created_at, x.digest FROM data.messages x
			WHERE x.client_msg_id = d.cid AND x.sender_id = d.sender AND x.channel_id = d.ch LIMIT 1) x ON true
	) j
), ins AS (
	INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, body, created_at, orig_at,
		reply_to, mentions, mention_all)
	SELECT p, ch, last_seq + n, last_count + n, sender, cid, digest, body, at, orig, nullif(reply, 0), mentions::bigint[], mall
	FROM k WHERE verdict = 0
), up AS (
	UPDATE data.channels c SET last_seq = c.last_seq + s.n, last_count = c.last_count + s.n, last_at = s.at
	FROM (SELECT tid, max(n) AS n, max(at) AS at FROM k WHERE verdict = 0 GROUP BY tid) s
	WHERE c.ctid = s.tid -- the row is locked since before this statement, so it stays in its place
), own AS (
	UPDATE data.members m SET read_seq = s.seq
	FROM (SELECT p, ch, sender, max(last_seq + n) AS seq FROM k WHERE verdict = 0 GROUP BY p, ch, sender) s
	WHERE m.partition = s.p AND m.channel_id = s.ch AND m.user_id = s.sender
), pending AS (
	INSERT INTO control.fanout_pending (channels, from_seqs, to_seqs)
	SELECT array_agg(ch), array_agg(from_seq), array_agg(to_seq)
	FROM (SELECT ch, min(last_seq + n) AS from_seq, max(last_seq + n) AS to_seq FROM k WHERE verdict = 0 GROUP BY ch) s
	HAVING count(*) > 0
	RETURNING batch_id
)
SELECT i, verdict,
	CASE WHEN verdict = 0 THEN last_seq + n ELSE old_seq END,
	CASE WHEN verdict = 0 THEN last_count + n ELSE old_count END,
	old_thread_count,
	CASE WHEN verdict = 0 THEN at ELSE old_at END,
	coalesce((SELECT batch_id FROM pending), 0)
FROM k`)

const sqlSettled = `DELETE FROM control.fanout_pending WHERE batch_id = ANY ($1)`

// channelState is what sqlLockChannels read.
type channelState struct {
	kind          chat.ChannelKind
	name          string
	pair          [2]chat.UserID
	memberVersion int64
	lastChange    chat.Change
}

// outcome is what sqlAppend told about one draft.
type outcome struct {
	draft   *chat.Draft
	verdict int16
	receipt chat.Receipt
}

// transact stores calls in one transaction and one round trip, and ends them
// all. On an error nothing is stored and no call has ended, except that a
// failLost may have stored everything.
func (w *writer) transact(calls []*appendCall) error {
	ctx, done, err := w.sh.during(context.Background())
	if err != nil {
		w.fail(calls, err)
		return nil
	}
	defer done()
	conn, err := w.hot.get(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(calls, w.late) { // asked now, for to connect may have taken long, too
		return errTooLate
	}
	b, outcomes, full := w.prepare(calls)
	res, err := w.send(ctx, conn, b, outcomes, full)
	if err != nil {
		return err
	}
	w.sh.heard()
	w.settled = w.settled[:0]
	w.s.count.batches.Add(1)
	w.s.count.drafts.Add(int64(len(outcomes)))
	w.conclude(calls, outcomes, res)
	return nil
}

// late tells whether a call has waited too long.
func (w *writer) late(c *appendCall) bool { return w.s.now().Sub(c.asked) > tooLate }

// inTime ends the calls that have waited too long and returns the others.
func (w *writer) inTime(calls []*appendCall) (good []*appendCall) {
	for _, c := range calls {
		if w.late(c) {
			c.finish(errTooLate)
		} else {
			good = append(good, c)
		}
	}
	return good
}

// batchResult is what a committed batch told.
type batchResult struct {
	channels map[chat.ChannelID]channelState
	pending  int64 // row of control.fanout_pending, 0 if nothing was new
}

func (w *writer) send(ctx context.Context, conn *pgx.Conn, b *pgx.Batch, outcomes []outcome, full bool) (batchResult, error) {
	res := batchResult{channels: make(map[chat.ChannelID]channelState)}
	br := conn.SendBatch(ctx, b)
	defer br.Close()
	if _, err := br.Exec(); err != nil {
		return res, err
	}
	rows, err := br.Query()
	if err != nil {
		return res, err
	}
	for rows.Next() {
		var id chat.ChannelID
		var c channelState
		if err := rows.Scan(&id, &c.kind, &c.name, &c.pair[0], &c.pair[1], &c.memberVersion, &c.lastChange); err != nil {
			return res, err
		}
		res.channels[id] = c
	}
	if rows, err = br.Query(); err != nil {
		return res, err
	}
	if err := scanOutcomes(rows, outcomes, &res); err != nil {
		return res, err
	}
	// Close reads to the end of the transaction: without an error here it is
	// committed.
	return res, br.Close()
}

func scanOutcomes(rows pgx.Rows, outcomes []outcome, res *batchResult) error {
	defer rows.Close()
	var (
		i          int64
		verdict    int16
		seq, n, tn *int64
		at         *time.Time
	)
	for rows.Next() {
		if err := rows.Scan(&i, &verdict, &seq, &n, &tn, &at, &res.pending); err != nil {
			return err
		}
		o := &outcomes[i-1]
		o.verdict = verdict
		if verdict > verdictReused {
			continue
		}
		o.receipt = chat.Receipt{Seq: chat.Seq(*seq), Count: chat.Count(*n), At: chat.MillisOf(*at), Duplicate: verdict == verdictKnown}
		if tn != nil {
			o.receipt.ThreadCount = chat.Count(*tn)
		}
	}
	return rows.Err()
}

// prepare builds the pipeline. full says that it needs sqlAppendFull.
func (w *writer) prepare(calls []*appendCall) (b *pgx.Batch, outcomes []outcome, full bool) {
	b = &pgx.Batch{}
	b.Queue(w.s.gateSQL, callPartitions(calls))
	ps, chs := callChannels(calls)
	b.Queue(sqlLockChannels, ps, chs)

	var a appendArgs
	for g, c := range calls {
		full = full || len(c.drafts) > 1
		base := len(outcomes)
		for i := range c.drafts {
			d := &c.drafts[i]
			full = full || d.Thread != 0 || d.ReplyToDraft != 0
			a.add(c, d, g, base)
			outcomes = append(outcomes, outcome{draft: d})
		}
	}
	if full {
		b.Queue(sqlAppendFull, append(a.plain(), a.group, a.thread, a.replyDraft)...)
	} else {
		b.Queue(sqlAppend, a.plain()...)
	}
	w.settled = w.sh.takeSettled(w.settled)
	if len(w.settled) > 0 {
		b.Queue(sqlSettled, w.settled)
	}
	return b, outcomes, full
}

// callChannels lists the channels of calls in the order of locking.
func callChannels(calls []*appendCall) (ps []int32, chs []int64) {
	keys := slices.Clone(calls)
	slices.SortFunc(keys, func(x, y *appendCall) int {
		return cmp.Or(cmp.Compare(x.p, y.p), cmp.Compare(x.channel, y.channel))
	})
	for i, c := range keys {
		if i == 0 || keys[i-1].channel != c.channel {
			ps, chs = append(ps, int32(c.p)), append(chs, int64(c.channel))
		}
	}
	return ps, chs
}

// appendArgs are the drafts of a batch, a slice for each column.
type appendArgs struct {
	p                              []int32
	channel, sender, digest, reply []int64
	cid                            [][16]byte
	body                           []string
	mentions                       []*string
	mentionAll                     []bool
	orig                           []*time.Time
	group, thread, replyDraft      []int64
}

func (a *appendArgs) plain() []any {
	return []any{a.p, a.channel, a.sender, a.cid, a.digest, a.body, a.reply, a.mentions, a.mentionAll, a.orig}
}

func (a *appendArgs) add(c *appendCall, d *chat.Draft, group, base int) {
	a.p = append(a.p, int32(c.p))
	a.channel = append(a.channel, int64(d.Channel))
	a.sender = append(a.sender, int64(d.Sender))
	a.cid = append(a.cid, d.ClientMsgID)
	a.digest = append(a.digest, digestOf(d))
	a.body = append(a.body, d.Body)
	a.reply = append(a.reply, int64(d.ReplyTo))
	a.mentions = append(a.mentions, mentionsText(d.Mentions))
	a.mentionAll = append(a.mentionAll, d.MentionAll)
	var orig *time.Time
	if d.OrigAt != 0 {
		t := d.OrigAt.Time()
		orig = &t
	}
	a.orig = append(a.orig, orig)
	a.group = append(a.group, int64(group))
	a.thread = append(a.thread, int64(d.Thread))
	rd := int64(0)
	if d.ReplyToDraft > 0 {
		rd = int64(base + d.ReplyToDraft)
	}
	a.replyDraft = append(a.replyDraft, rd)
}

// mentionsText is the array in PostgreSQL's text form: arrays of arrays of
// different lengths cannot be passed.
func mentionsText(users []chat.UserID) *string {
	if len(users) == 0 {
		return nil
	}
	t := []byte{'{'}
	for i, u := range users {
		if i > 0 {
			t = append(t, ',')
		}
		t = append(t, u.String()...)
	}
	s := string(append(t, '}'))
	return &s
}
