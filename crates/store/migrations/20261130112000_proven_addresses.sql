-- Whether single sign-on or an administrator of the instance has proved that the address of an account is its owner's: 0 or 1.
-- Until then it is what an inviter typed, and whoever had the link chose the password.
ALTER TABLE accounts ADD COLUMN address_proven BIGINT NOT NULL DEFAULT 0 CHECK (address_proven IN (0, 1));
-- The address as it is compared. `email_key` is unique: it is the same for the first account of an address, and has the id of
-- the account behind it for another, with a space between, which no address contains.
ALTER TABLE accounts ADD COLUMN address_key TEXT NOT NULL DEFAULT '';
UPDATE accounts SET address_key = email_key;
CREATE INDEX accounts_of_address ON accounts (address_key);
UPDATE accounts SET address_proven = 1 WHERE is_instance_admin = 1
    OR id IN (SELECT account_id FROM account_identities) OR id IN (SELECT account_id FROM first_account);
