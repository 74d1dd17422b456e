//! Who waits for a transaction, for how long, and after how many others.

use std::time::Duration;

/// How long a writer waits for its turn: after that, a "busy" response serves the caller better.
pub(crate) const BUSY_AFTER: Duration = Duration::from_secs(5);

/// Who waits for a transaction. When there is more work than the database can handle, people go first, and programs learn
/// early to retry later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person, in front of a browser.
    Person,
    /// A program that retries automatically, such as a client that refreshes its token.
    Program,
}

/// How the connections of a store are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Connections that are in a transaction.
    pub in_use: u32,
    /// Connections that wait for one.
    pub idle: u32,
    /// Transactions that wait for a connection, or for their turn to write.
    pub waiting: u32,
}
