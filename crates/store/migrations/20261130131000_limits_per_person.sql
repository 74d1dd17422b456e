-- Codes are counted by person and by the consent they came of; live grants by person.
ALTER TABLE authorization_codes ADD COLUMN consent_id TEXT;
CREATE INDEX authorization_codes_of_consent ON authorization_codes (consent_id) WHERE consent_id IS NOT NULL;
DROP INDEX authorization_codes_of_user;
CREATE INDEX authorization_codes_of_user ON authorization_codes (user_id, created_at);
DROP INDEX authorization_codes_of_member;
CREATE INDEX authorization_codes_of_member ON authorization_codes (account_id, created_at);
CREATE INDEX grants_unrevoked_of_user ON grants (user_id, gateway_id) WHERE revoked_at IS NULL;
CREATE INDEX grants_unrevoked_of_member ON grants (account_id, gateway_id) WHERE revoked_at IS NULL;
