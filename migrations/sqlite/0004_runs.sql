-- An execution may run more than once under one id (retry), and its payload once more under another (replay).

ALTER TABLE executions ADD COLUMN run INTEGER NOT NULL DEFAULT 1;               -- counts retries that were asked for
ALTER TABLE executions ADD COLUMN queued_at TEXT;                        -- when the present run was asked for; NULL: received_at
ALTER TABLE executions ADD COLUMN source TEXT NOT NULL DEFAULT 'webhook';       -- webhook | test | replay
ALTER TABLE executions ADD COLUMN replay_of BLOB;                               -- replay: of which execution
-- secret_id of what no secret verified (test, replay) is the nil UUID.

ALTER TABLE attempts ADD COLUMN run INTEGER NOT NULL DEFAULT 1;

-- What came of the runs before the present one.
CREATE TABLE runs (
    execution_id BLOB NOT NULL REFERENCES executions (execution_id),
    run          INTEGER NOT NULL,
    status       TEXT NOT NULL,
    queued_at    TEXT NOT NULL,
    started_at   TEXT,
    finished_at  TEXT,
    error        TEXT,
    output       TEXT,
    PRIMARY KEY (execution_id, run)
) STRICT;

CREATE INDEX executions_replays ON executions (replay_of, execution_id) WHERE replay_of IS NOT NULL;

-- Lists of what is rare among millions that ended well. Nothing of this is written for a run that ends well.
CREATE INDEX executions_failed ON executions (execution_id) WHERE status = 'failed';
CREATE INDEX executions_cancelled ON executions (execution_id) WHERE status = 'cancelled';
CREATE INDEX executions_held ON executions (execution_id) WHERE status = 'held';
-- The same for those who see one tenant.
CREATE INDEX executions_failed_of_tenant ON executions (tenant_id, execution_id) WHERE status = 'failed';
CREATE INDEX executions_cancelled_of_tenant ON executions (tenant_id, execution_id) WHERE status = 'cancelled';
CREATE INDEX executions_held_of_tenant ON executions (tenant_id, execution_id) WHERE status = 'held';
