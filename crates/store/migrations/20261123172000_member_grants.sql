-- Grants and codes of members: whose they are is either a user of a source or an account that is a member of the
-- project. The tables are made anew because `user_id`, `user_source_id` and `identity_epoch` may be empty now.

CREATE TABLE grants_new (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    user_source_id TEXT,
    identity_epoch BIGINT,
    account_id TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    live_until BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_reason TEXT,
    begun_with_key BIGINT NOT NULL DEFAULT 0,
    CHECK ((user_id IS NULL) <> (account_id IS NULL))
);
INSERT INTO grants_new (id, project_id, gateway_id, user_id, user_source_id, identity_epoch, client_id, client_name,
    scope, created_at, ends_at, live_until, last_used_at, revoked_at, revoked_reason,
    begun_with_key)
    SELECT id, project_id, gateway_id, user_id, user_source_id, identity_epoch, client_id, client_name,
    scope, created_at, ends_at, live_until, last_used_at, revoked_at, revoked_reason,
    begun_with_key FROM grants;

CREATE TABLE refresh_tokens_new (
    token_hash TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants_new (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    successor_hash TEXT UNIQUE,
    successor_sealed TEXT,
    successor_used_at BIGINT
);
INSERT INTO refresh_tokens_new SELECT token_hash, grant_id, created_at, expires_at, used_at, successor_hash,
    successor_sealed, successor_used_at FROM refresh_tokens;

CREATE TABLE authorization_codes_new (
    code_hash TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    user_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    user_source_id TEXT,
    identity_epoch BIGINT,
    account_id TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    redeemed_at BIGINT,
    CHECK ((user_id IS NULL) <> (account_id IS NULL))
);
INSERT INTO authorization_codes_new (code_hash, grant_id, project_id, gateway_id, user_id, user_source_id,
    identity_epoch, client_id, client_name, redirect_uri, code_challenge, scope, created_at, expires_at, redeemed_at)
    SELECT code_hash, grant_id, project_id, gateway_id, user_id, user_source_id,
    identity_epoch, client_id, client_name, redirect_uri, code_challenge, scope, created_at, expires_at, redeemed_at
    FROM authorization_codes;

DROP TABLE refresh_tokens;
DROP TABLE authorization_codes;
DROP TABLE grants;
ALTER TABLE grants_new RENAME TO grants;
ALTER TABLE refresh_tokens_new RENAME TO refresh_tokens;
ALTER TABLE authorization_codes_new RENAME TO authorization_codes;

CREATE INDEX grants_of_user ON grants (user_id, id);
CREATE INDEX grants_of_member ON grants (account_id, project_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX grants_of_gateway ON grants (gateway_id, id);
CREATE INDEX grants_of_client ON grants (gateway_id, client_id);
CREATE INDEX grants_live_until ON grants (live_until);
CREATE INDEX refresh_tokens_of_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);
CREATE INDEX authorization_codes_of_gateway ON authorization_codes (gateway_id);
CREATE INDEX authorization_codes_of_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_of_member ON authorization_codes (account_id) WHERE account_id IS NOT NULL;
