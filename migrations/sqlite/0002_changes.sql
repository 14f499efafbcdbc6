-- A journal of what processes keep in memory, and names for API keys.
-- The Postgres file of the same name has the same tables and columns: a test compares them.

-- Not written on SQLite: the database belongs to one process, which knows its own changes.
CREATE TABLE changes (
    change_id  BLOB NOT NULL PRIMARY KEY,
    kind       TEXT NOT NULL,               -- agent, tenant, api_keys
    subject    TEXT NOT NULL,               -- which one; empty for API keys
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_time ON changes (changed_at);

-- SQLite can add no column whose default is not a constant, so the table is made anew.
CREATE TABLE new_api_keys (
    key_hash   BLOB NOT NULL PRIMARY KEY,   -- SHA-256 of the key; the key itself is not kept
    name       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    key_id     BLOB NOT NULL DEFAULT (randomblob(16)),
    role       TEXT NOT NULL DEFAULT 'admin',
    hint       TEXT                         -- the last characters of a key that was generated
) STRICT;
INSERT INTO new_api_keys (key_hash, name, created_at) SELECT key_hash, name, created_at FROM api_keys;
DROP TABLE api_keys;
ALTER TABLE new_api_keys RENAME TO api_keys;
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (key_id);
