-- Networks from which the right password of an account was typed lately: guessing from elsewhere does not keep its owner out
-- there. At most a few for an account.
CREATE TABLE sign_in_places (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    last_right_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, network)
);
CREATE INDEX sign_in_places_age ON sign_in_places (last_right_at);
