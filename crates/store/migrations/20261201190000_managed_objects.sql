-- Which objects files declare, for people who look at them in the dashboard. `object_updated_at` is their `updated_at` after the
-- file was applied, so that a later change is noticed.
CREATE TABLE managed_objects (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    object_id TEXT NOT NULL,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    object_updated_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, object_id)
);
