package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// Unread, defined once.
//
//  1. A message counts if a person or program wrote it in the channel itself:
//     it takes the channel's Count one further. System messages and replies in
//     threads keep the Count as it is.
//  2. The read mark of a member is a seq and the Count at that seq. Unread is
//     the Count of the channel's last message minus the Count at the mark.
//  3. The mark moves forward by reading, and by writing in the channel: to
//     one's own message, as whoever writes has seen what stood before. It never
//     moves back.
//  4. Joining, also anew, sets the mark to the message that tells of it:
//     nothing older is unread. Leaving forgets everything.
//  5. Deleting or editing changes no count: in the place of a deleted message a
//     note remains to be seen, and an edit notifies nobody anew.
//  6. A message mentions the members it names, or with "all" every member, at
//     the time it is fanned out, but its sender. The mention is unread until
//     the mark reaches it.
//  7. A thread has its own count, of its replies, and for each follower (the
//     root's author, who replied, who was mentioned in a reply) its own mark,
//     moved by reading the thread and by replying. One who follows from some
//     reply on starts just before it. Replies, and mentions in them, do not
//     touch the channel's unread or mention count. "All" in a thread means its
//     followers.
//  8. All of it is kept once for each user, so all devices show the same.

// entryColumns are what scanEntry reads, of data.inbox i. An entry lists its
// latest 100 unread threads.
const entryColumns = `i.channel_id, i.kind, i.peer_id, i.name, i.member, i.pos, i.last_seq, i.last_count, i.last_change,
	i.last_at, i.last_sender, i.preview, i.preview_kind, i.read_seq, i.read_count, i.level, i.pinned,
	CASE WHEN i.member THEN (SELECT count(*) FROM data.mentions m WHERE m.partition = i.partition AND m.user_id = i.user_id
		AND m.channel_id = i.channel_id AND m.root_seq = 0 AND m.seq > i.read_seq) ELSE 0 END,
	CASE WHEN i.member THEN (SELECT jsonb_agg(jsonb_build_object('root', t.root_seq, 'unread', t.last_count - t.read_count,
			'mentions', (SELECT count(*) FROM data.mentions m WHERE m.partition = i.partition AND m.user_id = i.user_id
				AND m.channel_id = i.channel_id AND m.root_seq = t.root_seq)) ORDER BY t.last_seq DESC)
		FROM (SELECT * FROM data.thread_inbox t WHERE t.partition = i.partition AND t.user_id = i.user_id
			AND t.channel_id = i.channel_id AND t.last_count > t.read_count ORDER BY t.last_seq DESC LIMIT 100) t) END`

// entryScan receives entryColumns.
type entryScan struct {
	e       chat.InboxEntry
	at      time.Time
	threads []byte
}

func (r *entryScan) fields() []any {
	e := &r.e
	return []any{&e.Channel, &e.Kind, &e.Peer, &e.Name, &e.Member, &e.Pos, &e.LastSeq, &e.LastCount, &e.LastChange,
		&r.at, &e.LastSender, &e.Preview, &e.PreviewKind, &e.ReadSeq, &e.ReadCount, &e.Level, &e.Pinned, &e.Mentions, &r.threads}
}

// entry is what the scan has read. Of a channel that was left only its id
// remains.
func (r *entryScan) entry() (chat.InboxEntry, error) {
	if !r.e.Member {
		return chat.InboxEntry{Channel: r.e.Channel, Kind: r.e.Kind, Pos: r.e.Pos}, nil
	}
	e := r.e
	e.LastAt, e.Threads = chat.MillisOf(r.at), nil
	if r.threads != nil {
		return e, json.Unmarshal(r.threads, &e.Threads)
	}
	return e, nil
}

// Inbox reads what changed after pos, channels that were left among it: one
// round trip to the user's home shard.
func (s *Store) Inbox(ctx context.Context, user chat.UserID, after chat.Pos, limit int) (chat.InboxPage, error) {
	var page chat.InboxPage
	err := s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) (err error) {
		b := &pgx.Batch{}
		queueInbox(b, user, after, inboxLimit(limit))
		res := q.SendBatch(ctx, b)
		defer res.Close()
		page, err = scanInbox(res, inboxLimit(limit))
		return err
	})
	return page, err
}

// Home reads inbox, account and friends of a user in one round trip to the
// home shard.
func (s *Store) Home(ctx context.Context, user chat.UserID, after chat.Pos, limit int) (chat.Home, error) {
	var h chat.Home
	err := s.readCrowd(ctx, shard.Of(user), func(ctx context.Context, q querier) (err error) {
		b := &pgx.Batch{}
		queueInbox(b, user, after, inboxLimit(limit))
		b.Queue(sqlSelf, shard.Of(user), user)
		b.Queue(sqlFriends, shard.Of(user), user)
		res := q.SendBatch(ctx, b)
		defer res.Close()
		if h.Inbox, err = scanInbox(res, inboxLimit(limit)); err != nil {
			return err
		}
		if err = scanSelf(res.QueryRow(), &h.Self); err != nil {
			return err
		}
		rows, err := res.Query()
		if err != nil {
			return err
		}
		h.Friends, h.Hiding, err = scanFriends(rows)
		return err
	})
	return h, err
}

func inboxLimit(limit int) int { return min(max(limit, 1), 500) }

// queueInbox asks for what scanInbox reads.
func queueInbox(b *pgx.Batch, user chat.UserID, after chat.Pos, limit int) {
	home := shard.Of(user)
	b.Queue(`SELECT inbox_pos, generation FROM data.user_state WHERE partition = $1 AND user_id = $2`, home, user)
	b.Queue(`SELECT `+entryColumns+` FROM data.inbox i
		WHERE i.partition = $1 AND i.user_id = $2 AND i.pos > $3
		ORDER BY i.pos LIMIT $4`, home, user, after, limit+1)
}

func scanInbox(res pgx.BatchResults, limit int) (chat.InboxPage, error) {
	page := chat.InboxPage{Entries: []chat.InboxEntry{}}
	if err := res.QueryRow().Scan(&page.Pos, &page.Generation); err != nil {
		return chat.InboxPage{}, orNotFound(err, chat.CodeNotFound, "there is no such user")
	}
	rows, err := res.Query()
	if err != nil {
		return chat.InboxPage{}, err
	}
	var r entryScan
	_, err = pgx.ForEachRow(rows, r.fields(), func() error {
		e, err := r.entry()
		page.Entries = append(page.Entries, e)
		// The second statement may see more than the first.
		page.Pos = max(page.Pos, e.Pos)
		return err
	})
	if err != nil {
		return chat.InboxPage{}, err
	}
	page.Head = page.Pos
	if len(page.Entries) > limit {
		page.Entries, page.More = page.Entries[:limit], true
		page.Pos = page.Entries[limit-1].Pos
	}
	return page, nil
}

// lockInboxes locks users' inboxes, in the order in which all transactions do.
// Whoever changes a row of data.inbox holds this lock, so positions grow in the
// order of commits. The rows of users who do not exist are not there to lock.
func lockInboxes(ctx context.Context, tx pgx.Tx, parts []int32, users []int64) error {
	_, err := tx.Exec(ctx, sqlLockInboxes, parts, users)
	return err
}

const sqlLockInboxes = `SELECT 1 FROM data.user_state t
	JOIN unnest($1::int[], $2::bigint[]) AS w (partition, user_id) USING (partition, user_id)
	ORDER BY t.partition, t.user_id FOR NO KEY UPDATE OF t`

const sqlEntry = `SELECT ` + entryColumns + ` FROM data.inbox i WHERE i.partition = $1 AND i.user_id = $2 AND i.channel_id = $3`

// readEntry reads one entry; CodeNotFound if there is none.
func readEntry(ctx context.Context, q querier, user chat.UserID, id chat.ChannelID) (chat.InboxEntry, error) {
	return scanEntry(q.QueryRow(ctx, sqlEntry, shard.Of(user), user, id))
}

func scanEntry(row pgx.Row) (chat.InboxEntry, error) {
	var r entryScan
	if err := row.Scan(r.fields()...); err != nil {
		return chat.InboxEntry{}, orNotFound(err, chat.CodeNotFound, "this channel is not in the inbox")
	}
	return r.entry()
}

// Prefer sets the level or pin of a channel.
func (s *Store) Prefer(ctx context.Context, user chat.UserID, id chat.ChannelID, p chat.Preference) (chat.InboxEntry, error) {
	entry, changed, err := s.touchEntry(ctx, user, id, func(b *pgx.Batch) error {
		b.Queue(`WITH set AS (
				UPDATE data.inbox i SET level = coalesce($4, i.level), pinned = coalesce($5, i.pinned), pos = t.inbox_pos + 1
				FROM data.user_state t
				WHERE t.partition = $1 AND t.user_id = $2 AND i.partition = $1 AND i.user_id = $2 AND i.channel_id = $3 AND i.member
					AND (i.level <> coalesce($4, i.level) OR i.pinned <> coalesce($5, i.pinned))
				RETURNING i.pos)
			UPDATE data.user_state t SET inbox_pos = set.pos FROM set WHERE t.partition = $1 AND t.user_id = $2`,
			shard.Of(user), user, id, p.Level, p.Pinned)
		return nil
	})
	if changed {
		s.cfg.OnInbox([]chat.InboxNotice{{User: user, Entry: entry}})
	}
	return entry, err
}

// touchEntry runs the statements that queue adds, under the lock of a member's
// inbox, and returns the entry after them and whether the first of them changed
// something. A member whose inbox does not know the channel yet, as its fan-out
// is on the way, gets the entry first.
func (s *Store) touchEntry(ctx context.Context, user chat.UserID, id chat.ChannelID, queue func(b *pgx.Batch) error) (chat.InboxEntry, bool, error) {
	var entry chat.InboxEntry
	var changed bool
	touch := func() error {
		return s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) (err error) {
			entry, changed, err = touchIn(ctx, tx, user, id, queue)
			return err
		})
	}
	err := touch()
	if chat.CodeOf(err) == chat.CodeNotFound {
		if err = s.enterInbox(ctx, user, id); err == nil {
			err = touch()
		}
	}
	if err != nil {
		return chat.InboxEntry{}, false, err
	}
	return entry, changed, nil
}

// touchIn does it in one round trip.
func touchIn(ctx context.Context, tx pgx.Tx, user chat.UserID, id chat.ChannelID, queue func(b *pgx.Batch) error) (entry chat.InboxEntry, changed bool, err error) {
	home := shard.Of(user)
	b := &pgx.Batch{}
	b.Queue(sqlLockInboxes, []int32{int32(home)}, []int64{int64(user)})
	if err := queue(b); err != nil {
		return entry, false, err
	}
	changes := b.Len() - 1
	b.Queue(sqlEntry, home, user, id)
	res := tx.SendBatch(ctx, b)
	defer res.Close()
	if _, err := res.Exec(); err != nil {
		return entry, false, err
	}
	for i := range changes {
		tag, err := res.Exec()
		if err != nil {
			return entry, false, err
		}
		changed = changed || i == 0 && tag.RowsAffected() > 0
	}
	entry, err = scanEntry(res.QueryRow())
	if err == nil && !entry.Member {
		err = chat.Errorf(chat.CodeNotFound, "this channel is not in the inbox")
	}
	return entry, changed, err
}
