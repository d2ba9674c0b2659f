package store

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

const defaultPage = 50

// sqlViewer is the row of the channel, if $3 is a member of it: whatever reads
// messages reads them through it, so a removed member reads nothing from the
// moment of the removal on.
const sqlViewer = `viewer AS MATERIALIZED (
	SELECT c.last_seq, c.last_change FROM data.channels c JOIN data.members m USING (partition, channel_id)
	WHERE c.partition = $1 AND c.channel_id = $2 AND m.user_id = $3)`

// sqlMessages turns the rows of `picked` into messages, with their reactions and
// threads, cut where the bodies together exceed $4 bytes. It always returns a
// row for a member, and none for anyone else. The lateral joins keep the planner
// from reading all reactions of a channel while it believes there are few.
const sqlMessages = `, page AS (
		SELECT * FROM (SELECT p.*, sum(octet_length(body)) OVER (ORDER BY place) AS bytes FROM picked p) p
		WHERE bytes <= $4 OR bytes = octet_length(body))
	SELECT v.last_seq, v.last_change, (SELECT count(*) FROM picked) > (SELECT count(*) FROM page) AS cut,
		p.seq, p.count, p.thread_count, p.sender_id, p.client_msg_id, p.kind, p.body, p.created_at, p.orig_at, p.reply_to,
		p.thread, CASE WHEN p.deleted_at IS NOT NULL THEN NULL WHEN p.edited_at IS NOT NULL THEN p.edited_mentions ELSE p.mentions END,
		p.mention_all AND p.deleted_at IS NULL, p.change, p.edited_at, p.deleted_at, p.system,
		f.reactions, t.count, t.last_seq, t.last_at
	FROM viewer v LEFT JOIN page p ON true
		LEFT JOIN LATERAL (
			SELECT jsonb_agg(jsonb_build_object('emoji', emoji, 'users', users) ORDER BY first, emoji) AS reactions
			FROM (SELECT emoji, min(created_at) AS first, array_agg(user_id::text ORDER BY created_at, user_id) AS users
				FROM data.reactions WHERE partition = $1 AND channel_id = $2 AND seq = p.seq AND p.change IS NOT NULL
				GROUP BY emoji) r) f ON true
		LEFT JOIN LATERAL (SELECT count, last_seq, last_at FROM data.threads
			WHERE partition = $1 AND channel_id = $2 AND root_seq = p.seq LIMIT 1) t ON true
	ORDER BY p.place`

// messageRow is one row of sqlMessages.
type messageRow struct {
	lastSeq            chat.Seq
	lastChange         chat.Change
	cut                bool
	seq                *chat.Seq
	count, threadCount *chat.Count
	sender             *chat.UserID
	clientMsgID        *[16]byte
	kind               *chat.MessageKind
	body               *string
	created, orig      *time.Time
	replyTo, thread    *chat.Seq
	mentions           []int64
	mentionAll         *bool
	change             *chat.Change
	edited, deleted    *time.Time
	system, reactions  []byte
	replies            *chat.Count
	repliesLast        *chat.Seq
	repliesAt          *time.Time
}

func scanMessageRow(row pgx.CollectableRow) (messageRow, error) {
	var r messageRow
	err := row.Scan(&r.lastSeq, &r.lastChange, &r.cut, &r.seq, &r.count, &r.threadCount, &r.sender, &r.clientMsgID, &r.kind,
		&r.body, &r.created, &r.orig, &r.replyTo, &r.thread, &r.mentions, &r.mentionAll, &r.change, &r.edited, &r.deleted,
		&r.system, &r.reactions, &r.replies, &r.repliesLast, &r.repliesAt)
	return r, err
}

func (r messageRow) message(id chat.ChannelID) (chat.Message, error) {
	m := chat.Message{
		Channel: id, Seq: *r.seq, Count: *r.count, ThreadCount: orZero(r.threadCount), Sender: *r.sender,
		ClientMsgID: *r.clientMsgID, Kind: *r.kind, Body: *r.body, At: millisOf(r.created), OrigAt: millisOf(r.orig),
		ReplyTo: orZero(r.replyTo), Thread: orZero(r.thread), MentionAll: *r.mentionAll, Change: orZero(r.change),
		EditedAt: millisOf(r.edited), Deleted: r.deleted != nil,
	}
	if len(r.mentions) > 0 {
		m.Mentions = idsOf[chat.UserID](r.mentions)
	}
	if r.replies != nil {
		m.Replies = &chat.Replies{Count: *r.replies, LastSeq: *r.repliesLast, LastAt: millisOf(r.repliesAt)}
	}
	if r.reactions != nil {
		if err := json.Unmarshal(r.reactions, &m.Reactions); err != nil {
			return m, err
		}
	}
	if r.system != nil {
		m.System = new(chat.System)
		return m, json.Unmarshal(r.system, m.System)
	}
	return m, nil
}

func orZero[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// slice is a part of a channel as it was read: messages in the order they were
// picked, and whether there were more of them.
type slice struct {
	messages   []chat.Message
	more       bool
	lastSeq    chat.Seq
	lastChange chat.Change
}

// pick reads messages that sql selects as `picked`, at most limit of them; sql
// itself picks one more, which tells whether there are more.
func pick(ctx context.Context, q querier, id chat.ChannelID, viewer chat.UserID, limit int, sql string, args ...any) (slice, error) {
	var out slice
	all := append([]any{shard.Of(id), id, viewer, chat.MaxHistoryBytes}, args...)
	rows, err := q.Query(ctx, `WITH `+sqlViewer+`, picked AS (`+sql+`)`+sqlMessages, all...)
	if err != nil {
		return out, err
	}
	got, err := pgx.CollectRows(rows, scanMessageRow)
	if err != nil {
		return out, err
	}
	if len(got) == 0 {
		return out, chat.Errorf(chat.CodeNotMember, notMember)
	}
	out.lastSeq, out.lastChange, out.more = got[0].lastSeq, got[0].lastChange, got[0].cut
	out.messages = []chat.Message{}
	for _, r := range got {
		if r.seq == nil {
			break // a member, but no message
		}
		if len(out.messages) == limit {
			out.more = true
			break
		}
		m, err := r.message(id)
		if err != nil {
			return out, err
		}
		out.messages = append(out.messages, m)
	}
	return out, nil
}

// Picking forward and backward. Replies of one thread go by the index on
// threads; $6 is one more than the page.
const (
	sqlForward = `SELECT *, seq AS place FROM data.messages WHERE partition = $1 AND channel_id = $2
		AND EXISTS (SELECT FROM viewer) AND seq > $5 ORDER BY seq LIMIT $6`
	sqlBackward = `SELECT *, -seq AS place FROM data.messages WHERE partition = $1 AND channel_id = $2
		AND EXISTS (SELECT FROM viewer) AND seq < $5 ORDER BY seq DESC LIMIT $6`
	sqlThreadForward = `SELECT *, seq AS place FROM data.messages WHERE partition = $1 AND channel_id = $2
		AND EXISTS (SELECT FROM viewer) AND thread = $7 AND seq > $5 ORDER BY seq LIMIT $6`
	sqlThreadBackward = `SELECT *, -seq AS place FROM data.messages WHERE partition = $1 AND channel_id = $2
		AND EXISTS (SELECT FROM viewer) AND thread = $7 AND seq < $5 ORDER BY seq DESC LIMIT $6`
)

// History reads one page. The membership is checked in the statement that
// reads.
func (s *Store) History(ctx context.Context, h chat.HistoryQuery) (chat.Page, error) {
	limit := h.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, chat.MaxHistoryPage)
	var page chat.Page
	err := s.read(ctx, shard.Of(h.Channel), func(ctx context.Context, q querier) error {
		r := reader{q: q, h: h}
		var err error
		switch {
		case h.Date != 0:
			var seq chat.Seq
			if seq, err = r.seqAt(ctx); err == nil {
				page, err = r.after(ctx, seq-1, limit)
			}
		case h.Around != 0:
			page, err = r.around(ctx, h.Around, limit)
		case h.HasAfter:
			page, err = r.after(ctx, h.After, limit)
		case h.Before != 0:
			page, err = r.before(ctx, h.Before, limit)
		default:
			page, err = r.before(ctx, math.MaxInt64, limit)
		}
		return err
	})
	return page, err
}

// reader reads pages for one query.
type reader struct {
	q querier
	h chat.HistoryQuery
}

func (r reader) forward(ctx context.Context, after chat.Seq, limit int) (slice, error) {
	if r.h.Thread != 0 {
		return pick(ctx, r.q, r.h.Channel, r.h.Viewer, limit, sqlThreadForward, after, limit+1, r.h.Thread)
	}
	return pick(ctx, r.q, r.h.Channel, r.h.Viewer, limit, sqlForward, after, limit+1)
}

func (r reader) backward(ctx context.Context, before chat.Seq, limit int) (slice, error) {
	var got slice
	var err error
	if r.h.Thread != 0 {
		got, err = pick(ctx, r.q, r.h.Channel, r.h.Viewer, limit, sqlThreadBackward, before, limit+1, r.h.Thread)
	} else {
		got, err = pick(ctx, r.q, r.h.Channel, r.h.Viewer, limit, sqlBackward, before, limit+1)
	}
	slices.Reverse(got.messages)
	return got, err
}

func (r reader) after(ctx context.Context, seq chat.Seq, limit int) (chat.Page, error) {
	got, err := r.forward(ctx, seq, limit)
	if err != nil {
		return chat.Page{}, err
	}
	page := chat.Page{Messages: got.messages, MoreAfter: got.more, LastSeq: got.lastSeq, LastChange: got.lastChange}
	page.MoreBefore = seq > 0 && got.lastSeq > 0
	if len(got.messages) > 0 {
		page.MoreBefore = r.hasBefore(got.messages[0])
	}
	return page, nil
}

func (r reader) before(ctx context.Context, seq chat.Seq, limit int) (chat.Page, error) {
	got, err := r.backward(ctx, seq, limit)
	if err != nil {
		return chat.Page{}, err
	}
	page := chat.Page{Messages: got.messages, MoreBefore: got.more, LastSeq: got.lastSeq, LastChange: got.lastChange}
	switch {
	case r.h.Thread != 0 && seq != math.MaxInt64:
		// Whether replies follow is known to the index only.
		next, err := r.forward(ctx, seq-1, 1)
		if err != nil {
			return chat.Page{}, err
		}
		page.MoreAfter = len(next.messages) > 0
	case r.h.Thread == 0 && len(got.messages) > 0:
		page.MoreAfter = got.messages[len(got.messages)-1].Seq < got.lastSeq
	case r.h.Thread == 0:
		page.MoreAfter = got.lastSeq > 0
	}
	return page, nil
}

// hasBefore says whether anything comes before m: seqs of a channel and counts
// of a thread have no gaps.
func (r reader) hasBefore(m chat.Message) bool {
	if r.h.Thread != 0 {
		return m.ThreadCount > 1
	}
	return m.Seq > 1
}

// around joins the half before seq, with it, and the half after.
func (r reader) around(ctx context.Context, seq chat.Seq, limit int) (chat.Page, error) {
	half := limit / 2
	page, err := r.before(ctx, seq+1, half+1)
	if err != nil {
		return page, err
	}
	rest := limit - half - 1
	if rest == 0 {
		return page, nil
	}
	later, err := r.after(ctx, seq, rest)
	if err != nil {
		return page, err
	}
	page.Messages = append(page.Messages, later.Messages...)
	page.MoreAfter, page.LastSeq, page.LastChange = later.MoreAfter, later.LastSeq, later.LastChange
	return page, nil
}

// sqlSeqAt halves the range of seqs until one is left.
const sqlSeqAt = `WITH RECURSIVE ` + sqlViewer + `, step AS (
		SELECT 1::bigint AS lo, last_seq + 1 AS hi FROM viewer
		UNION ALL
		SELECT CASE WHEN m.at < $4 THEN s.mid + 1 ELSE s.lo END, CASE WHEN m.at < $4 THEN s.hi ELSE s.mid END
		FROM (SELECT lo, hi, (lo + hi) / 2 AS mid FROM step WHERE lo < hi) s
		CROSS JOIN LATERAL (SELECT coalesce(orig_at, created_at) AS at FROM data.messages
			WHERE partition = $1 AND channel_id = $2 AND seq = s.mid LIMIT 1) m)
	SELECT lo FROM step WHERE lo >= hi`

// seqAt finds the first message at or after the date, by bisection over seqs:
// order is by seq, and times grow with it but for imports, whose own time
// counts where there is one. It is one past the last message if there is none.
func (r reader) seqAt(ctx context.Context) (chat.Seq, error) {
	var seq chat.Seq
	err := r.q.QueryRow(ctx, sqlSeqAt, shard.Of(r.h.Channel), r.h.Channel, r.h.Viewer, r.h.Date.Time()).Scan(&seq)
	return seq, orNotFound(err, chat.CodeNotMember, notMember)
}

// Changes reads messages that were altered after a change, each once and in its
// present state, by ascending change.
func (s *Store) Changes(ctx context.Context, c chat.ChangesQuery) (chat.Page, error) {
	limit := c.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, chat.MaxHistoryPage)
	var page chat.Page
	err := s.read(ctx, shard.Of(c.Channel), func(ctx context.Context, q querier) error {
		got, err := pick(ctx, q, c.Channel, c.Viewer, limit, `SELECT *, change AS place FROM data.messages
			WHERE partition = $1 AND channel_id = $2 AND EXISTS (SELECT FROM viewer) AND change > $5 AND seq <= $7
			ORDER BY change LIMIT $6`, c.After, limit+1, c.UpTo)
		page = chat.Page{Messages: got.messages, MoreAfter: got.more, LastSeq: got.lastSeq, LastChange: got.lastChange}
		return err
	})
	return page, err
}
