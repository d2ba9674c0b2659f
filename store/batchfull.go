package store

// sqlAppendFull is sqlAppend for batches with calls of several drafts, which
// are stored all or none, replies in threads, and drafts that answer an earlier
// draft of their call. Being wider it costs more, so it runs only for them.
//
// A thread's followers are the root's author, whoever replies and whoever is
// mentioned there; since_count keeps what was said before from being unread.
var sqlAppendFull = mutated(`WITH d AS MATERIALIZED (
	SELECT d.*, c.ctid AS tid, c.last_seq, c.last_count, greatest(c.last_at, now()) AS at,
		x.seq AS old_seq, x.count AS old_count, x.thread_count AS old_thread_count, x.created_at AS old_at,
		r.sender_id AS root_sender, r.kind AS root_kind, coalesce(t.count, 0) AS thread_base,
		CASE WHEN x.seq IS NOT NULL THEN CASE WHEN x.digest = d.digest THEN 1 ELSE 2 END
			WHEN m.user_id IS NULL THEN 3
			WHEN m.muzzled THEN 4
			WHEN d.reply > c.last_seq THEN 5
			WHEN d.thread > 0 AND (r.seq IS NULL OR r.thread IS NOT NULL) THEN 6
			ELSE 0 END AS verdict
	FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::uuid[], $5::bigint[], $6::text[], $7::bigint[], $8::text[],
			$9::bool[], $10::timestamptz[], $11::bigint[], $12::bigint[], $13::bigint[])
		WITH ORDINALITY AS d(p, ch, sender, cid, digest, body, reply, mentions, mall, orig, grp, thread, rdraft, i)
	LEFT JOIN LATERAL (SELECT c.ctid, c.last_seq, c.last_count, c.last_at FROM data.channels c
		WHERE c.partition = d.p AND c.channel_id = d.ch LIMIT 1) c ON true
	LEFT JOIN LATERAL (SELECT m.user_id, m.muzzled FROM data.members m
		WHERE m.partition = d.p AND m.channel_id = d.ch AND m.user_id = d.sender LIMIT 1) m ON true
	LEFT JOIN LATERAL (SELECT x.seq, x.count, x.thread_count, x.created_at, x.digest FROM data.messages x
		WHERE x.client_msg_id = d.cid AND x.sender_id = d.sender AND x.channel_id = d.ch LIMIT 1) x ON true
	LEFT JOIN LATERAL (SELECT r.seq, r.thread, r.sender_id, r.kind FROM data.messages r
		WHERE d.thread > 0 AND r.partition = d.p AND r.channel_id = d.ch AND r.seq = d.thread LIMIT 1) r ON true
	LEFT JOIN LATERAL (SELECT t.count FROM data.threads t
		WHERE d.thread > 0 AND t.partition = d.p AND t.channel_id = d.ch AND t.root_seq = d.thread LIMIT 1) t ON true
), g AS MATERIALIZED (
	SELECT d.*, verdict = 0 AND bool_and(verdict <= 1) OVER (PARTITION BY grp) AS fresh FROM d
), k AS MATERIALIZED (
	SELECT g.*, last_seq + count(*) FILTER (WHERE fresh) OVER w AS new_seq,
		last_count + count(*) FILTER (WHERE fresh AND thread = 0) OVER w AS new_count,
		CASE WHEN thread > 0 THEN thread_base + count(*) FILTER (WHERE fresh) OVER (PARTITION BY p, ch, thread ORDER BY i) END AS new_thread_count
	FROM g WINDOW w AS (PARTITION BY p, ch ORDER BY i)
), ins AS (
	INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, body, created_at, orig_at,
		reply_to, thread, thread_count, mentions, mention_all)
	SELECT p, ch, new_seq, new_count, sender, cid, digest, body, at, orig,
		CASE WHEN rdraft > 0 THEN (SELECT array_agg(CASE WHEN fresh THEN new_seq ELSE old_seq END ORDER BY i) FROM k)[rdraft]
			ELSE nullif(reply, 0) END,
		nullif(thread, 0), new_thread_count, mentions::bigint[], mall
	FROM k WHERE fresh
), up AS (
	UPDATE data.channels c SET last_seq = s.seq, last_count = s.n, last_at = s.at
	FROM (SELECT tid, max(new_seq) AS seq, max(new_count) AS n, max(at) AS at FROM k WHERE fresh GROUP BY tid) s
	WHERE c.ctid = s.tid
), own AS (
	UPDATE data.members m SET read_seq = s.seq
	FROM (SELECT p, ch, sender, max(new_seq) AS seq FROM k WHERE fresh AND thread = 0 GROUP BY p, ch, sender) s
	WHERE m.partition = s.p AND m.channel_id = s.ch AND m.user_id = s.sender
), threads AS (
	INSERT INTO data.threads AS t (partition, channel_id, root_seq, count, last_seq, last_at)
	SELECT p, ch, thread, max(new_thread_count), max(new_seq), max(at) FROM k WHERE fresh AND thread > 0 GROUP BY p, ch, thread
	ON CONFLICT (partition, channel_id, root_seq) DO UPDATE
		SET count = excluded.count, last_seq = excluded.last_seq, last_at = excluded.last_at
), followers AS (
	INSERT INTO data.thread_followers (partition, channel_id, root_seq, user_id, since_count)
	SELECT p, ch, thread, follower, min(since) FROM (
		SELECT p, ch, thread, root_sender AS follower, new_thread_count - 1 AS since FROM k WHERE fresh AND thread > 0 AND root_kind = 0
		UNION ALL SELECT p, ch, thread, sender, new_thread_count FROM k WHERE fresh AND thread > 0
		UNION ALL SELECT p, ch, thread, unnest(mentions::bigint[]), new_thread_count - 1 FROM k WHERE fresh AND thread > 0
	) f JOIN data.members fm ON fm.partition = p AND fm.channel_id = ch AND fm.user_id = follower
	GROUP BY p, ch, thread, follower
	ON CONFLICT DO NOTHING
), pending AS (
	INSERT INTO control.fanout_pending (channels, from_seqs, to_seqs)
	SELECT array_agg(ch), array_agg(from_seq), array_agg(to_seq)
	FROM (SELECT ch, min(new_seq) AS from_seq, max(new_seq) AS to_seq FROM k WHERE fresh GROUP BY ch) s
	HAVING count(*) > 0
	RETURNING batch_id
)
SELECT i, verdict,
	CASE WHEN verdict = 0 THEN new_seq ELSE old_seq END,
	CASE WHEN verdict = 0 THEN new_count ELSE old_count END,
	CASE WHEN verdict = 0 THEN new_thread_count ELSE old_thread_count END,
	CASE WHEN verdict = 0 THEN at ELSE old_at END,
	coalesce((SELECT batch_id FROM pending), 0)
FROM k`)
