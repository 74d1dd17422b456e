-- Arguments of requests at gateways that record them, redacted: the ID of the row, and their JSON text, which may be cut. `bytes` is
-- the length of the whole text.
CREATE TABLE activity_arguments (
    id INTEGER NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    person TEXT,
    bytes BIGINT NOT NULL,
    arguments TEXT NOT NULL
);
--postgres: ALTER TABLE activity_arguments ALTER COLUMN id TYPE BIGINT;
CREATE INDEX activity_arguments_of_gateway ON activity_arguments (gateway_id, at);
CREATE INDEX activity_arguments_of_person ON activity_arguments (person);
CREATE INDEX activity_arguments_of_project ON activity_arguments (project_id);
