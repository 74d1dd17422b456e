-- Which revisions of MCP are tried with a server.
ALTER TABLE servers ADD COLUMN protocol TEXT NOT NULL DEFAULT 'automatic';
