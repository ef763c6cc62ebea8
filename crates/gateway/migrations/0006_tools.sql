-- What tools need to know of a session.

-- JSON: where content came from that is in its context and that somebody outside may have written. Empty: nowhere.
ALTER TABLE sessions ADD COLUMN untrusted TEXT NOT NULL DEFAULT '[]';

-- Of a sub-agent: the session and the run that started it, and how many are above it.
ALTER TABLE sessions ADD COLUMN parent_key TEXT;
ALTER TABLE sessions ADD COLUMN parent_run TEXT;
ALTER TABLE sessions ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;

CREATE INDEX sessions_of_parent ON sessions (parent_run) WHERE parent_run IS NOT NULL;
-- From a message that was found to its session.
CREATE INDEX sessions_of_id ON sessions (session_id);
