-- Streams send audit events and requests of gateways to other programs. They belong to the instance: `project_id` is a filter,
-- without a reference, because a stream still sends the last events of a project that was deleted.
CREATE TABLE streams (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    status TEXT NOT NULL,
    audit BIGINT NOT NULL,
    activity BIGINT NOT NULL,
    project_id TEXT,
    format TEXT NOT NULL,
    -- Where it sends to, as JSON, without what is secret.
    target TEXT NOT NULL,
    secret TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX streams_by_name ON streams (name_key);

-- How a stream stands, and which process sends it until when.
CREATE TABLE stream_states (
    stream_id TEXT NOT NULL PRIMARY KEY REFERENCES streams (id) ON DELETE CASCADE,
    holder TEXT NOT NULL DEFAULT '',
    held_until BIGINT NOT NULL DEFAULT 0,
    delivered BIGINT NOT NULL DEFAULT 0,
    last_delivered_at BIGINT,
    failed BIGINT NOT NULL DEFAULT 0,
    failing_since BIGINT,
    next_attempt_at BIGINT NOT NULL DEFAULT 0,
    last_error TEXT,
    lost BIGINT NOT NULL DEFAULT 0,
    lost_at BIGINT
);

-- How far a stream has come: the number of the last event of each chain of the audit trail (`source` is the name of the chain) and
-- of the last row of the activity (`source` is 'activity') that arrived. A chain without a row here is sent from its first event.
CREATE TABLE stream_cursors (
    stream_id TEXT NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    position BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (stream_id, source)
);
