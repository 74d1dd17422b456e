-- Answers kept for an `Idempotency-Key` showed keys and links. They are stored without them from now on.
DELETE FROM idempotency_keys;
