-- One row that is written now and then, so that readiness knows whether writes are possible.
CREATE TABLE write_probe (
    id BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO write_probe (id, number) VALUES (1, 0);
