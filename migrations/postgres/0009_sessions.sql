-- Browsers that are signed in to the dashboard.
-- The SQLite file of the same name has the same tables and columns: a test compares them.

CREATE TABLE sessions (
    token_hash BYTEA NOT NULL PRIMARY KEY,   -- SHA-256 of the cookie's value, which is not kept
    key_id     UUID NOT NULL REFERENCES api_keys (key_id) ON DELETE CASCADE,  -- who: they end with their key
    created_at TIMESTAMPTZ NOT NULL,
    seen_at    TIMESTAMPTZ NOT NULL            -- when it was last used, to the minute
);
CREATE INDEX sessions_of_key ON sessions (key_id);
