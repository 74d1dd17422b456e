-- A refresh token says in itself, sealed, of which grant it is and the how-manieth. So a grant keeps rows of its current
-- token and of those whose overlap may still be open; any older one is recognised by its number. `generation` is the number
-- of a grant's newest refresh token; 0, and none at a token, is of a version whose tokens said nothing.
ALTER TABLE grants ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
-- The newest generation of which an access token was used, and when that was first seen.
ALTER TABLE grants ADD COLUMN seen_generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN seen_at BIGINT;
ALTER TABLE refresh_tokens ADD COLUMN generation BIGINT;
-- How often its successor was given again, and the address prefix from which it was first used.
ALTER TABLE refresh_tokens ADD COLUMN repeats BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refresh_tokens ADD COLUMN used_from TEXT;
