-- Where a client receives its tokens, as people recognise it: the host of a website, the scheme of an app. Unknown for grants that an
-- older version began.
ALTER TABLE grants ADD COLUMN destination TEXT;
-- Sessions of users on the connections page of a gateway, by the hash of their cookie.
CREATE TABLE connection_sessions (
    token_hash TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_source_id TEXT NOT NULL,
    identity_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX connection_sessions_of_user ON connection_sessions (user_id, created_at);
CREATE INDEX connection_sessions_of_gateway ON connection_sessions (gateway_id);
CREATE INDEX connection_sessions_of_project ON connection_sessions (project_id);
CREATE INDEX connection_sessions_expiry ON connection_sessions (expires_at);
