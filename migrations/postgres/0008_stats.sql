-- How many runs ended, how, and what they took: added up as they are dispatched, so that nobody ever counts executions.
-- The SQLite file of the same name has the same tables and columns: a test compares them.

-- One row for all tenants, for each tenant and for each agent, and of each for every stretch of time in which a run ended.
CREATE TABLE execution_stats (
    agent_id          UUID NOT NULL,         -- nil UUID: all agents
    tenant_id         TEXT NOT NULL,         -- no tenant is called '': all tenants
    grain             TEXT NOT NULL,         -- how long the stretch is: minute | quarter_hour | two_hours | half_day
    at                TIMESTAMPTZ NOT NULL,  -- its beginning
    succeeded         BIGINT NOT NULL,
    failed            BIGINT NOT NULL,
    cancelled         BIGINT NOT NULL,
    prompt_tokens     BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cost_nano         BIGINT NOT NULL,       -- of runs whose cost is known
    unknown_costs     BIGINT NOT NULL,       -- runs whose cost is not
    latencies         TEXT NOT NULL,         -- JSON {bucket: runs}: model/stats/latencies.rs has the buckets
    PRIMARY KEY (agent_id, tenant_id, grain, at)
);
CREATE INDEX execution_stats_by_time ON execution_stats (grain, at);
