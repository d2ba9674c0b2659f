package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// markPoint is where a read mark would stand: what the channel knows of it.
type markPoint struct {
	seq     chat.Seq   // not beyond the last message
	count   chat.Count // at that seq, of the channel or of the thread
	known   chat.Seq   // the mark that the channel knows
	follows bool       // with a thread: whether the user follows it
}

// MarkRead moves a read mark forward, never back and never beyond the last
// message. The count at the mark is looked up where the messages are, so unread
// numbers stay exact whatever the device believed.
func (s *Store) MarkRead(ctx context.Context, m chat.ReadMark) (chat.InboxEntry, bool, error) {
	at, err := s.markPoint(ctx, m)
	if err != nil {
		return chat.InboxEntry{}, false, err
	}
	if m.Thread == 0 && at.seq <= at.known {
		// The channel learns marks from the inbox, so there it is no smaller.
		entry, err := s.knownEntry(ctx, m.User, m.Channel)
		if chat.CodeOf(err) != chat.CodeNotFound {
			return entry, false, err
		}
	}
	var told effect
	entry, moved, err := s.touchEntry(ctx, m.User, m.Channel, func(b *pgx.Batch) (err error) {
		if m.Thread != 0 {
			queueThreadMark(b, m, at)
			return nil
		}
		queueMark(b, m, at)
		// Even if the mark is here already, as it is after one's own message.
		told, err = s.queueDebt(b, shard.Of(m.User), readMarkEffect{Channel: m.Channel, User: m.User, Seq: at.seq})
		b.Queue(sqlMarkSeen, shard.Of(m.User), m.User, m.Channel, at.seq)
		return err
	})
	if err != nil {
		return chat.InboxEntry{}, false, err
	}
	if told.debt != nil {
		s.hurryMark(told)
	}
	if moved {
		s.cfg.OnInbox([]chat.InboxNotice{{User: m.User, Entry: entry}})
	}
	return entry, moved, nil
}

func (s *Store) markPoint(ctx context.Context, m chat.ReadMark) (markPoint, error) {
	var at markPoint
	p := shard.Of(m.Channel)
	sql := `SELECT coalesce(c.seq, 0), coalesce(c.count, 0), m.read_seq, false
		FROM data.members m LEFT JOIN LATERAL
			(SELECT seq, count FROM data.messages WHERE partition = $1 AND channel_id = $2 AND seq <= $4 ORDER BY seq DESC LIMIT 1) c ON $5 = 0
		WHERE m.partition = $1 AND m.channel_id = $2 AND m.user_id = $3`
	if m.Thread != 0 {
		sql = `SELECT coalesce(c.seq, 0), coalesce(c.thread_count, 0), m.read_seq,
				EXISTS (SELECT FROM data.thread_followers WHERE partition = $1 AND channel_id = $2 AND root_seq = $5 AND user_id = $3)
			FROM data.members m LEFT JOIN LATERAL
				(SELECT seq, thread_count FROM data.messages WHERE partition = $1 AND channel_id = $2 AND thread = $5 AND seq <= $4
				ORDER BY seq DESC LIMIT 1) c ON true
			WHERE m.partition = $1 AND m.channel_id = $2 AND m.user_id = $3`
	}
	err := s.read(ctx, p, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, sql, p, m.Channel, m.User, m.Seq, m.Thread).Scan(&at.seq, &at.count, &at.known, &at.follows)
		return orNotFound(err, chat.CodeNotMember, notMember)
	})
	return at, err
}

func (s *Store) knownEntry(ctx context.Context, user chat.UserID, id chat.ChannelID) (entry chat.InboxEntry, err error) {
	err = s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		entry, err = readEntry(ctx, q, user, id)
		return err
	})
	if err == nil && !entry.Member {
		err = chat.Errorf(chat.CodeNotFound, "this channel is not in the inbox")
	}
	return entry, err
}

// queueMark moves the mark of the channel itself. The mentions it passes are
// read.
func queueMark(b *pgx.Batch, m chat.ReadMark, at markPoint) {
	b.Queue(`WITH moved AS (
			UPDATE data.inbox i SET read_seq = $4, read_count = greatest(i.read_count, $5), pos = t.inbox_pos + 1
			FROM data.user_state t
			WHERE t.partition = $1 AND t.user_id = $2 AND i.partition = $1 AND i.user_id = $2 AND i.channel_id = $3
				AND i.member AND i.read_seq < $4
			RETURNING i.pos),
		seen AS (
			DELETE FROM data.mentions d USING moved WHERE d.partition = $1 AND d.user_id = $2 AND d.channel_id = $3
				AND d.root_seq = 0 AND d.seq <= $4)
		UPDATE data.user_state t SET inbox_pos = moved.pos FROM moved WHERE t.partition = $1 AND t.user_id = $2`,
		shard.Of(m.User), m.User, m.Channel, at.seq, at.count)
}

// queueThreadMark moves the mark of one thread. Who does not follow the thread
// has no mark there. A follower whose inbox does not know yet gets the mark, and
// the fan-out on its way finds it.
func queueThreadMark(b *pgx.Batch, m chat.ReadMark, at markPoint) {
	b.Queue(`WITH moved AS (
			INSERT INTO data.thread_inbox AS x (partition, user_id, channel_id, root_seq, last_seq, last_count, read_count)
			SELECT $1, $2, $3, $6, $4::bigint, $5, $5 WHERE $4::bigint > 0 AND EXISTS
				(SELECT FROM data.inbox WHERE partition = $1 AND user_id = $2 AND channel_id = $3 AND member)
				AND ($7 OR EXISTS (SELECT FROM data.thread_inbox WHERE partition = $1 AND user_id = $2 AND channel_id = $3 AND root_seq = $6))
			ON CONFLICT (partition, user_id, channel_id, root_seq) DO UPDATE SET
				read_count = excluded.read_count, last_seq = greatest(x.last_seq, excluded.last_seq),
				last_count = greatest(x.last_count, excluded.last_count)
			WHERE x.read_count < excluded.read_count
			RETURNING 1),
		seen AS (
			DELETE FROM data.mentions d USING moved WHERE d.partition = $1 AND d.user_id = $2 AND d.channel_id = $3
				AND d.root_seq = $6 AND d.seq <= $4::bigint),
		up AS (
			UPDATE data.user_state t SET inbox_pos = inbox_pos + 1 FROM moved WHERE t.partition = $1 AND t.user_id = $2
			RETURNING inbox_pos)
		UPDATE data.inbox i SET pos = up.inbox_pos FROM up WHERE i.partition = $1 AND i.user_id = $2 AND i.channel_id = $3`,
		shard.Of(m.User), m.User, m.Channel, at.seq, at.count, m.Thread, at.follows)
}

// readMarkEffect tells a channel how far a member has read.
type readMarkEffect struct {
	Channel chat.ChannelID `json:"channel"`
	User    chat.UserID    `json:"user"`
	Seq     chat.Seq       `json:"seq"`
}

func (readMarkEffect) kind() string { return "read" }

func (e readMarkEffect) apply(ctx context.Context, s *Store) error {
	return s.applyMarks(ctx, []readMarkEffect{e})
}

// applyMarks brings marks to their channels, all those of one shard in one
// statement.
func (s *Store) applyMarks(ctx context.Context, marks []readMarkEffect) error {
	byPartition := map[shard.Partition][]readMarkEffect{}
	for _, m := range marks {
		p := shard.Of(m.Channel)
		byPartition[p] = append(byPartition[p], m)
	}
	return s.writeEach(ctx, keysOf(byPartition), func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		var parts []int32
		var channels, users, seqs []int64
		for _, p := range ps {
			for _, m := range byPartition[p] {
				parts, channels = append(parts, int32(p)), append(channels, int64(m.Channel))
				users, seqs = append(users, int64(m.User)), append(seqs, int64(m.Seq))
			}
		}
		_, err := tx.Exec(ctx, `WITH w AS (
				SELECT w.partition, w.channel_id, w.user_id, max(w.seq) AS seq
				FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) AS w (partition, channel_id, user_id, seq)
				GROUP BY 1, 2, 3),
			-- Locked in one order, as two nodes may carry marks of the same members.
			locked AS (
				SELECT m.partition, m.channel_id, m.user_id, w.seq FROM data.members m JOIN w USING (partition, channel_id, user_id)
				WHERE m.read_seq < w.seq ORDER BY 1, 2, 3 FOR NO KEY UPDATE OF m)
			UPDATE data.members m SET read_seq = l.seq FROM locked l
			WHERE m.partition = l.partition AND m.channel_id = l.channel_id AND m.user_id = l.user_id AND m.read_seq < l.seq`,
			parts, channels, users, seqs)
		return err
	})
}

// hurryMark hands a committed effect to the worker; without room it waits for
// the sweeper.
func (s *Store) hurryMark(e effect) {
	select {
	case s.effects.queue() <- e:
	default:
	}
}

// carryMarks brings read marks to their channels, whatever is waiting at once,
// until ctx ends. What is left then is found by a sweeper.
func (s *Store) carryMarks(ctx context.Context) {
	for {
		var batch []effect
		select {
		case <-ctx.Done():
			return
		case e := <-s.effects.queue():
			batch = append(batch, e)
		}
		for more := true; more && len(batch) < marksBatch; {
			select {
			case e := <-s.effects.queue():
				batch = append(batch, e)
			default:
				more = false
			}
		}
		marks := make([]readMarkEffect, len(batch))
		for i, e := range batch {
			marks[i] = e.debt.(readMarkEffect)
		}
		if err := s.applyMarks(ctx, marks); err != nil {
			s.log.Debug("read marks wait for the sweeper", "count", len(batch), "error", err)
			continue
		}
		s.forget(ctx, batch)
	}
}
