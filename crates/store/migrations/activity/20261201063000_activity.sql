-- What gateways were asked. On SQLite these tables are in a file of their own, on PostgreSQL beside the others. A line behind a
-- mark like this one's dashes and the name of an engine is for that engine only.
--
-- Rows are numbered without gaps, in the order of their commits: writers take their numbers from one row, which they lock until
-- they commit. 1,024 rows in a row are a block.
CREATE TABLE activity_sequence (
    id INTEGER NOT NULL PRIMARY KEY,
    next_row BIGINT NOT NULL,
    next_name BIGINT NOT NULL
);
INSERT INTO activity_sequence (id, next_row, next_name) VALUES (1, 1, 1);

-- What rows say in words, once: a name is a kind, a blank and a text, like `person usr_…`, `outcome ok` or `item search`.
CREATE TABLE activity_names (
    id INTEGER NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL
);
CREATE UNIQUE INDEX activity_names_by_name ON activity_names (project_id, name);

-- Everything from `project` to `rule` is the ID of a name.
CREATE TABLE activity (
    id INTEGER NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    project INTEGER NOT NULL,
    gateway INTEGER NOT NULL,
    person INTEGER,
    client INTEGER,
    server INTEGER,
    kind INTEGER NOT NULL,
    item INTEGER,
    outcome INTEGER NOT NULL,
    rule INTEGER,
    duration_us BIGINT NOT NULL,
    upstream_us BIGINT,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    request BIGINT NOT NULL,
    session BIGINT,
    trace_id TEXT
);
--postgres: ALTER TABLE activity ALTER COLUMN id TYPE BIGINT;

-- Which names are in which block: the index for every filter. It grows with the number of different names in a block and not
-- with the number of rows, so that writing stays cheap.
CREATE TABLE activity_blocks (
    name INTEGER NOT NULL,
    block BIGINT NOT NULL,
    PRIMARY KEY (name, block)
)
--sqlite: WITHOUT ROWID
;
CREATE INDEX activity_blocks_age ON activity_blocks (block);

-- The first row of each minute, for times.
CREATE TABLE activity_minutes (
    minute INTEGER NOT NULL PRIMARY KEY,
    first_row BIGINT NOT NULL
);

-- The last batch of each process that writes, so that one whose commit was not confirmed is not written twice.
CREATE TABLE activity_writers (
    writer TEXT NOT NULL PRIMARY KEY,
    batch BIGINT NOT NULL,
    at BIGINT NOT NULL
);
