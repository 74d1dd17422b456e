-- Creations that carry an `Idempotency-Key`, each with its answer, sealed: it may show a new key. `key_hash` binds the
-- header to its caller, method and path; `caller` is a hash too, because it is only compared. Without a foreign key: it
-- outlives what it made.
CREATE TABLE idempotency_keys (
    key_hash TEXT NOT NULL PRIMARY KEY,
    caller TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    answer TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_of_caller ON idempotency_keys (caller, created_at, key_hash);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
