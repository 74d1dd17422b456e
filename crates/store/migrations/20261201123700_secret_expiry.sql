-- When the provider stops accepting the client secret, if the administrator entered that.
ALTER TABLE user_sources ADD COLUMN secret_expires_at BIGINT;
