-- What one replica asks of another that holds the state for it, and the answer. Rows live for minutes; both texts are sealed.
CREATE TABLE replica_mail (
    id TEXT NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL,
    letter TEXT NOT NULL,
    taken_at BIGINT,
    reply TEXT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX replica_mail_of_recipient ON replica_mail (recipient, taken_at);
CREATE INDEX replica_mail_expiry ON replica_mail (expires_at);
