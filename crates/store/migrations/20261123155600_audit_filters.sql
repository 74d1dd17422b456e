-- Each filter of the audit trail finds its index, whatever the page. An actor without an id goes by its kind. Times need
-- none: ids follow each other as times do.
CREATE INDEX audit_events_by_actor ON audit_events (project_id, COALESCE(actor_id, actor), id);
CREATE INDEX audit_events_by_origin ON audit_events (project_id, origin, id);
CREATE INDEX audit_events_by_address ON audit_events (project_id, address, id);
