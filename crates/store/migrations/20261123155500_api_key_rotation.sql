-- The key that takes the place of one that was rotated, which works on until its `expires_at`.
ALTER TABLE api_keys ADD COLUMN successor_id TEXT;
