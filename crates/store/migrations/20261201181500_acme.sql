-- Accounts at certificate authorities (ACME), by the URL of their directory. `credentials` contains the account's key and is sealed.
CREATE TABLE acme_accounts (
    directory TEXT NOT NULL PRIMARY KEY,
    credentials TEXT NOT NULL,
    email TEXT,
    created_at BIGINT NOT NULL
);

-- Certificates that are ordered, by a hash of directory and domains: the newest, and when the next is due. One replica at a time has
-- an order, until `claimed_until`.
CREATE TABLE acme_certificates (
    id TEXT NOT NULL PRIMARY KEY,
    chain TEXT,
    private_key TEXT,
    expires_at BIGINT,
    -- How many there were.
    generation BIGINT NOT NULL DEFAULT 0,
    attempt_at BIGINT NOT NULL DEFAULT 0,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    -- Attempts since the last one that succeeded, and what went wrong.
    failures BIGINT NOT NULL DEFAULT 0,
    last_error TEXT
);

-- Challenges of orders that are open: every replica can answer them. They are public.
CREATE TABLE acme_challenges (
    token TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    key_authorization TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
