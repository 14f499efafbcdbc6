-- Tenants, agents and their versions, secrets, executions and their attempts.
-- The SQLite file of the same name has the same tables and columns: a test compares them.
-- Times have whole milliseconds, money is nano-dollars.

CREATE TABLE tenants (
    tenant_id      TEXT NOT NULL PRIMARY KEY,
    version        INTEGER NOT NULL,        -- counts changes, so that none is lost
    name           TEXT,
    key_policy     TEXT NOT NULL,
    fallback_on    JSONB NOT NULL,
    allowed_models JSONB,
    llm_key        TEXT,            -- Fernet token
    llm_key_hint   TEXT,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL
);

CREATE TABLE api_keys (
    key_hash   BYTEA NOT NULL PRIMARY KEY,   -- SHA-256 of the key; the key itself is not kept
    name       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE agents (
    agent_id   UUID NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (tenant_id),
    version    INTEGER NOT NULL,            -- the present one
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE INDEX agents_of_tenant ON agents (tenant_id, agent_id);

CREATE TABLE agent_versions (
    agent_id   UUID NOT NULL REFERENCES agents (agent_id),
    version    INTEGER NOT NULL,
    spec       JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (agent_id, version)
);

CREATE TABLE webhook_secrets (
    secret_id  UUID NOT NULL PRIMARY KEY,
    agent_id   UUID NOT NULL REFERENCES agents (agent_id),
    sealed     TEXT NOT NULL,               -- Fernet token
    encoding   TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);
CREATE INDEX webhook_secrets_of_agent ON webhook_secrets (agent_id);

-- One row per accepted hook: the hook's own columns, the state, the outcome.
CREATE TABLE executions (
    execution_id  UUID NOT NULL PRIMARY KEY, -- version 7: newer ids sort later, so lists need no other key
    tenant_id     TEXT NOT NULL,
    agent_id      UUID NOT NULL,
    agent_version INTEGER NOT NULL,
    status        TEXT NOT NULL,
    payload       BYTEA NOT NULL,             -- the bytes as received
    secret_id     UUID NOT NULL,             -- which secret verified them
    request_id    UUID NOT NULL,
    dedupe_key    TEXT,                      -- NULL once it stands for this delivery no more
    dedupe_until  TIMESTAMPTZ NOT NULL,
    received_at   TIMESTAMPTZ NOT NULL,
    due_at        TIMESTAMPTZ,                      -- queued: may run from then on
    lease_owner   UUID,                      -- running: which worker process
    lease_until   TIMESTAMPTZ,                      -- running: abandoned from then on
    claims        INTEGER NOT NULL,          -- fences a late result: only the newest claim may write
    tries         INTEGER NOT NULL,          -- calls that count against retry.max_attempts
    attempt_count INTEGER NOT NULL,
    started_at    TIMESTAMPTZ,
    finished_at   TIMESTAMPTZ,
    output        TEXT,
    error         JSONB,
    model         TEXT,
    key_source    TEXT,
    usage         JSONB,
    cost_nano     BIGINT,
    llm_ms        BIGINT
);
CREATE UNIQUE INDEX executions_delivery ON executions (agent_id, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX executions_due ON executions (due_at) WHERE status = 'queued';
CREATE INDEX executions_leased ON executions (lease_until) WHERE status = 'running';
CREATE INDEX executions_of_tenant ON executions (tenant_id, execution_id);
CREATE INDEX executions_of_agent ON executions (agent_id, execution_id);

-- One row per LLM call, written before the call.
CREATE TABLE attempts (
    execution_id UUID NOT NULL REFERENCES executions (execution_id),
    number       INTEGER NOT NULL,
    started_at   TIMESTAMPTZ NOT NULL,
    finished_at  TIMESTAMPTZ,
    key_source   TEXT NOT NULL,
    status_code  INTEGER,
    error        JSONB,
    usage        JSONB,
    cost_nano    BIGINT,
    llm_call_id  TEXT NOT NULL,
    model        TEXT NOT NULL,
    PRIMARY KEY (execution_id, number)
);
