-- How many sign-ins ended in each hour and day, and how many of them failed. `seconds` is the length of the bucket of time. Attempts
-- themselves are kept for a month and not all of them. Without a foreign key to gateways: counts outlive them.
CREATE TABLE sign_in_counts (
    project_id TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    seconds BIGINT NOT NULL,
    begins_at BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    PRIMARY KEY (project_id, seconds, begins_at, gateway_id)
);
CREATE INDEX sign_in_counts_age ON sign_in_counts (seconds, begins_at);
