-- Receipts that an admin has had computed again from what is served: the newest check of each reshard, on the shard that
-- kept it. While it is under way its row is written again and again, so an old one was cut off.
CREATE TABLE control.checks (
    reshard text PRIMARY KEY,
    at      timestamptz NOT NULL,
    doc     jsonb NOT NULL          -- move.Check
);

-- Why the last attempt of a move ended, for programs: shard.Cause.
ALTER TABLE control.moves ADD COLUMN cause jsonb;
