-- What is under way travels sealed in the browser's cookie. A row begins when the browser comes back. No foreign key: a
-- deletion must not let a cookie be used again.
DROP TABLE pending_sign_ins;
DROP TABLE pending_prefixes;
DROP TABLE pending_total;
CREATE TABLE claimed_sign_ins (
    state_hash TEXT NOT NULL PRIMARY KEY,
    code_hash TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    answer TEXT
);
CREATE INDEX claimed_sign_ins_expiry ON claimed_sign_ins (expires_at);
