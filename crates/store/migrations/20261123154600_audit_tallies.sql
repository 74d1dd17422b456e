-- What happens again and again without anybody's doing much, such as failed sign-ins and refused changes, is one row with
-- a count. `tally_key` says what is the same; it is null for everything else. `last_at` is null where nothing repeated.
ALTER TABLE audit_events ADD COLUMN occurrences BIGINT NOT NULL DEFAULT 1;
ALTER TABLE audit_events ADD COLUMN last_at BIGINT;
ALTER TABLE audit_events ADD COLUMN tally_key TEXT;
CREATE UNIQUE INDEX audit_events_tally ON audit_events (tally_key) WHERE tally_key IS NOT NULL;

-- The actor's id, of whatever kind the actor is.
ALTER TABLE audit_events RENAME COLUMN actor_key_id TO actor_id;
