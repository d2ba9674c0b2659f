-- Push notifications. Everything is on the user's home shard, in the user's home partition.

-- What a user is told through. A browser or UnifiedPush device has an endpoint and keys (RFC 8291); a webhook has a
-- URL and a secret for its signature.
CREATE TABLE data.push_devices (
    partition     int NOT NULL,
    user_id       bigint NOT NULL,
    device_id     bigint NOT NULL,
    login_id      bigint NOT NULL DEFAULT 0,   -- the login it goes with; 0: none (a webhook)
    kind          smallint NOT NULL,           -- 1 web push, 2 webhook, 3 webhook of a bot
    name          text NOT NULL DEFAULT '',
    endpoint      text NOT NULL,
    endpoint_hash bytea NOT NULL,              -- SHA-256 of endpoint
    p256dh        bytea NOT NULL DEFAULT '',
    auth          bytea NOT NULL DEFAULT '',
    secret        bytea NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_ok_at    timestamptz,                 -- to the hour
    failures      int NOT NULL DEFAULT 0,      -- given up in a row
    PRIMARY KEY (partition, user_id, device_id),
    UNIQUE (partition, user_id, endpoint_hash)
);

CREATE TABLE data.push_settings (
    partition  int NOT NULL,
    user_id    bigint NOT NULL,
    hide_body  bool NOT NULL DEFAULT false,
    quiet_from smallint NOT NULL DEFAULT -1,   -- minute of the day; -1: no quiet hours
    quiet_to   smallint NOT NULL DEFAULT -1,
    zone       text NOT NULL DEFAULT '',       -- IANA name
    PRIMARY KEY (partition, user_id)
);

-- A channel has news for a user who has a device: one row however many messages came. It is written in the transaction
-- that brings the inbox up to date. The numbers are of messages that others wrote; 0: none.
CREATE TABLE data.push_wakes (
    partition   int NOT NULL,
    user_id     bigint NOT NULL,
    channel_id  bigint NOT NULL,
    seq         bigint NOT NULL DEFAULT 0,     -- newest in the channel itself
    thread_seq  bigint NOT NULL DEFAULT 0,     -- newest reply in a thread that the user follows
    mention_seq bigint NOT NULL DEFAULT 0,     -- newest that mentions the user
    news_at     timestamptz NOT NULL DEFAULT now(),  -- when the newest of them came
    due_at      timestamptz NOT NULL DEFAULT now(),  -- set by the first, so that a stream of messages does not put it off
    PRIMARY KEY (partition, user_id, channel_id)
) WITH (fillfactor = 50);
CREATE INDEX push_wakes_due ON data.push_wakes (due_at);

-- What is to be sent to one device of one channel. The seqs only grow, so a device is told of a message at most once.
CREATE TABLE data.push_jobs (
    partition  int NOT NULL,
    user_id    bigint NOT NULL,
    channel_id bigint NOT NULL,
    device_id  bigint NOT NULL,
    seq        bigint NOT NULL DEFAULT 0,      -- to be told up to here
    sent_seq   bigint NOT NULL DEFAULT 0,      -- told, or tried with an outcome nobody knows
    clear_seq  bigint NOT NULL DEFAULT 0,      -- read elsewhere up to here
    cleared    bigint NOT NULL DEFAULT 0,      -- of what was told, the device was told up to here that it was read
    attempts   int NOT NULL DEFAULT 0,         -- at what is to be told now
    since      timestamptz NOT NULL DEFAULT now(),   -- when there was something to do
    next_at    timestamptz,                    -- when to do it, or when the lease of who does it ends; NULL: nothing to do
    PRIMARY KEY (partition, user_id, channel_id, device_id)
) WITH (fillfactor = 50);
CREATE INDEX push_jobs_next ON data.push_jobs (next_at) WHERE next_at IS NOT NULL;

-- A user has read a channel up to a seq: devices that were told of something up to there are to take it back, after
-- a moment in which more may be read. Called in the transaction that moves the mark.
CREATE FUNCTION control.push_seen(p int, usr bigint, ch bigint, upto bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE data.push_jobs j SET clear_seq = j.sent_seq,
            since = CASE WHEN j.next_at IS NULL THEN now() ELSE j.since END,
            attempts = CASE WHEN j.next_at IS NULL THEN 0 ELSE j.attempts END,
            next_at = coalesce(j.next_at, now() + interval '1 second')
        FROM data.push_devices d
        WHERE j.partition = p AND j.user_id = usr AND j.channel_id = ch
            AND j.sent_seq > j.cleared AND j.sent_seq > j.clear_seq AND j.sent_seq <= upto
            AND d.partition = p AND d.user_id = usr AND d.device_id = j.device_id AND d.kind = 1;
END $$;

SELECT control.guard_tables();
