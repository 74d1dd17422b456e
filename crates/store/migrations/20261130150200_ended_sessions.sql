-- Sessions of MCP clients that were ended before their time, for all replicas.
CREATE TABLE ended_sessions (
    session TEXT NOT NULL PRIMARY KEY,
    caller TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ended_sessions_of_caller ON ended_sessions (caller, ended_at);
CREATE INDEX ended_sessions_in_order ON ended_sessions (ended_at);
CREATE INDEX ended_sessions_expiry ON ended_sessions (expires_at);
