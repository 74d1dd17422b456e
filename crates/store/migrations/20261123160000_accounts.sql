-- People who administer: accounts, their membership of projects, invitations, sessions and one-time links.

-- `email_key` is the address in lower case. `password_hash` is empty for who signs in elsewhere. `session_epoch` grows
-- whenever the sessions of the account have to end. `is_instance_admin` is 0 or 1.
CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT,
    is_instance_admin BIGINT NOT NULL CHECK (is_instance_admin IN (0, 1)),
    status TEXT NOT NULL,
    session_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_sign_in_at BIGINT
);
CREATE INDEX accounts_instance_admins ON accounts (id) WHERE is_instance_admin = 1;

-- The first account, which can be made once. The row stays, whatever becomes of the account.
CREATE TABLE first_account (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    account_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Who an account is at the identity provider for administrators. `identity_key` is a hash of issuer and subject.
CREATE TABLE account_identities (
    identity_key TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX account_identities_of_account ON account_identities (account_id);

CREATE TABLE members (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, account_id)
);
CREATE INDEX members_of_account ON members (account_id, project_id);

CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT,
    accepted_by TEXT,
    revoked_at BIGINT
);
CREATE INDEX invitations_of_project ON invitations (project_id, id);
CREATE INDEX invitations_of_address ON invitations (email_key, id);
CREATE INDEX invitations_expiry ON invitations (expires_at);
-- One open invitation per address and project: a newer one takes the place of the older.
CREATE UNIQUE INDEX invitations_open ON invitations (project_id, email_key)
    WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE account_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX account_sessions_of_account ON account_sessions (account_id, id);
CREATE INDEX account_sessions_expiry ON account_sessions (expires_at);
CREATE INDEX account_sessions_seen ON account_sessions (last_seen_at);

-- One-time links: to make the first account (`account_id` is empty then), or to set a password.
CREATE TABLE account_links (
    token_hash TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    account_id TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX account_links_expiry ON account_links (expires_at);
CREATE INDEX account_links_of_account ON account_links (account_id);
