-- Who made a link that opens something for a person: an account, a key, `operator` or `system`, as the audit trail names
-- them. The link ends with its maker.
ALTER TABLE account_links ADD COLUMN made_by TEXT;
CREATE INDEX account_links_made_by ON account_links (made_by);
ALTER TABLE invitations ADD COLUMN made_by TEXT;
CREATE INDEX invitations_made_by ON invitations (made_by);

-- Links to set a password live for an hour and were made by keys too, which may no longer make any.
DELETE FROM account_links WHERE purpose = 'reset_password';
-- The trail knows who made an invitation.
UPDATE invitations SET made_by = (SELECT audit_events.actor_id FROM audit_events
    WHERE audit_events.project_id = invitations.project_id AND audit_events.object_id = invitations.id
    AND audit_events.action = 'invitation.created' ORDER BY audit_events.id LIMIT 1);
