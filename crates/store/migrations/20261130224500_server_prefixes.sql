-- What the names of a server's tools begin with, if not its slug. No two servers of a project begin their names alike.
ALTER TABLE servers ADD COLUMN prefix TEXT;
CREATE UNIQUE INDEX servers_of_prefix ON servers (project_id, (COALESCE(prefix, slug)));
