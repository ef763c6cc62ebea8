-- Every call of a model, also those that failed or were stopped, and what it used.

CREATE TABLE model_calls (
    rowid INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    -- Of the calendar where the gateway ran then, as 2026-11-22.
    day TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    -- Absent where nobody's turn asked, such as in a test of a provider.
    agent_id TEXT,
    session_key TEXT,
    run_id TEXT,
    -- ok, failed, stopped
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    -- Parts of the input tokens.
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    -- The tokens are a guess from the lengths.
    estimated INTEGER NOT NULL,
    -- Millionths of a US dollar; absent where nobody knows the price.
    cost_micros INTEGER
) STRICT;

-- Holds all that a cap needs to know.
CREATE INDEX model_calls_of_day ON model_calls (day, cost_micros);
