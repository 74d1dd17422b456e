-- What MCP clients asked for in a session at one replica, for the others: the level of log messages, the resources whose changes
-- they want, and calls that they cancelled. One row for each thing asked for, sealed by the replicas.
CREATE TABLE session_notes (
    session TEXT NOT NULL,
    item TEXT NOT NULL,
    caller TEXT NOT NULL,
    note TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (session, item)
);
CREATE INDEX session_notes_of_caller ON session_notes (caller, written_at);
CREATE INDEX session_notes_in_order ON session_notes (written_at);
CREATE INDEX session_notes_expiry ON session_notes (expires_at);
