-- Whose an API key is, and who did what.
-- The Postgres file of the same name has the same tables and columns: a test compares them.

ALTER TABLE api_keys ADD COLUMN tenant_id TEXT REFERENCES tenants (tenant_id);  -- NULL sees all tenants

-- One row per write and per secret that was shown, in the transaction of what it tells.
CREATE TABLE audit (
    audit_id     BLOB NOT NULL PRIMARY KEY,     -- version 7: newer ids sort later
    at           TEXT NOT NULL,
    action       TEXT NOT NULL,
    tenant_id    TEXT,                          -- whose it is; NULL is the platform's
    subject      TEXT NOT NULL,                 -- the id of what was changed or shown
    actor_key_id BLOB,                          -- NULL is the server itself
    actor_name   TEXT NOT NULL,
    actor_role   TEXT NOT NULL,
    address      TEXT,
    request_id   BLOB,
    detail       TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of_tenant ON audit (tenant_id, audit_id);
CREATE INDEX audit_of_subject ON audit (subject, audit_id);
