-- Tenants, agents and their versions, secrets, executions and their attempts.
-- The Postgres file of the same name has the same tables and columns: a test compares them.
-- Times are RFC 3339 text, ids 16-byte blobs, JSON text, money nano-dollars.

CREATE TABLE tenants (
    tenant_id      TEXT NOT NULL PRIMARY KEY,
    version        INTEGER NOT NULL,        -- counts changes, so that none is lost
    name           TEXT,
    key_policy     TEXT NOT NULL,
    fallback_on    TEXT NOT NULL,
    allowed_models TEXT,
    llm_key        TEXT,            -- Fernet token
    llm_key_hint   TEXT,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL
) STRICT;

CREATE TABLE api_keys (
    key_hash   BLOB NOT NULL PRIMARY KEY,   -- SHA-256 of the key; the key itself is not kept
    name       TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE agents (
    agent_id   BLOB NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (tenant_id),
    version    INTEGER NOT NULL,            -- the present one
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
CREATE INDEX agents_of_tenant ON agents (tenant_id, agent_id);

CREATE TABLE agent_versions (
    agent_id   BLOB NOT NULL REFERENCES agents (agent_id),
    version    INTEGER NOT NULL,
    spec       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (agent_id, version)
) STRICT;

CREATE TABLE webhook_secrets (
    secret_id  BLOB NOT NULL PRIMARY KEY,
    agent_id   BLOB NOT NULL REFERENCES agents (agent_id),
    sealed     TEXT NOT NULL,               -- Fernet token
    encoding   TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT
) STRICT;
CREATE INDEX webhook_secrets_of_agent ON webhook_secrets (agent_id);

-- One row per accepted hook: the hook's own columns, the state, the outcome.
CREATE TABLE executions (
    execution_id  BLOB NOT NULL PRIMARY KEY, -- version 7: newer ids sort later, so lists need no other key
    tenant_id     TEXT NOT NULL,
    agent_id      BLOB NOT NULL,
    agent_version INTEGER NOT NULL,
    status        TEXT NOT NULL,
    payload       BLOB NOT NULL,             -- the bytes as received
    secret_id     BLOB NOT NULL,             -- which secret verified them
    request_id    BLOB NOT NULL,
    dedupe_key    TEXT,                      -- NULL once it stands for this delivery no more
    dedupe_until  TEXT NOT NULL,
    received_at   TEXT NOT NULL,
    due_at        TEXT,                      -- queued: may run from then on
    lease_owner   BLOB,                      -- running: which worker process
    lease_until   TEXT,                      -- running: abandoned from then on
    claims        INTEGER NOT NULL,          -- fences a late result: only the newest claim may write
    tries         INTEGER NOT NULL,          -- calls that count against retry.max_attempts
    attempt_count INTEGER NOT NULL,
    started_at    TEXT,
    finished_at   TEXT,
    output        TEXT,
    error         TEXT,
    model         TEXT,
    key_source    TEXT,
    usage         TEXT,
    cost_nano     INTEGER,
    llm_ms        INTEGER
) STRICT;
CREATE UNIQUE INDEX executions_delivery ON executions (agent_id, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX executions_due ON executions (due_at) WHERE status = 'queued';
CREATE INDEX executions_leased ON executions (lease_until) WHERE status = 'running';
CREATE INDEX executions_of_tenant ON executions (tenant_id, execution_id);
CREATE INDEX executions_of_agent ON executions (agent_id, execution_id);

-- One row per LLM call, written before the call.
CREATE TABLE attempts (
    execution_id BLOB NOT NULL REFERENCES executions (execution_id),
    number       INTEGER NOT NULL,
    started_at   TEXT NOT NULL,
    finished_at  TEXT,
    key_source   TEXT NOT NULL,
    status_code  INTEGER,
    error        TEXT,
    usage        TEXT,
    cost_nano    INTEGER,
    llm_call_id  TEXT NOT NULL,
    model        TEXT NOT NULL,
    PRIMARY KEY (execution_id, number)
) STRICT;
