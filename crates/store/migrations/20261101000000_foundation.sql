-- One schema for SQLite and PostgreSQL: TEXT, BIGINT and BOOLEAN only. Ids are UUIDv7 behind a prefix, so their
-- order as text is their order in time; times are milliseconds since the Unix epoch; lists are JSON text.
-- Names and slugs that must be unique whatever their case have a `_key` column, lower-cased by the program
-- because the engines disagree about letters beyond ASCII.

-- Facts about the database itself, such as the proof of its master key.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The revision of the configuration is the sum of two numbers. An administrator's change takes row 1 before anything
-- else, which puts such changes in a line; what else requests must see, such as a revocation at the token endpoint,
-- takes row 2 after everything else. With one row for both, the two would wait for each other in a circle.
CREATE TABLE revision (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id IN (1, 2)),
    number BIGINT NOT NULL
);
INSERT INTO revision (id, number) VALUES (1, 0), (2, 0);

CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    private TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);
-- One key signs per purpose, however many replicas start at once.
CREATE UNIQUE INDEX signing_keys_signing ON signing_keys (purpose) WHERE retired_at IS NULL;

CREATE TABLE projects (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE user_sources (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret TEXT NOT NULL,
    client_secret_previous TEXT,
    secret_changed_at BIGINT NOT NULL,
    secret_confirmed_at BIGINT,
    secret_refused_at BIGINT,
    scopes TEXT NOT NULL,
    subject_claim TEXT NOT NULL,
    status TEXT NOT NULL,
    identity_epoch BIGINT NOT NULL,
    verified_at BIGINT,
    last_test TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, name_key)
);
CREATE INDEX user_sources_of_project ON user_sources (project_id, id);

CREATE TABLE servers (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    timeout_ms BIGINT NOT NULL,
    retries BIGINT NOT NULL,
    headers TEXT NOT NULL,
    identity TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, slug)
);
CREATE INDEX servers_of_project ON servers (project_id, id);

CREATE TABLE secrets (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    value TEXT NOT NULL,
    origins TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, name_key)
);
CREATE INDEX secrets_of_project ON secrets (project_id, id);

-- Every slug ever used and the project it belongs to, for ever: tokens and bookmarks of an old gateway must never
-- lead to somebody else's. No foreign key, because it outlives its project.
CREATE TABLE gateway_slugs (
    slug_key TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL
);

-- `user_source_id` has no foreign key: an inactive gateway keeps naming a source that was deleted, and cannot be
-- activated until another one is chosen.
CREATE TABLE gateways (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    instructions TEXT NOT NULL,
    slug TEXT NOT NULL,
    slug_key TEXT NOT NULL UNIQUE REFERENCES gateway_slugs (slug_key),
    mode TEXT NOT NULL,
    user_source_id TEXT,
    trusted_clients TEXT NOT NULL,
    allowed_tools TEXT NOT NULL,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX gateways_of_project ON gateways (project_id, id);
CREATE INDEX gateways_of_user_source ON gateways (user_source_id, status);

-- The servers a gateway names: those it federates have a position, those only its allowed tools name have none.
CREATE TABLE gateway_servers (
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    server_id TEXT NOT NULL REFERENCES servers (id),
    position BIGINT,
    PRIMARY KEY (gateway_id, server_id)
);
CREATE INDEX gateway_servers_of_server ON gateway_servers (server_id, gateway_id);

-- `project_id` is empty for keys of the instance.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    role TEXT NOT NULL,
    gateway_id TEXT,
    name TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_of_project ON api_keys (project_id, id);
CREATE INDEX api_keys_of_gateways ON api_keys (id) WHERE role = 'gateway' AND revoked_at IS NULL;

-- `identity_key` is a hash of issuer, claim and subject, because an index entry is bounded and a subject is not.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_source_id TEXT NOT NULL REFERENCES user_sources (id) ON DELETE CASCADE,
    identity_key TEXT NOT NULL,
    issuer TEXT NOT NULL,
    claim TEXT NOT NULL,
    subject TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    display_name TEXT,
    display_name_key TEXT,
    email TEXT,
    email_key TEXT,
    status TEXT NOT NULL,
    first_sign_in_at BIGINT NOT NULL,
    last_sign_in_at BIGINT NOT NULL,
    UNIQUE (user_source_id, identity_key)
);
CREATE INDEX users_of_project ON users (project_id, id);
CREATE INDEX users_of_user_source ON users (user_source_id, id);
CREATE INDEX users_blocked ON users (id) WHERE status = 'blocked';

CREATE TABLE authorization_codes (
    code_hash TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_source_id TEXT NOT NULL,
    identity_epoch BIGINT NOT NULL,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    redeemed_at BIGINT
);
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);
CREATE INDEX authorization_codes_of_gateway ON authorization_codes (gateway_id);
CREATE INDEX authorization_codes_of_user ON authorization_codes (user_id);

-- `live_until` is the end of the grant or of its newest refresh token, whichever comes first; the moment of
-- revocation once it is revoked. It is what lists of live grants and pruning look at.
CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_source_id TEXT NOT NULL,
    identity_epoch BIGINT NOT NULL,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    live_until BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_reason TEXT
);
CREATE INDEX grants_of_user ON grants (user_id, id);
CREATE INDEX grants_of_gateway ON grants (gateway_id, id);
CREATE INDEX grants_live_until ON grants (live_until);

CREATE TABLE refresh_tokens (
    token_hash TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    successor_hash TEXT UNIQUE,
    successor_sealed TEXT,
    successor_used_at BIGINT
);
CREATE INDEX refresh_tokens_of_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- The deny-list. It outlives what it names.
CREATE TABLE revocations (
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, object_id)
);
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- Without foreign keys, because its rows are counted below and a cascade would not count.
CREATE TABLE pending_sign_ins (
    state_hash TEXT NOT NULL PRIMARY KEY,
    cookie_hash TEXT NOT NULL,
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    user_source_id TEXT NOT NULL,
    identity_epoch BIGINT NOT NULL,
    request TEXT NOT NULL,
    address_prefix TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    code_hash TEXT,
    claimed_at BIGINT,
    answer TEXT
);
CREATE INDEX pending_sign_ins_expiry ON pending_sign_ins (expires_at);
CREATE INDEX pending_sign_ins_of_prefix ON pending_sign_ins (address_prefix, created_at);
-- A provider's code finishes one sign-in and never a second one, whoever brings it.
CREATE UNIQUE INDEX pending_sign_ins_code ON pending_sign_ins (code_hash);
CREATE INDEX pending_sign_ins_of_gateway ON pending_sign_ins (gateway_id);
CREATE INDEX pending_sign_ins_of_user_source ON pending_sign_ins (user_source_id);
CREATE INDEX pending_sign_ins_of_project ON pending_sign_ins (project_id);

-- How many pending sign-ins there are, in all (one row) and per address prefix, so that caps cost no scan.
CREATE TABLE pending_total (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    stored BIGINT NOT NULL
);
INSERT INTO pending_total (id, stored) VALUES (1, 0);
CREATE TABLE pending_prefixes (
    address_prefix TEXT NOT NULL PRIMARY KEY,
    stored BIGINT NOT NULL
);
CREATE INDEX pending_prefixes_fullest ON pending_prefixes (stored);

-- `project_id` is empty for events of the instance. No foreign key: the trail outlives its project.
CREATE TABLE audit_events (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    actor_key_id TEXT,
    address TEXT,
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    object_name TEXT NOT NULL,
    changes TEXT NOT NULL
);
CREATE INDEX audit_events_of_project ON audit_events (project_id, id);
CREATE INDEX audit_events_by_action ON audit_events (project_id, action, id);
CREATE INDEX audit_events_by_object ON audit_events (project_id, object_id, id);
CREATE INDEX audit_events_by_type ON audit_events (project_id, object_type, id);
