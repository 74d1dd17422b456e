//! A list of one server, as it was read.

use std::sync::Arc;

use gatewright_domain::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::wire::listing::{Entry, ServerList};

/// Identifies a list by its content: SHA-256 of its entries.
pub(super) type Fingerprint = [u8; 32];

/// A list of one server, as one user or all users see it.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    /// The list.
    pub list: Arc<ServerList>,
    pub(super) fingerprint: Fingerprint,
    /// Until when it need not be asked for again.
    pub fresh_until: Timestamp,
}

/// A list just read.
pub(super) struct Fetched {
    pub(super) list: ServerList,
    pub(super) private: bool,
    pub(super) read_at: Timestamp,
    pub(super) fresh_until: Timestamp,
}

/// Bytes a list holds, roughly.
pub(crate) fn bytes_of(list: &ServerList) -> usize {
    let entries: usize = list.entries.iter().map(Entry::bytes).sum();
    256 + entries
}

/// Identifies the list.
pub(super) fn fingerprint(list: &ServerList) -> Fingerprint {
    let mut digest = Sha256::new();
    for entry in &list.entries {
        digest.update((entry.raw.len() as u64).to_le_bytes());
        digest.update(&entry.raw);
    }
    digest.finalize().into()
}
