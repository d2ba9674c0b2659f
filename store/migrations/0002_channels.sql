-- Channels and what is said in them: the rows of a channel lie together, on the partition of its id.

CREATE TABLE data.channels (
    partition      int NOT NULL,
    channel_id     bigint NOT NULL,
    kind           smallint NOT NULL,
    name           text NOT NULL DEFAULT '',
    user_a         bigint NOT NULL DEFAULT 0,  -- direct: the smaller user id
    user_b         bigint NOT NULL DEFAULT 0,  -- direct: the greater user id
    create_key     uuid,                       -- group: the owner's key, makes creation repeatable
    created_by     bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    member_limit   int NOT NULL,
    member_count   int NOT NULL DEFAULT 0,
    member_version bigint NOT NULL DEFAULT 1,
    last_seq       bigint NOT NULL DEFAULT 0,
    last_count     bigint NOT NULL DEFAULT 0,
    last_change    bigint NOT NULL DEFAULT 0,
    last_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, channel_id)
) WITH (fillfactor = 50);  -- room for HOT updates of the counters; no index on them

CREATE TABLE data.members (
    partition  int NOT NULL,
    channel_id bigint NOT NULL,
    user_id    bigint NOT NULL,
    role       smallint NOT NULL,
    joined_at  timestamptz NOT NULL DEFAULT now(),
    joined_seq bigint NOT NULL DEFAULT 0,      -- the last message before or with which they came: their read mark starts there
    joined_count bigint NOT NULL DEFAULT 0,    -- the channel's count at joined_seq
    read_seq   bigint NOT NULL DEFAULT 0,      -- arrives here from the user's home
    muzzled    bool NOT NULL DEFAULT false,    -- direct: the other one has blocked this member
    muzzle_version bigint NOT NULL DEFAULT 0,  -- of the block; a late effect with a smaller one does nothing
    PRIMARY KEY (partition, channel_id, user_id)
) WITH (fillfactor = 70);

CREATE TABLE data.messages (
    partition     int NOT NULL,
    channel_id    bigint NOT NULL,
    seq           bigint NOT NULL,
    count         bigint NOT NULL,             -- the channel's count including this message
    sender_id     bigint NOT NULL,
    client_msg_id uuid NOT NULL,
    digest        bigint NOT NULL,             -- of the draft as first sent: the same id with another body is refused
    kind          smallint NOT NULL DEFAULT 0,
    body          text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    orig_at       timestamptz,
    reply_to      bigint,
    thread        bigint,
    thread_count  bigint,
    mentions      bigint[],                    -- as first sent, for ever: they are what is counted, however late
    edited_mentions bigint[],                  -- since an edit: they are what is shown
    mention_all   bool NOT NULL DEFAULT false,
    change        bigint,                      -- number of its last alteration; null if never altered
    edited_at     timestamptz,
    deleted_at    timestamptz,
    deleted_by    bigint,
    system        jsonb,
    PRIMARY KEY (partition, channel_id, seq),
    -- The id first: with UUIDv7 new rows lie together in it. And without the partition, so that no plan, made while the
    -- table was small, can look for an id by reading its whole channel through the primary key.
    CONSTRAINT messages_once UNIQUE (client_msg_id, sender_id, channel_id)
);
CREATE INDEX messages_changed ON data.messages (partition, channel_id, change) WHERE change IS NOT NULL;
CREATE INDEX messages_thread ON data.messages (partition, channel_id, thread, seq) WHERE thread IS NOT NULL;

CREATE TABLE data.reactions (
    partition  int NOT NULL,
    channel_id bigint NOT NULL,
    seq        bigint NOT NULL,
    emoji      text NOT NULL,
    user_id    bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition, channel_id, seq, emoji, user_id)
);

CREATE TABLE data.threads (
    partition  int NOT NULL,
    channel_id bigint NOT NULL,
    root_seq   bigint NOT NULL,
    count      bigint NOT NULL,
    last_seq   bigint NOT NULL,
    last_at    timestamptz NOT NULL,
    PRIMARY KEY (partition, channel_id, root_seq)
) WITH (fillfactor = 70);

-- Who is told of replies: the root's author, everyone who replied, everyone mentioned there.
CREATE TABLE data.thread_followers (
    partition  int NOT NULL,
    channel_id bigint NOT NULL,
    root_seq   bigint NOT NULL,
    user_id    bigint NOT NULL,
    since_count bigint NOT NULL,               -- replies there were before this user followed: never unread
    PRIMARY KEY (partition, channel_id, root_seq, user_id)
);

CREATE TABLE data.invites (
    partition  int NOT NULL,
    channel_id bigint NOT NULL,
    invite_id  bigint NOT NULL,
    code_hash  bytea NOT NULL,
    created_by bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    max_uses   int NOT NULL DEFAULT 0,         -- 0: no limit
    uses       int NOT NULL DEFAULT 0,
    PRIMARY KEY (partition, channel_id, invite_id)
);

SELECT control.guard_tables();
