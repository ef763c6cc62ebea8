-- A message that replaces another leaves it, and what followed it, out of the history. They stay in their table.

-- Id of the message that took the place.
ALTER TABLE messages ADD COLUMN superseded_by TEXT;

-- How many of the session's messages are left out: `last_seq` counts them too.
ALTER TABLE sessions ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
