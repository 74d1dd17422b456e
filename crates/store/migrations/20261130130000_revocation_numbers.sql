-- Revocations are numbered in the order of their commits, so that a replica reads only those it has not seen. The
-- number is given at the very end of a transaction, under the lock of this one row. A revocation without a number was
-- written by a version that knows nothing of them.
CREATE TABLE revocation_number (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO revocation_number (id, number) VALUES (1, 0);
ALTER TABLE revocations ADD COLUMN number BIGINT;
UPDATE revocations SET number = 0;
CREATE INDEX revocations_in_order ON revocations (number, object_id);

-- How long after `last_used_at` the last access token of a grant expires, in milliseconds.
ALTER TABLE grants ADD COLUMN token_life BIGINT NOT NULL DEFAULT 86400000;
