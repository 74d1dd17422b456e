-- What goes wrong and needs someone: when it began, when it was over, and in which words. One row from beginning to end,
-- however often it was noticed. `project_id` is NULL for what concerns the instance. `subject_id` names a server, User
-- Source, gateway or key; ids are unique across projects.
CREATE TABLE incidents (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    subject_name TEXT NOT NULL,
    what TEXT NOT NULL,
    remedy TEXT NOT NULL,
    -- How often it came back shortly after it had seemed over.
    returns BIGINT NOT NULL,
    began_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    recovered_at BIGINT,
    -- When it was put into a message that it has begun, and into one that it is over.
    begin_told_at BIGINT,
    end_told_at BIGINT
);
CREATE UNIQUE INDEX incidents_open ON incidents (subject_id, kind) WHERE recovered_at IS NULL;
CREATE INDEX incidents_of_project ON incidents (project_id, id);
CREATE INDEX incidents_of_subject ON incidents (subject_id, id);
CREATE INDEX incidents_recovered ON incidents (recovered_at) WHERE recovered_at IS NOT NULL;
CREATE INDEX incidents_end_untold ON incidents (recovered_at)
    WHERE recovered_at IS NOT NULL AND begin_told_at IS NOT NULL AND end_told_at IS NULL;

-- Messages about incidents that wait for their receiver. `claimed_until` is when another replica may try.
CREATE TABLE notifications (
    id TEXT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    last_error TEXT
);
CREATE INDEX notifications_due ON notifications (next_attempt_at);

-- Work that one replica at a time does for all of them.
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
