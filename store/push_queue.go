package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/notify"
	"gori/shard"
)

// pushQueue is what one shard keeps of pushes to come.
type pushQueue struct {
	s  *Store
	sh *shardConn
}

// pushQueues are those of all shards.
type pushQueues struct{ s *Store }

// PushQueues returns the queues of all shards.
func (s *Store) PushQueues() notify.Queues { return pushQueues{s} }

// Tend implements notify.Queues.
func (qs pushQueues) Tend(ctx context.Context, tend func(ctx context.Context, q notify.Queue)) {
	qs.s.onShards(ctx, func(ctx context.Context, sh *shardConn) { tend(ctx, pushQueue{qs.s, sh}) })
}

// All implements notify.Queues.
func (qs pushQueues) All() []notify.Queue {
	var list []notify.Queue
	for _, sh := range qs.s.shards() {
		list = append(list, pushQueue{qs.s, sh})
	}
	return list
}

// query reads from the shard as it is, without a gate: what it finds is only
// acted on by who passes one.
func (q pushQueue) query(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	ctx, done, err := q.sh.during(ctx)
	if err != nil {
		return err
	}
	defer done()
	return q.sh.settle(ctx, fn(ctx, q.sh.pool()))
}

// Next implements notify.Queue.
func (q pushQueue) Next(ctx context.Context) (d time.Duration, ok bool, err error) {
	var seconds *float64
	err = q.query(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT extract(epoch FROM least(
			(SELECT due_at FROM data.push_wakes WHERE `+servedHere+` ORDER BY due_at LIMIT 1),
			(SELECT next_at FROM data.push_jobs WHERE next_at IS NOT NULL AND `+servedHere+` ORDER BY next_at LIMIT 1)) - now())::float8`).Scan(&seconds)
	})
	if err != nil || seconds == nil {
		return 0, false, err
	}
	return time.Duration(*seconds * float64(time.Second)), true, nil
}

// Waiting implements notify.Queue.
func (q pushQueue) Waiting(ctx context.Context) (wakes, jobs int, err error) {
	err = q.query(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `SELECT (SELECT count(*) FROM data.push_wakes WHERE `+servedHere+`),
			(SELECT count(*) FROM data.push_jobs WHERE next_at IS NOT NULL AND `+servedHere+`)`).Scan(&wakes, &jobs)
	})
	return wakes, jobs, err
}

const sqlDueWakes = `SELECT w.user_id, w.channel_id, w.seq, w.thread_seq, w.mention_seq, extract(epoch FROM now() - w.news_at)::float8,
		coalesce(i.member, false), coalesce(u.disabled, true), coalesce(d.kind = 3, false), coalesce(i.kind = $2, false),
		coalesce(i.level, 0), coalesce(i.read_seq, 0),
		EXISTS (SELECT FROM data.thread_inbox t WHERE t.partition = w.partition AND t.user_id = w.user_id AND t.channel_id = w.channel_id
			AND t.last_seq >= w.thread_seq AND t.last_count > t.read_count),
		EXISTS (SELECT FROM data.mentions m WHERE m.partition = w.partition AND m.user_id = w.user_id AND m.channel_id = w.channel_id
			AND m.seq = w.mention_seq AND (m.root_seq > 0 OR m.seq > i.read_seq)),
		coalesce(s.hide_body, false), coalesce(s.quiet_from, -1), coalesce(s.quiet_to, -1), coalesce(s.zone, '')
	FROM (SELECT * FROM data.push_wakes WHERE due_at <= now() AND ` + servedHere + ` ORDER BY due_at LIMIT $1) w
	LEFT JOIN data.users u ON u.partition = w.partition AND u.user_id = w.user_id
	LEFT JOIN data.inbox i ON i.partition = w.partition AND i.user_id = w.user_id AND i.channel_id = w.channel_id
	LEFT JOIN data.push_settings s ON s.partition = w.partition AND s.user_id = w.user_id
	LEFT JOIN LATERAL (SELECT max(d.kind) AS kind FROM data.push_devices d WHERE d.partition = w.partition AND d.user_id = w.user_id) d ON true
	ORDER BY w.due_at`

// DueWakes implements notify.Queue.
func (q pushQueue) DueWakes(ctx context.Context, limit int) ([]notify.Wake, error) {
	var wakes []notify.Wake
	err := q.query(ctx, func(ctx context.Context, q querier) error {
		wakes = nil
		rows, err := q.Query(ctx, sqlDueWakes, limit, int16(chat.KindDirect))
		if err != nil {
			return err
		}
		var w notify.Wake
		var age float64
		set := &w.Settings
		_, err = pgx.ForEachRow(rows, []any{&w.User, &w.Channel, &w.Seq, &w.ThreadSeq, &w.MentionSeq, &age, &w.Member, &w.Disabled, &w.Bot, &w.Direct,
			&w.Level, &w.ReadSeq, &w.ThreadUnread, &w.MentionUnread, &set.HideBody, &set.QuietFrom, &set.QuietTo, &set.Zone}, func() error {
			w.Age = time.Duration(age * float64(time.Second))
			wakes = append(wakes, w)
			return nil
		})
		return err
	})
	return wakes, err
}

// sqlSettle locks the wakes that are as they were read and that nobody else has
// in hand. A wake that leads to jobs, or to nothing, goes; another is put off.
// A job's seq only grows, so a wake that comes again changes nothing.
const sqlSettle = `WITH k AS (
		SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::interval[])
			AS k(p, usr, ch, seq, thread, mention, tell, wait)),
	l AS MATERIALIZED (
		SELECT w.partition, w.user_id, w.channel_id, k.tell, k.wait FROM k JOIN data.push_wakes w
			ON w.partition = k.p AND w.user_id = k.usr AND w.channel_id = k.ch
		WHERE w.due_at <= now() AND w.seq = k.seq AND w.thread_seq = k.thread AND w.mention_seq = k.mention
		FOR UPDATE OF w SKIP LOCKED),
	gone AS (
		DELETE FROM data.push_wakes w USING l
		WHERE w.partition = l.partition AND w.user_id = l.user_id AND w.channel_id = l.channel_id AND l.wait <= interval '0'),
	later AS (
		UPDATE data.push_wakes w SET due_at = now() + l.wait FROM l
		WHERE w.partition = l.partition AND w.user_id = l.user_id AND w.channel_id = l.channel_id AND l.wait > interval '0')
	INSERT INTO data.push_jobs AS j (partition, user_id, channel_id, device_id, seq, sent_seq, next_at)
	SELECT l.partition, l.user_id, l.channel_id, d.device_id, l.tell,
		-- A bot's webhook is told of all since the bot came.
		CASE d.kind WHEN 3 THEN coalesce((SELECT i.joined_seq FROM data.inbox i WHERE i.partition = l.partition AND i.user_id = l.user_id
			AND i.channel_id = l.channel_id), 0) ELSE 0 END, now()
	FROM l JOIN data.push_devices d ON d.partition = l.partition AND d.user_id = l.user_id WHERE l.tell > 0 AND l.wait <= interval '0'
	ORDER BY l.partition, l.user_id, l.channel_id, d.device_id
	ON CONFLICT (partition, user_id, channel_id, device_id) DO UPDATE SET seq = excluded.seq,
		attempts = CASE WHEN j.next_at IS NULL THEN 0 ELSE j.attempts END,
		since = CASE WHEN j.next_at IS NULL THEN now() ELSE j.since END,
		next_at = CASE WHEN excluded.seq > j.sent_seq THEN coalesce(j.next_at, now()) ELSE j.next_at END
	WHERE excluded.seq > j.seq`

// Settle implements notify.Queue.
func (q pushQueue) Settle(ctx context.Context, ds []notify.Decision) error {
	byHome := map[shard.Partition][]notify.Decision{}
	for _, d := range ds {
		p := shard.Of(d.Wake.User)
		byHome[p] = append(byHome[p], d)
	}
	return q.s.writeEach(ctx, keysOf(byHome), func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		var parts []int32
		var users, channels, seqs, threads, mentions, tells []int64
		var waits []time.Duration
		for _, p := range ps {
			for _, d := range byHome[p] {
				w := &d.Wake
				parts, users, channels = append(parts, int32(p)), append(users, int64(w.User)), append(channels, int64(w.Channel))
				seqs, threads, mentions = append(seqs, int64(w.Seq)), append(threads, int64(w.ThreadSeq)), append(mentions, int64(w.MentionSeq))
				tells, waits = append(tells, int64(d.Tell)), append(waits, d.Wait)
			}
		}
		_, err := tx.Exec(ctx, sqlSettle, parts, users, channels, seqs, threads, mentions, tells, waits)
		return err
	})
}

// sqlClaim leases jobs that are still due and that nobody else has in hand.
// Those whose device is gone go too.
const sqlClaim = `WITH due AS MATERIALIZED (
		SELECT j.partition, j.user_id, j.channel_id, j.device_id, EXISTS (SELECT FROM data.push_devices d
			WHERE d.partition = j.partition AND d.user_id = j.user_id AND d.device_id = j.device_id) AS device
		FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) AS k(p, usr, ch, dev) JOIN data.push_jobs j
			ON j.partition = k.p AND j.user_id = k.usr AND j.channel_id = k.ch AND j.device_id = k.dev
		WHERE j.next_at <= now() FOR UPDATE OF j SKIP LOCKED),
	orphans AS (
		DELETE FROM data.push_jobs j USING due WHERE NOT due.device AND j.partition = due.partition AND j.user_id = due.user_id
			AND j.channel_id = due.channel_id AND j.device_id = due.device_id)
	UPDATE data.push_jobs j SET next_at = now() + $5::interval FROM due
	JOIN data.push_devices d ON d.partition = due.partition AND d.user_id = due.user_id AND d.device_id = due.device_id
	WHERE due.device AND j.partition = due.partition AND j.user_id = due.user_id AND j.channel_id = due.channel_id AND j.device_id = due.device_id
	RETURNING j.user_id, j.channel_id, j.attempts, extract(epoch FROM now() - j.since)::float8, j.next_at, ` + deviceColumns

// jobKey is the place of a job.
type jobKey struct {
	user    chat.UserID
	channel chat.ChannelID
	device  notify.DeviceID
}

// Claim implements notify.Queue.
func (q pushQueue) Claim(ctx context.Context, limit int, lease time.Duration) ([]notify.Job, error) {
	keys := map[shard.Partition][]jobKey{}
	err := q.query(ctx, func(ctx context.Context, q querier) error {
		clear(keys)
		rows, err := q.Query(ctx, `SELECT user_id, channel_id, device_id FROM data.push_jobs
			WHERE next_at <= now() AND `+servedHere+` ORDER BY next_at LIMIT $1`, limit)
		if err != nil {
			return err
		}
		var k jobKey
		_, err = pgx.ForEachRow(rows, []any{&k.user, &k.channel, &k.device}, func() error {
			keys[shard.Of(k.user)] = append(keys[shard.Of(k.user)], k)
			return nil
		})
		return err
	})
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	var jobs []notify.Job
	for ps := range q.s.groupsOf(keysOf(keys)) {
		var claimed []notify.Job
		err := q.s.writeAll(ctx, ps, func(ctx context.Context, tx pgx.Tx) (err error) {
			claimed, err = claimJobs(ctx, tx, ps, keys, lease)
			return err
		})
		// What could not be claimed stays due, what was must be returned.
		if err != nil && len(jobs) == 0 {
			return nil, err
		}
		if err == nil {
			jobs = append(jobs, claimed...)
		}
	}
	return jobs, nil
}

// groupsOf yields partitions grouped by the shard that has them.
func (s *Store) groupsOf(ps []shard.Partition) func(yield func([]shard.Partition) bool) {
	return func(yield func([]shard.Partition) bool) {
		groups, _ := s.byShard(ps)
		for _, g := range groups {
			if !yield(g) {
				return
			}
		}
	}
}

func claimJobs(ctx context.Context, tx pgx.Tx, ps []shard.Partition, keys map[shard.Partition][]jobKey, lease time.Duration) ([]notify.Job, error) {
	var parts []int32
	var users, channels, devices []int64
	for _, p := range ps {
		for _, k := range keys[p] {
			parts, users = append(parts, int32(p)), append(users, int64(k.user))
			channels, devices = append(channels, int64(k.channel)), append(devices, int64(k.device))
		}
	}
	rows, err := tx.Query(ctx, sqlClaim, parts, users, channels, devices, lease)
	if err != nil {
		return nil, err
	}
	var jobs []notify.Job
	var j notify.Job
	var user chat.UserID
	var age float64
	var r deviceScan
	_, err = pgx.ForEachRow(rows, append([]any{&user, &j.Channel, &j.Attempts, &age, &j.Lease}, r.fields()...), func() error {
		j.Device, j.Age = r.device(user), time.Duration(age*float64(time.Second))
		jobs = append(jobs, j)
		return nil
	})
	return jobs, err
}
