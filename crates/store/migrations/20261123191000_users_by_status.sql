-- Blocked users of a project are few among many.
CREATE INDEX users_by_status ON users (project_id, status, id);
