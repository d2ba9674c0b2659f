-- People, on the partition of the user's id (a login name on its own), and what the system owes across partitions.

CREATE TABLE data.login_names (
    partition int NOT NULL,
    name      text NOT NULL,                   -- canonical: NFC, lower case
    user_id   bigint NOT NULL,
    PRIMARY KEY (partition, name)
);
CREATE INDEX login_names_prefix ON data.login_names (name text_pattern_ops);

CREATE TABLE data.users (
    partition      int NOT NULL,
    user_id        bigint NOT NULL,
    login_name     text NOT NULL,
    display_name   text NOT NULL,
    search_name    text NOT NULL,              -- display name, NFC, lower case
    password_hash  text NOT NULL DEFAULT '',
    admin          bool NOT NULL DEFAULT false,
    disabled       bool NOT NULL DEFAULT false,
    avatar_color   smallint NOT NULL DEFAULT 0,
    avatar_version bigint NOT NULL DEFAULT 0,
    status_line    text NOT NULL DEFAULT '',
    lang           text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, user_id)
);
CREATE INDEX users_search ON data.users (search_name text_pattern_ops);

-- What changes often about a user, apart from the profile, in a narrow HOT row.
CREATE TABLE data.user_state (
    partition      int NOT NULL,
    user_id        bigint NOT NULL,
    inbox_pos      bigint NOT NULL DEFAULT 0,
    last_active_at timestamptz,
    PRIMARY KEY (partition, user_id)
) WITH (fillfactor = 50);

CREATE TABLE data.avatars (
    partition int NOT NULL,
    user_id   bigint NOT NULL,
    version   bigint NOT NULL,
    png       bytea NOT NULL,
    PRIMARY KEY (partition, user_id)
);

CREATE TABLE data.logins (
    partition    int NOT NULL,
    user_id      bigint NOT NULL,
    login_id     bigint NOT NULL,
    token_hash   bytea NOT NULL,
    device_name  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, user_id, login_id),
    UNIQUE (partition, user_id, token_hash)
);

CREATE TABLE data.inbox (
    partition    int NOT NULL,
    user_id      bigint NOT NULL,
    channel_id   bigint NOT NULL,
    kind         smallint NOT NULL,
    peer_id      bigint NOT NULL DEFAULT 0,
    name         text NOT NULL DEFAULT '',
    member       bool NOT NULL,
    member_as_of bigint NOT NULL DEFAULT 0,    -- the member_version of the channel this membership is as of
    joined_seq   bigint NOT NULL DEFAULT 0,    -- where it began: news of threads from before are of an earlier one
    pos          bigint NOT NULL,
    last_seq     bigint NOT NULL DEFAULT 0,
    last_count   bigint NOT NULL DEFAULT 0,
    last_change  bigint NOT NULL DEFAULT 0,
    last_at      timestamptz NOT NULL DEFAULT now(),
    last_sender  bigint NOT NULL DEFAULT 0,
    preview_seq  bigint NOT NULL DEFAULT 0,    -- the message of the preview: the last one in the channel itself
    preview      text NOT NULL DEFAULT '',
    preview_kind smallint NOT NULL DEFAULT 0,
    read_seq     bigint NOT NULL DEFAULT 0,
    read_count   bigint NOT NULL DEFAULT 0,
    level        smallint NOT NULL DEFAULT 0,
    pinned       bool NOT NULL DEFAULT false,
    PRIMARY KEY (partition, user_id, channel_id)
) WITH (fillfactor = 50);  -- read by user, filtered by pos: an index on pos would cost HOT

-- Unread messages that mention the user; a row goes when the read mark passes it.
CREATE TABLE data.mentions (
    partition  int NOT NULL,
    user_id    bigint NOT NULL,
    channel_id bigint NOT NULL,
    seq        bigint NOT NULL,
    root_seq   bigint NOT NULL DEFAULT 0,      -- 0: in the channel itself
    PRIMARY KEY (partition, user_id, channel_id, seq)
);

CREATE TABLE data.thread_inbox (
    partition  int NOT NULL,
    user_id    bigint NOT NULL,
    channel_id bigint NOT NULL,
    root_seq   bigint NOT NULL,
    last_seq   bigint NOT NULL,
    last_count bigint NOT NULL,
    read_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (partition, user_id, channel_id, root_seq)
) WITH (fillfactor = 70);

-- One side of a pair. Each register has one writer: `mine` is written by this user's actions here, `theirs` is
-- the copy of the other's `mine`, which arrives as an effect; the greater version wins. `refused` says: the other's
-- register up to that version is void, so a refusal needs no second writer. The state shown follows from both.
CREATE TABLE data.friends (
    partition     int NOT NULL,
    user_id       bigint NOT NULL,
    other_id      bigint NOT NULL,
    mine          smallint NOT NULL DEFAULT 0, -- 0 nothing, 1 wants to be friends, 2 blocks
    mine_version  bigint NOT NULL DEFAULT 0,
    refused       bigint NOT NULL DEFAULT 0,   -- of their versions
    theirs        smallint NOT NULL DEFAULT 0,
    their_version bigint NOT NULL DEFAULT 0,
    their_refused bigint NOT NULL DEFAULT 0,   -- of my versions
    since         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, user_id, other_id)
);

-- Things that happen once in the whole system, such as who the first account was.
CREATE TABLE data.singletons (
    partition int NOT NULL,
    key       text NOT NULL,
    value     jsonb NOT NULL,
    PRIMARY KEY (partition, key)
);

CREATE TABLE data.signup_invites (
    partition  int NOT NULL,
    code_hash  bytea NOT NULL,
    created_by bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    used_by    bigint,                         -- the account it was given to, or is being given to
    used_at    timestamptz,
    PRIMARY KEY (partition, code_hash)
);

CREATE TABLE data.audit (
    partition int NOT NULL,
    audit_id  bigint NOT NULL,                 -- time and random bits: unique wherever its partition moves
    at        timestamptz NOT NULL,
    actor     bigint NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    address   text NOT NULL,
    PRIMARY KEY (partition, audit_id)
);

-- The audit log only grows. Rows go only with their partition: where it is not served any more, or not yet.
CREATE FUNCTION control.audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM control.partition_owner o
                WHERE o.partition = OLD.partition AND o.state IN ('gone', 'incoming')) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON data.audit
    FOR EACH ROW EXECUTE FUNCTION control.audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON data.audit
    FOR EACH STATEMENT EXECUTE FUNCTION control.audit_is_append_only();

-- A transactional outbox: what a committed change still owes to rows of other partitions. Applied at once by the
-- node that wrote it, idempotent, swept when stale by any node.
CREATE TABLE data.effects (
    partition  int NOT NULL,
    effect_id  bigint NOT NULL,
    kind       text NOT NULL,
    payload    jsonb NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    next_at    timestamptz NOT NULL DEFAULT now() + interval '5 seconds',  -- when it is stale
    attempts   int NOT NULL DEFAULT 0,
    PRIMARY KEY (partition, effect_id)
);
CREATE INDEX effects_stale ON data.effects (next_at);

SELECT control.guard_tables();
