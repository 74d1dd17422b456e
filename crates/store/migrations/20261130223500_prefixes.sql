-- When the names of a gateway's tools and prompts begin with the prefix of their server.
ALTER TABLE gateways ADD COLUMN prefix_mode TEXT NOT NULL DEFAULT 'when_several';
