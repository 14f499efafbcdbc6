-- How many runs ended, how, and what they took: added up as they are dispatched, so that nobody ever counts executions.
-- The Postgres file of the same name has the same tables and columns: a test compares them.

-- One row for all tenants, for each tenant and for each agent, and of each for every stretch of time in which a run ended.
CREATE TABLE execution_stats (
    agent_id          BLOB NOT NULL,         -- nil UUID: all agents
    tenant_id         TEXT NOT NULL,         -- no tenant is called '': all tenants
    grain             TEXT NOT NULL,         -- how long the stretch is: minute | quarter_hour | two_hours | half_day
    at                TEXT NOT NULL,  -- its beginning
    succeeded         INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    cancelled         INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cost_nano         INTEGER NOT NULL,       -- of runs whose cost is known
    unknown_costs     INTEGER NOT NULL,       -- runs whose cost is not
    latencies         TEXT NOT NULL,         -- JSON {bucket: runs}: model/stats/latencies.rs has the buckets
    PRIMARY KEY (agent_id, tenant_id, grain, at)
) STRICT;
CREATE INDEX execution_stats_by_time ON execution_stats (grain, at);
