-- How much space recorded arguments take is read from this index.
CREATE INDEX activity_arguments_size ON activity_arguments (bytes);
-- Which numbering the numbers of rows belong to. A program that follows them notices by it that they were begun again, for example
-- because the file was lost. It is a random number from 1 on.
ALTER TABLE activity_sequence ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
--sqlite: UPDATE activity_sequence SET generation = (random() & 9223372036854775806) + 1;
--postgres: UPDATE activity_sequence SET generation = CAST(floor(random() * 4503599627370496) AS BIGINT) + 1;
