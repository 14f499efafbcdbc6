-- Leases belong to worker processes, not to runs: one row renewed however much a worker runs. And what it takes to
-- tell a run that kills its worker from its neighbors.

CREATE TABLE workers (
    worker_id   UUID NOT NULL PRIMARY KEY,  -- of one start of one process
    beats       BIGINT NOT NULL,            -- counts its signs of life
    lease_until TIMESTAMPTZ NOT NULL,       -- by its own clock: from then on it may be dead
    started_at  TIMESTAMPTZ NOT NULL
);

ALTER TABLE executions ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;    -- processes that died under it
ALTER TABLE executions ADD COLUMN alone BOOLEAN NOT NULL DEFAULT FALSE; -- running, and nothing else in its process

DROP INDEX executions_leased;
ALTER TABLE executions DROP COLUMN lease_until;
CREATE INDEX executions_leased ON executions (lease_owner) WHERE status = 'running';

-- In the order in which tenants take turns.
DROP INDEX executions_due;
CREATE INDEX executions_waiting ON executions (tenant_id, due_at) WHERE status = 'queued';
CREATE INDEX executions_suspect ON executions (due_at) WHERE status = 'queued' AND deaths >= 2;
