package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/notify"
	"gori/shard"
)

var _ notify.Desk = (*Store)(nil)

// sqlJobKey are the conditions on a job whose lease holds; $1 to $5.
const sqlJobKey = `j.partition = $1 AND j.user_id = $2 AND j.channel_id = $3 AND j.device_id = $4 AND j.next_at = $5`

func jobArgs(j notify.Job, more ...any) []any {
	d := &j.Device
	return append([]any{shard.Of(d.User), d.User, j.Channel, d.ID, j.Lease}, more...)
}

// A device whose login has ended goes with it; that it is looked up here once
// more means that no door which ends logins can forget it.
const sqlPushState = `SELECT j.seq, j.sent_seq, j.clear_seq, j.cleared, coalesce(i.member, false), coalesce(i.kind = $7, false), coalesce(i.name, ''),
		coalesce(i.level, 0), coalesce(i.read_seq, 0), coalesce(i.last_count - i.read_count, 0),
		(SELECT count(*) FROM data.inbox b WHERE b.partition = $1 AND b.user_id = $2 AND b.member AND b.last_count > b.read_count AND b.level <> $8),
		coalesce((SELECT array_agg(t.root_seq) FROM (SELECT t.root_seq FROM data.thread_inbox t WHERE t.partition = $1 AND t.user_id = $2
			AND t.channel_id = $3 AND t.last_count > t.read_count ORDER BY t.last_seq DESC LIMIT 100) t), '{}'),
		coalesce(s.hide_body, false), coalesce(s.quiet_from, -1), coalesce(s.quiet_to, -1), coalesce(s.zone, '')
	FROM data.push_jobs j
	JOIN data.push_devices d ON d.partition = j.partition AND d.user_id = j.user_id AND d.device_id = j.device_id
	JOIN data.users u ON u.partition = j.partition AND u.user_id = j.user_id AND NOT u.disabled
	LEFT JOIN data.inbox i ON i.partition = j.partition AND i.user_id = j.user_id AND i.channel_id = j.channel_id
	LEFT JOIN data.push_settings s ON s.partition = j.partition AND s.user_id = j.user_id
	WHERE ` + sqlJobKey + ` AND (d.login_id = 0 OR EXISTS (SELECT FROM data.logins l
		WHERE l.partition = $1 AND l.user_id = $2 AND l.login_id = d.login_id AND l.last_used_at > $6))`

// State implements notify.Desk.
func (s *Store) State(ctx context.Context, j notify.Job) (st notify.State, ok bool, err error) {
	err = s.read(ctx, shard.Of(j.Device.User), func(ctx context.Context, q querier) error {
		st, ok = notify.State{}, true
		set := &st.Settings
		var threads []int64
		err := q.QueryRow(ctx, sqlPushState, jobArgs(j, s.now().Add(-loginIdleLimit), int16(chat.KindDirect), int16(chat.LevelNone))...).
			Scan(&st.Seq, &st.SentSeq, &st.ClearSeq, &st.Cleared, &st.Member, &st.Direct, &st.Name, &st.Level, &st.ReadSeq, &st.Unread, &st.Badge, &threads,
				&set.HideBody, &set.QuietFrom, &set.QuietTo, &set.Zone)
		if errors.Is(err, pgx.ErrNoRows) {
			ok = false
			return nil
		}
		st.Threads = idsOf[chat.Seq](threads)
		return err
	})
	return st, ok && err == nil, err
}

// Begin implements notify.Desk.
func (s *Store) Begin(ctx context.Context, j notify.Job, a notify.Attempt) (bool, error) {
	sql := `UPDATE data.push_jobs j SET attempts = j.attempts + 1, sent_seq = $6, next_at = CASE WHEN j.seq > $6 THEN now() END WHERE ` + sqlJobKey
	if a.Clear {
		sql = `UPDATE data.push_jobs j SET attempts = j.attempts + 1, cleared = $6, next_at = CASE WHEN j.seq > j.sent_seq THEN now() END WHERE ` + sqlJobKey
	}
	var begun bool
	err := s.write(ctx, shard.Of(j.Device.User), func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, jobArgs(j, a.Seq)...)
		begun = tag.RowsAffected() > 0
		return err
	})
	return begun && err == nil, err
}

// End implements notify.Desk.
func (s *Store) End(ctx context.Context, j notify.Job, r notify.Result) error {
	if r.Kind == notify.ResultSent && j.Device.Failures == 0 && s.now().Sub(j.Device.LastOKAt.Time()) < time.Hour {
		return nil // it is known to be well
	}
	return s.write(ctx, shard.Of(j.Device.User), func(ctx context.Context, tx pgx.Tx) error {
		switch r.Kind {
		case notify.ResultSent:
			return deviceWell(ctx, tx, j.Device)
		case notify.ResultGone:
			return dropDevices(ctx, tx, j.Device.User, `d.device_id = $3`, j.Device.ID)
		case notify.ResultRetry:
			return retryJob(ctx, tx, j, r)
		case notify.ResultDrop:
			return dropJob(ctx, tx, j, r)
		}
		return leaveJob(ctx, tx, j, r)
	})
}

// leaveJob carries out the results that count while the lease holds.
func leaveJob(ctx context.Context, tx pgx.Tx, j notify.Job, r notify.Result) (err error) {
	switch r.Kind {
	case notify.ResultSkip:
		// What is skipped is not told, so there is nothing of it to take back.
		_, err = tx.Exec(ctx, `UPDATE data.push_jobs j SET sent_seq = greatest(j.sent_seq, $6), attempts = 0,
			cleared = CASE WHEN j.sent_seq <= j.cleared THEN greatest(j.sent_seq, $6) ELSE j.cleared END,
			next_at = CASE WHEN j.seq > $6 THEN now() END WHERE `+sqlJobKey, jobArgs(j, r.At.Seq)...)
	case notify.ResultEnded:
		_, err = tx.Exec(ctx, `DELETE FROM data.push_jobs j WHERE `+sqlJobKey, jobArgs(j)...)
	case notify.ResultAgain:
		_, err = tx.Exec(ctx, `UPDATE data.push_jobs j SET next_at = now() + $6::interval, attempts = j.attempts + 1 WHERE `+sqlJobKey,
			jobArgs(j, r.Wait)...)
	case notify.ResultTold:
		_, err = tx.Exec(ctx, `UPDATE data.push_jobs j SET sent_seq = greatest(j.sent_seq, $6), attempts = 0, since = now() WHERE `+sqlJobKey,
			jobArgs(j, r.At.Seq)...)
		if err == nil {
			err = deviceWell(ctx, tx, j.Device)
		}
	}
	return err
}

// Later implements notify.Desk.
func (s *Store) Later(ctx context.Context, jobs []notify.Job, waits []time.Duration) error {
	if len(jobs) == 0 {
		return nil
	}
	byHome := map[shard.Partition][]int{}
	for i := range jobs {
		p := shard.Of(jobs[i].Device.User)
		byHome[p] = append(byHome[p], i)
	}
	return s.writeEach(ctx, keysOf(byHome), func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		var parts []int32
		var users, channels, devices []int64
		var leases []time.Time
		var later []time.Duration
		for _, p := range ps {
			for _, i := range byHome[p] {
				j := &jobs[i]
				parts, users, channels = append(parts, int32(p)), append(users, int64(j.Device.User)), append(channels, int64(j.Channel))
				devices, leases, later = append(devices, int64(j.Device.ID)), append(leases, j.Lease), append(later, waits[i])
			}
		}
		_, err := tx.Exec(ctx, `UPDATE data.push_jobs j SET next_at = now() + k.wait
			FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::interval[]) AS k(p, usr, ch, dev, lease, wait)
			WHERE j.partition = k.p AND j.user_id = k.usr AND j.channel_id = k.ch AND j.device_id = k.dev AND j.next_at = k.lease`,
			parts, users, channels, devices, leases, later)
		return err
	})
}

// deviceWell notes that a device takes pushes; the time is kept to the hour.
func deviceWell(ctx context.Context, tx pgx.Tx, d notify.Device) error {
	_, err := tx.Exec(ctx, `UPDATE data.push_devices SET failures = 0, last_ok_at = now() WHERE partition = $1 AND user_id = $2 AND device_id = $3
		AND (failures > 0 OR last_ok_at IS NULL OR last_ok_at < now() - interval '1 hour')`, shard.Of(d.User), d.User, d.ID)
	return err
}

// retryJob takes an attempt back, unless another one has been recorded since:
// then what it told of is told with that.
func retryJob(ctx context.Context, tx pgx.Tx, j notify.Job, r notify.Result) error {
	column := "sent_seq"
	if r.At.Clear {
		column = "cleared"
	}
	d := &j.Device
	_, err := tx.Exec(ctx, `UPDATE data.push_jobs j SET `+column+` = $6, next_at = now() + $7::interval
		WHERE j.partition = $1 AND j.user_id = $2 AND j.channel_id = $3 AND j.device_id = $4 AND j.`+column+` = $5`,
		shard.Of(d.User), d.User, j.Channel, d.ID, r.At.Seq, r.Prev, r.Wait)
	return err
}

// dropJob notes that a push was given up: it was not told, so there is nothing
// of it to take back.
func dropJob(ctx context.Context, tx pgx.Tx, j notify.Job, r notify.Result) error {
	d := &j.Device
	if !r.At.Clear {
		_, err := tx.Exec(ctx, `UPDATE data.push_jobs j SET cleared = $5
			WHERE j.partition = $1 AND j.user_id = $2 AND j.channel_id = $3 AND j.device_id = $4 AND j.sent_seq = $5 AND j.cleared >= $6`,
			shard.Of(d.User), d.User, j.Channel, d.ID, r.At.Seq, r.Prev)
		if err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `UPDATE data.push_devices SET failures = failures + 1 WHERE partition = $1 AND user_id = $2 AND device_id = $3`,
		shard.Of(d.User), d.User, d.ID)
	return err
}

// callsRange bounds the messages looked at in one search for a bot's.
const callsRange = 5000

// Calls implements notify.Desk.
func (s *Store) Calls(ctx context.Context, bot chat.UserID, id chat.ChannelID, after, upTo chat.Seq, limit int) (seqs []chat.Seq, looked chat.Seq, err error) {
	looked = min(upTo, after+callsRange)
	p := shard.Of(id)
	err = s.read(ctx, p, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `SELECT m.seq FROM data.messages m
			WHERE m.partition = $1 AND m.channel_id = $2 AND m.seq > $4 AND m.seq <= $5 AND m.kind = $7 AND m.sender_id <> $3 AND m.deleted_at IS NULL
				AND EXISTS (SELECT FROM data.members b WHERE b.partition = $1 AND b.channel_id = $2 AND b.user_id = $3)
				AND (EXISTS (SELECT FROM data.channels c WHERE c.partition = $1 AND c.channel_id = $2 AND c.kind = $8)
					OR m.mentions @> ARRAY[$3::bigint]
					OR m.mention_all AND (m.thread IS NULL OR EXISTS (SELECT FROM data.thread_followers f
						WHERE f.partition = $1 AND f.channel_id = $2 AND f.root_seq = m.thread AND f.user_id = $3)))
			ORDER BY m.seq LIMIT $6`, p, id, bot, after, looked, limit, int16(chat.KindText), int16(chat.KindDirect))
		if err != nil {
			return err
		}
		seqs, err = pgx.CollectRows(rows, pgx.RowTo[chat.Seq])
		return err
	})
	if len(seqs) == limit {
		looked = seqs[limit-1]
	}
	return seqs, looked, err
}
