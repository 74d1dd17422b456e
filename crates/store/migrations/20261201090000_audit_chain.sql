-- Each audit event has the digest of the event before it, in one chain per project and one for the instance (project_id ''). A
-- row without `seq` is not in its chain yet: occurrences are still counted in it, or an older version wrote it. A proof is the
-- salt of a value that can be erased or, after that, the value's digest.
ALTER TABLE audit_events ADD COLUMN seq BIGINT;
ALTER TABLE audit_events ADD COLUMN previous TEXT;
ALTER TABLE audit_events ADD COLUMN digest TEXT;
ALTER TABLE audit_events ADD COLUMN address_proof TEXT;
ALTER TABLE audit_events ADD COLUMN object_name_proof TEXT;
ALTER TABLE audit_events ADD COLUMN changes_proof TEXT;
CREATE UNIQUE INDEX audit_events_in_chain ON audit_events (project_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_events_unsealed ON audit_events (project_id, id) WHERE seq IS NULL;

-- The latest event of each chain, and the last one that was deleted because of its age (`base_…`). The row is the lock under
-- which events are added. What follows is what the latest check by a running process found.
CREATE TABLE audit_heads (
    project_id TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    digest TEXT NOT NULL,
    base_seq BIGINT NOT NULL,
    base_digest TEXT NOT NULL,
    check_began_at BIGINT NOT NULL DEFAULT 0,
    checked_at BIGINT,
    checked_seq BIGINT,
    check_faults BIGINT
);
CREATE INDEX audit_heads_by_check ON audit_heads (check_began_at);
