-- Sign-ins by which an administrator tries a source out. `result` is sealed under the context
-- `test_sign_ins/result/<id>`; nothing of a row outlives its ten minutes.
CREATE TABLE test_sign_ins (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_source_id TEXT NOT NULL REFERENCES user_sources (id) ON DELETE CASCADE,
    started_by TEXT NOT NULL,
    page_hash TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    result TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX test_sign_ins_of_project ON test_sign_ins (project_id);
CREATE INDEX test_sign_ins_of_user_source ON test_sign_ins (user_source_id);
CREATE INDEX test_sign_ins_expiry ON test_sign_ins (expires_at);

-- A pending sign-in is of a gateway or of a test; `gateway_id` is empty in one of a test.
ALTER TABLE pending_sign_ins ADD COLUMN test_sign_in_id TEXT;
