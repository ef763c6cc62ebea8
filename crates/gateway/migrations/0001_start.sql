-- Sessions, what was said in them, and the runs that answered. Times are milliseconds since the epoch.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    key TEXT PRIMARY KEY,
    -- Changes with every reset; messages belong to it, so that a reset archives them without touching them.
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    label TEXT,
    title TEXT NOT NULL,
    channel TEXT,
    account_id TEXT,
    peer TEXT,
    model TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    preview TEXT NOT NULL DEFAULT '',
    last_seq INTEGER NOT NULL DEFAULT 0,
    unread INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    archived INTEGER NOT NULL DEFAULT 0,
    -- The last run ended with an error.
    failed INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX sessions_newest ON sessions (archived, updated_at DESC, key);
CREATE INDEX sessions_of_agent ON sessions (agent_id, archived, updated_at DESC, key);

-- Former session ids of a key.
CREATE TABLE resets (
    session_id TEXT PRIMARY KEY,
    session_key TEXT NOT NULL,
    reason TEXT,
    reset_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    role TEXT NOT NULL,
    run_id TEXT,
    created_at INTEGER NOT NULL,
    -- JSON of the parts that are never searched by column: content, model, usage, origin, delivery, status, error.
    body TEXT NOT NULL,
    UNIQUE (session_id, seq)
) STRICT;

CREATE INDEX messages_of_run ON messages (run_id) WHERE run_id IS NOT NULL;

-- Contentless: the text itself stands once, in `messages`. The rowid is that of the message.
CREATE VIRTUAL TABLE messages_text USING fts5 (text, content = '', contentless_delete = 1);

CREATE TABLE runs (
    -- The idempotency key of the send that made it.
    id TEXT PRIMARY KEY,
    body_hash BLOB NOT NULL,
    session_key TEXT NOT NULL,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    state TEXT NOT NULL,
    user_message_id TEXT NOT NULL,
    user_seq INTEGER NOT NULL,
    -- JSON: model, thinking, timeout of this run alone.
    options TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    -- JSON
    error TEXT
) STRICT;

-- Small whatever the history holds: what a start must settle, what a session has waiting.
CREATE INDEX runs_open ON runs (session_key, user_seq) WHERE state IN ('queued', 'running', 'waiting_approval');
CREATE INDEX runs_newest ON runs (created_at);

-- The text so far of a message that a run writes now.
CREATE TABLE partials (
    run_id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- First answers of changing methods other than sends, stored with their effect.
CREATE TABLE idempotency (
    principal TEXT NOT NULL,
    method TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    result TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (principal, method, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_oldest ON idempotency (created_at);
