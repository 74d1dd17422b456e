-- Codes of identity providers that browsers have brought back, with the sign-in they came with first. No foreign key and no
-- project: whatever is deleted, a code that was brought back once opens nothing else.
CREATE TABLE brought_codes (
    code_hash TEXT NOT NULL PRIMARY KEY,
    state_hash TEXT NOT NULL,
    brought_at BIGINT NOT NULL
);
CREATE INDEX brought_codes_by_time ON brought_codes (brought_at);
