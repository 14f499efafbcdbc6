-- Every hit on a webhook, limits, and what waits for a person.
-- The SQLite file of the same name has the same tables and columns: a test compares them.

-- An accepted hit is its execution.
ALTER TABLE executions ADD COLUMN headers TEXT;          -- JSON: of the hook, without secrets
ALTER TABLE executions ADD COLUMN held_reason TEXT;      -- why it is or was held: paused | quarantine

-- Hits that made no execution. The newest of each agent are kept.
CREATE TABLE hits (
    hit_id       UUID NOT NULL PRIMARY KEY,   -- X-Request-Id of the answer; version 7: newer ids sort later
    agent_id     UUID NOT NULL,
    tenant_id    TEXT NOT NULL,
    received_at  TIMESTAMPTZ NOT NULL,
    verdict      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    status_code  INTEGER NOT NULL,        -- of the answer
    execution_id UUID,                        -- duplicate: of which
    diagnosis    TEXT,                    -- JSON {code, detail}: of a refused signature
    detail       TEXT,                    -- what else there is to say about the reason
    headers      TEXT NOT NULL,           -- JSON: without secrets
    body         BYTEA NOT NULL,               -- the first bytes as received
    body_bytes   BIGINT NOT NULL              -- how many there were; -1: not read to the end
);
CREATE INDEX hits_of_agent ON hits (agent_id, hit_id);

-- How many hits there were, those without a row too.
CREATE TABLE hit_counts (
    agent_id UUID NOT NULL,
    hour     TIMESTAMPTZ NOT NULL,        -- its beginning
    verdict  TEXT NOT NULL,
    reason   TEXT NOT NULL,
    hits     BIGINT NOT NULL,
    PRIMARY KEY (agent_id, hour, verdict, reason)
);

CREATE INDEX hit_counts_by_hour ON hit_counts (hour);
-- Nothing of this is written for what is not held.
CREATE INDEX executions_once_held ON executions (agent_id, execution_id) WHERE held_reason IS NOT NULL;

-- Since when a secret verifies nothing and is in no list: it is kept to tell who still signs with it.
ALTER TABLE webhook_secrets ADD COLUMN retired_at TIMESTAMPTZ;

ALTER TABLE tenants ADD COLUMN rate_limit JSONB;            -- JSON {per_minute, burst}
ALTER TABLE tenants ADD COLUMN concurrency INTEGER;
ALTER TABLE agents ADD COLUMN concurrency INTEGER;          -- of the present version, for whoever claims
CREATE INDEX tenants_limited ON tenants (tenant_id) WHERE concurrency IS NOT NULL;
CREATE INDEX agents_limited ON agents (agent_id) WHERE concurrency IS NOT NULL;
CREATE INDEX executions_running ON executions (tenant_id, agent_id) WHERE status = 'running';

-- An agent that may run no more right now is passed over, however much of it waits.
DROP INDEX executions_waiting;
CREATE INDEX executions_waiting ON executions (tenant_id, agent_id, due_at) WHERE status = 'queued';
