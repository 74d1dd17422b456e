-- How many slugs a project holds is counted when it takes another one.
CREATE INDEX gateway_slugs_of_project ON gateway_slugs (project_id);
