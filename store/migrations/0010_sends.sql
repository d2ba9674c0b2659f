-- How long people's sends take: each node's row, written by it while a reshard is under way, so that movers give way.
-- What a crash takes of it is told again.
CREATE UNLOGGED TABLE control.sends (
    run    text PRIMARY KEY,
    at     timestamptz NOT NULL,
    before bigint[] NOT NULL,       -- reshard.Told
    total  bigint[] NOT NULL
);

-- What was written to before, to find out how long a small write takes.
DROP TABLE control.probe;
