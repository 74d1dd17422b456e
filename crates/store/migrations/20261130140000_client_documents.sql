-- Metadata documents of clients that hold a grant in a project or are listed on one of its gateways, as they were
-- fetched: a sign-in of a client that is known needs nothing of its host.
CREATE TABLE client_documents (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    document TEXT NOT NULL,
    fetched_at BIGINT NOT NULL,
    fresh_until BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, url)
);
CREATE INDEX client_documents_by_url ON client_documents (url);
CREATE INDEX client_documents_by_use ON client_documents (used_at);
