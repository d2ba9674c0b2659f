-- What several nodes need.

-- What has been taken away from someone, for the nodes that did not hear of it: every node reads the newest rows some
-- times a second and applies them again, which changes nothing for what it has heard. Login rows are in the user's home
-- partition, member rows in the channel's. Rows older than ten minutes are of no use and are deleted.
CREATE TABLE data.revocations (
    partition     int NOT NULL,
    revocation_id bigint NOT NULL,             -- time and random bits: unique wherever its partition moves
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind          smallint NOT NULL,           -- 1 login ended, 2 account disabled, 3 no longer a member
    user_id       bigint NOT NULL,
    login_id      bigint NOT NULL DEFAULT 0,
    channel_id    bigint NOT NULL DEFAULT 0,
    member_version bigint NOT NULL DEFAULT 0,  -- of the channel, since which the user is out
    PRIMARY KEY (partition, revocation_id)
);
CREATE INDEX revocations_at ON data.revocations (at);

-- Who may see a user's presence: 0 everyone, 1 friends, 2 nobody.
ALTER TABLE data.users ADD COLUMN presence_to smallint NOT NULL DEFAULT 0;

SELECT control.guard_tables();
