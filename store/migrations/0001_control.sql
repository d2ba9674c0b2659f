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
