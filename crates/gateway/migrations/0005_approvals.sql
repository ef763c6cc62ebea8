-- Questions to a person, the rules that answers left, and the record of both. Times are milliseconds since the epoch.

CREATE TABLE approvals (
    -- 128 random bits in hex.
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    session_key TEXT NOT NULL,
    -- Of the session when it was asked: what is allowed for a session ends with it.
    session_id TEXT,
    agent_id TEXT NOT NULL,
    run_id TEXT,
    tool_call_id TEXT,
    -- JSON: action, why, origin, allowedDecisions, proposedRule. Names of variables, never their values.
    body TEXT NOT NULL,
    -- SHA-256 of all that was frozen, hex.
    digest TEXT NOT NULL,
    -- JSON: connections and instances that asked. They cannot answer.
    requesters TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decision TEXT,
    -- JSON
    decided_by TEXT,
    decided_at INTEGER,
    reason TEXT,
    -- When what it allowed was started: it allows one start.
    launched_at INTEGER
) STRICT;

CREATE INDEX approvals_pending ON approvals (created_at) WHERE state = 'pending';
CREATE INDEX approvals_of_run ON approvals (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX approvals_decided ON approvals (decided_at) WHERE decided_at IS NOT NULL;

CREATE TABLE approval_rules (
    id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL,
    -- Of a rule for one session, which ends when the session is reset; absent: saved.
    session_id TEXT,
    -- JSON: the rule as the wire has it.
    rule TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE INDEX approval_rules_saved ON approval_rules (agent_id, created_at) WHERE session_id IS NULL;
CREATE INDEX approval_rules_of_session ON approval_rules (session_id) WHERE session_id IS NOT NULL;

-- Rows are only ever added. Each holds the hash of the one before it; `meta` has the last one as `audit_head`.
CREATE TABLE audit (
    -- From 1, without gaps.
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- JSON. What is hashed is this very text.
    body TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    -- For filters; not part of what is hashed, because it follows from the body.
    approval_id TEXT GENERATED ALWAYS AS (json_extract(body, '$.approvalId')) VIRTUAL,
    session_key TEXT GENERATED ALWAYS AS (json_extract(body, '$.sessionKey')) VIRTUAL,
    agent_id TEXT GENERATED ALWAYS AS (json_extract(body, '$.agentId')) VIRTUAL
) STRICT;

CREATE INDEX audit_of_approval ON audit (approval_id, seq) WHERE approval_id IS NOT NULL;
CREATE INDEX audit_of_session ON audit (session_key, seq) WHERE session_key IS NOT NULL;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
