-- What happens, who is told of it, and how the telling went.
-- The SQLite file of the same name has the same tables and columns: a test compares them.

-- Written in the transaction of what it tells.
CREATE TABLE events (
    event_id        UUID NOT NULL PRIMARY KEY,   -- version 7: newer ids sort later; shown as evt_<hex>
    event_type      TEXT NOT NULL,
    tenant_id       TEXT,                        -- NULL: the platform's
    agent_id        UUID,                        -- of what it tells, where that is an agent's
    execution_id    UUID,
    webhook_id      UUID,                        -- for this one alone: tests
    at              TIMESTAMPTZ NOT NULL,
    data            TEXT NOT NULL,               -- JSON as it goes out: not JSONB, which would sort its keys
    idempotency_key TEXT,                        -- of whoever published it
    published_by    UUID,                   -- the API key with which somebody reported it; NULL: the product itself
    dispatched_at   TIMESTAMPTZ                  -- when its deliveries were made; NULL: they are still to be made
);
CREATE INDEX events_to_dispatch ON events (COALESCE(tenant_id, ''), event_id) WHERE dispatched_at IS NULL;
CREATE INDEX events_of_tenant ON events (tenant_id, event_id);
CREATE INDEX events_of_execution ON events (execution_id, event_id) WHERE execution_id IS NOT NULL;
-- No tenant is called '': a key of the platform's is one as well, where NULLs would all differ.
CREATE UNIQUE INDEX events_published ON events (COALESCE(tenant_id, ''), idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Endpoints. Their URL and headers may hold credentials, so they are sealed.
CREATE TABLE webhooks (
    webhook_id      UUID NOT NULL PRIMARY KEY,   -- shown as wh_<hex>
    kind            TEXT NOT NULL,               -- webhook | platform (WEBHOOK_URL) | callback (an agent's)
    tenant_id       TEXT REFERENCES tenants (tenant_id), -- NULL: the platform's
    agent_id        UUID,                        -- events of this agent alone; of a callback: whose it is
    version         INTEGER NOT NULL,            -- counts changes, those of its secrets too
    status          TEXT NOT NULL,               -- active | disabled
    disabled_reason TEXT,                        -- why, while it is: exhausted | gone | by_hand
    events          TEXT NOT NULL,               -- JSON: patterns of event types
    profile         TEXT NOT NULL,
    target          TEXT NOT NULL,               -- Fernet token of JSON {url, headers}
    options         TEXT NOT NULL,               -- JSON: filter, retry, rate limit and so on
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ
);
CREATE INDEX webhooks_of_tenant ON webhooks (tenant_id, webhook_id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX webhooks_of_platform ON webhooks (kind) WHERE kind = 'platform' AND deleted_at IS NULL;
CREATE UNIQUE INDEX webhooks_of_callbacks ON webhooks (agent_id) WHERE kind = 'callback' AND deleted_at IS NULL;

-- What deliveries are signed with.
CREATE TABLE signing_secrets (
    secret_id  UUID NOT NULL PRIMARY KEY,        -- version 7: the newest of a webhook signs first
    webhook_id UUID NOT NULL REFERENCES webhooks (webhook_id),
    sealed     TEXT NOT NULL,                    -- Fernet token
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);
CREATE INDEX signing_secrets_of_webhook ON signing_secrets (webhook_id, secret_id);

-- How a webhook is: written with each outcome, so apart from the row that people change.
CREATE TABLE webhook_health (
    webhook_id       UUID NOT NULL PRIMARY KEY,
    delivered        BIGINT NOT NULL,            -- deliveries that succeeded
    failed           BIGINT NOT NULL,            -- deliveries that failed, until they succeed
    last_delivery_at TIMESTAMPTZ,                -- when an attempt last succeeded
    last_failure_at  TIMESTAMPTZ,
    failures         INTEGER NOT NULL,           -- attempts that failed in a row
    open_until       TIMESTAMPTZ,                -- the circuit is open until then, half-open from then on
    probe_by         UUID,                       -- half-open: which worker process has the one probe
    probe_until      TIMESTAMPTZ                 -- and until when, at most
);

-- One row per event and webhook that is to hear of it.
CREATE TABLE deliveries (
    delivery_id   UUID NOT NULL PRIMARY KEY,     -- version 7; shown as del_<hex>
    event_id      UUID NOT NULL,
    webhook_id    UUID NOT NULL,
    event_type    TEXT NOT NULL,
    status        TEXT NOT NULL,                 -- pending | success | failed (to be tried again) | exhausted
    due_at        TIMESTAMPTZ,                   -- pending, failed: from when on it may be sent; NULL while it is sent
    lease_owner   UUID,                          -- which worker process is sending it
    claims        INTEGER NOT NULL,              -- fences a late outcome: only the newest claim may write
    lost          INTEGER NOT NULL DEFAULT 0,    -- claims in a row that nothing was heard of
    tries         INTEGER NOT NULL,              -- places in the schedule that are used up
    attempt_count INTEGER NOT NULL,
    status_code   INTEGER,                       -- of the last attempt
    response_ms   BIGINT,
    error         TEXT,                          -- JSON {code, message}: of the last attempt
    created_at    TIMESTAMPTZ NOT NULL,
    attempted_at  TIMESTAMPTZ                    -- the last attempt
);
CREATE UNIQUE INDEX deliveries_of_event ON deliveries (event_id, webhook_id);
CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, delivery_id);
CREATE INDEX deliveries_by_status ON deliveries (webhook_id, status, delivery_id);
CREATE INDEX deliveries_due ON deliveries (webhook_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_leased ON deliveries (lease_owner) WHERE lease_owner IS NOT NULL;

-- Written with the outcome.
CREATE TABLE delivery_attempts (
    delivery_id   UUID NOT NULL,
    number        INTEGER NOT NULL,
    started_at    TIMESTAMPTZ NOT NULL,
    response_ms   BIGINT NOT NULL,
    headers       TEXT NOT NULL,                 -- JSON: as sent, values that a person set left out
    status_code   INTEGER,
    response_body BYTEA,                         -- its first 4096 bytes
    error         TEXT,                          -- JSON {code, message}
    PRIMARY KEY (delivery_id, number)
);

-- Wishes to send again what failed; a worker goes through them bit by bit.
CREATE TABLE recoveries (
    recovery_id UUID NOT NULL PRIMARY KEY,
    webhook_id  UUID NOT NULL,
    since       TIMESTAMPTZ NOT NULL,
    until       TIMESTAMPTZ NOT NULL,
    after_id    UUID NOT NULL,                   -- how far it has come: the last delivery that was looked at
    created_at  TIMESTAMPTZ NOT NULL
);
CREATE INDEX recoveries_of_webhook ON recoveries (webhook_id);

-- Where senders want to hear of the end of their executions. A table of its own: few do, and a column with an index would
-- have every row of executions read, and nobody may write there meanwhile.
CREATE TABLE callbacks (
    execution_id UUID NOT NULL PRIMARY KEY,
    sealed       TEXT NOT NULL                   -- Fernet token of the URL
);
