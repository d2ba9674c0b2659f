-- How far the moves of partitions are that this shard has a part in: one row a partition, that of its newest move. It
-- is for people to read; what happens next follows from control.partition_owner alone.
CREATE TABLE control.moves (
    partition  int PRIMARY KEY,
    reshard    text NOT NULL,
    role       text NOT NULL CHECK (role IN ('source', 'target')),
    peer       text NOT NULL,
    attempt    int NOT NULL,
    state      text NOT NULL,                  -- shard.MoveState
    rows       bigint NOT NULL DEFAULT 0,      -- copied
    total_rows bigint NOT NULL DEFAULT 0,      -- to copy, estimated
    bytes      bigint NOT NULL DEFAULT 0,      -- copied
    dirty      bigint NOT NULL DEFAULT 0,      -- keys changed and not yet copied again
    pause_us   bigint NOT NULL DEFAULT 0,      -- of the last fence
    error      text NOT NULL DEFAULT '',       -- of the last attempt
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What proves a move, kept on both its shards for ever; doc is a shard.Receipt.
CREATE TABLE control.receipts (
    reshard   text NOT NULL,
    partition int NOT NULL,
    at        timestamptz NOT NULL,
    doc       jsonb NOT NULL,
    PRIMARY KEY (reshard, partition)
);

-- Nothing of the partition is left here.
ALTER TABLE control.partition_owner ADD COLUMN cleaned bool NOT NULL DEFAULT false;

CREATE INDEX partition_dirty_partition ON control.partition_dirty (partition, id);

-- When the account was last restored from a backup, in milliseconds of Unix time; 0: never. A device that knows another
-- value may have seen what is no more, and begins anew.
ALTER TABLE data.user_state ADD COLUMN generation bigint NOT NULL DEFAULT 0;

-- A mover has filled a table about which nothing was known. Only its owner may look at it.
CREATE FUNCTION control.learn_size(t text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('ANALYZE data.%I', t);
END $$;
REVOKE ALL ON FUNCTION control.learn_size(text) FROM PUBLIC;
