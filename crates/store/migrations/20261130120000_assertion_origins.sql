-- The origin at which a server is told who its users are; empty where it is told nothing. Filled in for servers of
-- before by the program, because SQL cannot read URLs.
ALTER TABLE servers ADD COLUMN assertion_origin TEXT;
CREATE INDEX servers_of_assertion_origin ON servers (assertion_origin, project_id);

-- One row per origin, which a project holds locked while it begins to send assertions there. What counts is which
-- servers there are; a row that no server needs means nothing.
CREATE TABLE assertion_origins (
    origin TEXT NOT NULL PRIMARY KEY
);
