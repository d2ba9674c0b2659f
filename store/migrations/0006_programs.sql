
-- Programs: bots and incoming webhooks.

-- Whose bot an account is; 0: a person. And the channel whose incoming webhook speaks by it; 0: none.
ALTER TABLE data.users ADD COLUMN bot_of bigint NOT NULL DEFAULT 0;
ALTER TABLE data.users ADD COLUMN hook_channel bigint NOT NULL DEFAULT 0;

-- The bots of a user, on the owner's home shard. A row is there before its account is, so that the number is bounded.
CREATE TABLE data.bots (
    partition    int NOT NULL,
    user_id      bigint NOT NULL,              -- the owner
    bot_id       bigint NOT NULL,
    hook_channel bigint NOT NULL DEFAULT 0,    -- it speaks for an incoming webhook of this channel; 0: a bot of its own
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, user_id, bot_id)
);

-- Incoming webhooks of a channel, on the channel's shard. The secret part of the URL is kept only as its SHA-256. A
-- hook that is on its way out has none.
CREATE TABLE data.hooks (
    partition  int NOT NULL,
    channel_id bigint NOT NULL,
    hook_id    bigint NOT NULL,
    token_hash bytea NOT NULL,
    name       text NOT NULL,
    bot_id     bigint NOT NULL,                -- the account that speaks
    created_by bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, channel_id, hook_id)
);

SELECT control.guard_tables();
