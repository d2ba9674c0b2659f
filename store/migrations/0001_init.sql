-- Schema of one shard. Two PostgreSQL schemas:
--   data     rows of people and channels. Every table starts with `partition` and has it first in its primary
--            key; a move of a partition carries every table found here by the catalog, so nothing else is needed
--            to make a new table move.
--   control  rows of the shard itself: who owns which partition, what is unfinished. Never moved.
-- Times are timestamptz for people to read; no order depends on them.

CREATE SCHEMA data;
CREATE SCHEMA control;

-- One row: which shard this is.
CREATE TABLE control.shard_self (
    one        bool PRIMARY KEY DEFAULT true CHECK (one),
    shard_id   text NOT NULL,
    term       bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The authority: which partitions this shard may serve. `gone` rows stay for ever and point to the new owner.
CREATE TABLE control.partition_owner (
    partition int PRIMARY KEY CHECK (partition BETWEEN 0 AND 1020),
    state     text NOT NULL CHECK (state IN ('active', 'fenced', 'incoming', 'gone')),
    epoch     bigint NOT NULL DEFAULT 1,
    peer      text NOT NULL DEFAULT '',     -- the other shard of the move, or the forwarding address
    move_id   text NOT NULL DEFAULT '',
    attempt   int NOT NULL DEFAULT 0,
    capture   bool NOT NULL DEFAULT false,  -- writers note changed keys in partition_dirty
    fenced_at timestamptz
);

-- Keys changed while `capture` is on: never row images, so the mover re-reads the present row.
CREATE TABLE control.partition_dirty (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition int NOT NULL,
    tbl       text NOT NULL,
    key       jsonb NOT NULL
);

-- The ring document as this shard last accepted it (a plan and a hint, never the authority).
CREATE TABLE control.ring_document (
    one   bool PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint NOT NULL,
    doc   jsonb NOT NULL
);

-- A row for each batch of appends, written in its transaction and deleted once every member's inbox knows of it:
-- what a dead node left is found here, without an index on the hot channel rows.
CREATE TABLE control.fanout_pending (
    batch_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channels   bigint[] NOT NULL,
    from_seqs  bigint[] NOT NULL,  -- the new messages of each channel in this batch; mentions are read from them;
    to_seqs    bigint[] NOT NULL,  -- 0 and 0: none, only its state has changed
    made_at    timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------- the gate

-- Passes the gate for partitions (sorted by the caller): the first statement of every transaction that writes.
-- It is VOLATILE, so each query in it has a snapshot of its own: the states are read after the locks are held.
-- `gori.gate` names the partitions passed for, `gori.capture` says that changed keys of some of them are to be noted;
-- both end with the transaction.
CREATE FUNCTION control.gate(ps int[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    p        int;
    n        int;
    noting   bool;
    ignored  text;
BEGIN
    FOREACH p IN ARRAY ps LOOP
        IF pg_advisory_xact_lock_shared(77, p) IS NULL THEN
            RAISE EXCEPTION 'no lock';
        END IF;
    END LOOP;
    SELECT count(*), bool_or(o.capture) INTO n, noting
        FROM control.partition_owner o WHERE o.partition = ANY (ps) AND o.state = 'active';
    IF n <> cardinality(ps) THEN
        RAISE EXCEPTION 'partition not active here' USING ERRCODE = 'GR001';
    END IF;
    -- A transaction may pass for more partitions later.
    ignored := set_config('gori.gate', coalesce(current_setting('gori.gate', true), '') || '/' || array_to_string(ps, '/') || '/', true);
    IF noting THEN
        ignored := set_config('gori.capture', 'on', true);
    END IF;
END $$;

-- Runs once for each statement on a table of schema data. It refuses every write of a transaction that did not pass
-- the gate. With `gori.strict` it also refuses rows of partitions for which it did not pass, and while capture is on
-- it notes the keys of changed rows. TG_ARGV holds the columns of the primary key.
CREATE FUNCTION control.guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stray  int;
BEGIN
    IF coalesce(current_setting('gori.gate', true), '') = '' THEN
        RAISE EXCEPTION 'a write to data.% did not pass the gate', TG_TABLE_NAME
            USING ERRCODE = 'GR002', HINT = 'Begin the transaction with SELECT control.gate(ARRAY[partition]).';
    END IF;
    IF current_setting('gori.capture', true) = 'on' OR current_setting('gori.strict', true) = 'on' THEN
        SELECT c.partition INTO stray FROM changed c
            WHERE strpos(current_setting('gori.gate', true), '/' || c.partition || '/') = 0 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'a write to data.% of partition % did not pass the gate', TG_TABLE_NAME, stray USING ERRCODE = 'GR002';
        END IF;
        INSERT INTO control.partition_dirty (partition, tbl, key)
            SELECT c.partition, TG_TABLE_NAME, (SELECT jsonb_object_agg(k, to_jsonb(c) -> k) FROM unnest(TG_ARGV) k)
            FROM changed c JOIN control.partition_owner o ON o.partition = c.partition AND o.capture;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION control.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'data.% cannot be truncated', TG_TABLE_NAME USING ERRCODE = 'GR002';
END $$;

-- Puts the guard on every table of schema data that lacks it. Every migration that makes a table ends with it.
CREATE FUNCTION control.guard_tables() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t    regclass;
    cols text;
BEGIN
    FOR t, cols IN
        SELECT c.oid::regclass, (
            SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY k.ord)
            FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(num, ord)
            JOIN pg_attribute a ON a.attnum = k.num
            WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid)
        FROM pg_class c
        WHERE c.relnamespace = 'data'::regnamespace AND c.relkind = 'r'
          AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'guard_insert')
    LOOP
        EXECUTE format('CREATE TRIGGER guard_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION control.guard(%s)', t, cols);
        EXECUTE format('CREATE TRIGGER guard_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION control.guard(%s)', t, cols);
        EXECUTE format('CREATE TRIGGER guard_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION control.guard(%s)', t, cols);
        EXECUTE format('CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT
            EXECUTE FUNCTION control.refuse_truncate()', t);
    END LOOP;
END $$;

-- ---------------------------------------------------------------------------------------------- channels

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

-- ---------------------------------------------------------------------------------------------- people

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
