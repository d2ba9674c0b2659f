-- Push notifications. Everything is on the user's home shard, in the user's home partition.

-- What a user is told through. A browser or UnifiedPush device has an endpoint and keys (RFC 8291); a webhook has a
-- URL and a secret for its signature.
CREATE TABLE data.push_devices (
    partition     int NOT NULL,
    user_id       bigint NOT NULL,
    device_id     bigint NOT NULL,
    login_id      bigint NOT NULL DEFAULT 0,   -- the login it goes with; 0: none (a webhook)
    kind          smallint NOT NULL,           -- 1 web push, 2 webhook
    name          text NOT NULL DEFAULT '',
    endpoint      text NOT NULL,
    endpoint_hash bytea NOT NULL,              -- SHA-256 of endpoint
    p256dh        bytea NOT NULL DEFAULT '',
    auth          bytea NOT NULL DEFAULT '',
    secret        bytea NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_ok_at    timestamptz,
    failures      int NOT NULL DEFAULT 0,      -- in a row
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
-- that brings the inbox up to date.
CREATE TABLE data.push_wakes (
    partition   int NOT NULL,
    user_id     bigint NOT NULL,
    channel_id  bigint NOT NULL,
    seq         bigint NOT NULL,               -- newest message
    mention_seq bigint NOT NULL DEFAULT 0,     -- newest one that mentions the user
    due_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, user_id, channel_id)
) WITH (fillfactor = 50);
CREATE INDEX push_wakes_due ON data.push_wakes (due_at);

-- What is to be sent to one device of one channel. seq only grows, so a message is pushed to a device at most once.
CREATE TABLE data.push_jobs (
    partition  int NOT NULL,
    user_id    bigint NOT NULL,
    device_id  bigint NOT NULL,
    channel_id bigint NOT NULL,
    seq        bigint NOT NULL,                -- to be told
    sent_seq   bigint NOT NULL DEFAULT 0,      -- told, or tried with an outcome nobody knows
    cleared    bigint NOT NULL DEFAULT 0,      -- up to here the device was told that it was read elsewhere
    attempts   int NOT NULL DEFAULT 0,
    next_at    timestamptz,                    -- NULL: nothing to do
    PRIMARY KEY (partition, user_id, device_id, channel_id)
) WITH (fillfactor = 50);
CREATE INDEX push_jobs_next ON data.push_jobs (next_at) WHERE next_at IS NOT NULL;

SELECT control.guard_tables();
