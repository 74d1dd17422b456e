-- Clients that administrators registered beforehand, each at one gateway. Secrets are SHA-256 of random texts; the
-- previous one counts until `previous_secret_until`. `jwks` is the key set of clients that sign instead.
CREATE TABLE preregistered_clients (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    method TEXT NOT NULL,
    secret_hash TEXT,
    secret_changed_at BIGINT,
    previous_secret_hash TEXT,
    previous_secret_until BIGINT,
    jwks TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (gateway_id, name_key)
);
CREATE INDEX preregistered_clients_of_gateway ON preregistered_clients (gateway_id, id);
CREATE INDEX preregistered_clients_of_project ON preregistered_clients (project_id);

-- Clients kept out of a gateway, by the short id that tokens carry.
CREATE TABLE client_blocks (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL,
    client_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (gateway_id, client_id)
);
CREATE INDEX client_blocks_of_gateway ON client_blocks (gateway_id, id);
CREATE INDEX client_blocks_of_project ON client_blocks (project_id);

CREATE INDEX grants_of_client ON grants (gateway_id, client_id);
