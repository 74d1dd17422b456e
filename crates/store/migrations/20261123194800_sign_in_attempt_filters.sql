-- Each filter of the sign-in trace finds its index, and the order with it.
DROP INDEX sign_in_attempts_by_reference;
CREATE INDEX sign_in_attempts_by_reference ON sign_in_attempts (project_id, reference, id);
CREATE INDEX sign_in_attempts_by_progress ON sign_in_attempts (project_id, progress, id);
CREATE INDEX sign_in_attempts_at_gateway ON sign_in_attempts (gateway_id, id);
