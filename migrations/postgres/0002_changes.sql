-- A journal of what processes keep in memory, and names for API keys.
-- The SQLite file of the same name has the same tables and columns: a test compares them.

-- One row per change of an agent, a tenant or an API key, written in the change's own transaction.
-- Rows older than an hour are deleted by whoever reads.
CREATE TABLE changes (
    change_id  UUID NOT NULL PRIMARY KEY,
    kind       TEXT NOT NULL,               -- agent, tenant, api_keys
    subject    TEXT NOT NULL,               -- which one; empty for API keys
    changed_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX changes_by_time ON changes (changed_at);

-- With defaults, because the previous version adds rows without these columns.
ALTER TABLE api_keys ADD COLUMN key_id UUID NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE api_keys ADD COLUMN hint TEXT;  -- the last characters of a key that was generated
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (key_id);
