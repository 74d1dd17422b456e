-- How the identity provider of the administrators last took the client secret. The rest of it is configuration, so there is
-- one row at most, for the client that is configured.
CREATE TABLE administrator_providers (
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_method_worked TEXT NOT NULL,
    PRIMARY KEY (issuer, client_id)
);
