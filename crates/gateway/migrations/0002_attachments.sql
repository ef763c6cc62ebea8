-- Which message carries which file. The bytes are files of their own, `state/attachments/<sha256>`; equal ones are one.

CREATE TABLE attachments (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,
    -- Hex, lower case.
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX attachments_of_content ON attachments (sha256);
