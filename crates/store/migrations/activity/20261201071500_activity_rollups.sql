-- Counts of requests in each minute, hour and day, by what they were counted by (`dimension`) and which of them (`item`). Rows
-- are added to in the transaction that writes the requests themselves. `seconds` is the length of the bucket of time. `l0` and
-- what follows are the buckets of a histogram of latencies. Without foreign keys: counts outlive what they are about, and age takes them away.
CREATE TABLE activity_rollups (
    project_id TEXT NOT NULL,
    seconds BIGINT NOT NULL,
    begins_at BIGINT NOT NULL,
    dimension TEXT NOT NULL,
    item TEXT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    l0 BIGINT NOT NULL, l1 BIGINT NOT NULL, l2 BIGINT NOT NULL, l3 BIGINT NOT NULL, l4 BIGINT NOT NULL,
    l5 BIGINT NOT NULL, l6 BIGINT NOT NULL, l7 BIGINT NOT NULL, l8 BIGINT NOT NULL, l9 BIGINT NOT NULL,
    l10 BIGINT NOT NULL, l11 BIGINT NOT NULL, l12 BIGINT NOT NULL, l13 BIGINT NOT NULL, l14 BIGINT NOT NULL,
    l15 BIGINT NOT NULL, l16 BIGINT NOT NULL, l17 BIGINT NOT NULL, l18 BIGINT NOT NULL, l19 BIGINT NOT NULL,
    l20 BIGINT NOT NULL, l21 BIGINT NOT NULL, l22 BIGINT NOT NULL, l23 BIGINT NOT NULL, l24 BIGINT NOT NULL,
    l25 BIGINT NOT NULL, l26 BIGINT NOT NULL, l27 BIGINT NOT NULL, l28 BIGINT NOT NULL,
    PRIMARY KEY (project_id, seconds, begins_at, dimension, item)
);
CREATE INDEX activity_rollups_age ON activity_rollups (seconds, begins_at);
