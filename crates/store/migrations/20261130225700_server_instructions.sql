-- Whether the instructions of a gateway's servers follow its own: 0 or 1.
ALTER TABLE gateways ADD COLUMN server_instructions BIGINT NOT NULL DEFAULT 0;
