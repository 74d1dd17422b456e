-- Whether a source comes back to the redirect URL of all, or to one of its own.
ALTER TABLE user_sources ADD COLUMN callback TEXT NOT NULL DEFAULT 'shared';
