-- Attempts to sign in, for administrators. `steps` holds one JSON object a line: parts that several processes saw are
-- added by appending, in one statement. Without foreign keys: rows are written late and in batches, and what belongs to
-- a gateway or source that has gone meanwhile must not make a batch fail; reads leave it out, and age takes it away.
-- `reference` is empty where only a later part of an attempt is known. The subject is read from the user.
CREATE TABLE sign_in_attempts (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    user_source_id TEXT,
    reference TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    user_id TEXT,
    progress TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    steps TEXT NOT NULL
);
CREATE INDEX sign_in_attempts_of_project ON sign_in_attempts (project_id, id);
CREATE INDEX sign_in_attempts_by_reference ON sign_in_attempts (project_id, reference);
CREATE INDEX sign_in_attempts_of_user ON sign_in_attempts (user_id, id);
CREATE INDEX sign_in_attempts_of_user_source ON sign_in_attempts (user_source_id, id);
CREATE INDEX sign_in_attempts_of_gateway ON sign_in_attempts (gateway_id, progress, id);
CREATE INDEX sign_in_attempts_age ON sign_in_attempts (updated_at);
