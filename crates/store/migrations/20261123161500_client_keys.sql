-- 1 when the client signed an assertion to begin the grant: it must then sign one each time it asks for more.
ALTER TABLE grants ADD COLUMN begun_with_key BIGINT NOT NULL DEFAULT 0;

-- Assertions that clients have used, until they would be refused for their age anyway.
CREATE TABLE used_assertions (
    assertion_hash TEXT NOT NULL PRIMARY KEY,
    client_hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_assertions_of_client ON used_assertions (client_hash, expires_at);
CREATE INDEX used_assertions_expiry ON used_assertions (expires_at);
