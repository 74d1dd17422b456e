-- How the client secret is presented: automatic, basic or post; and what the provider last accepted where it is automatic.
ALTER TABLE user_sources ADD COLUMN client_authentication TEXT NOT NULL DEFAULT 'automatic';
ALTER TABLE user_sources ADD COLUMN client_method_worked TEXT;
