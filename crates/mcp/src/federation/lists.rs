//! What it takes to read the lists of servers.

use std::sync::Arc;

use super::{list_behind::Behind, list_memory::ListMemory};

/// What it takes to read the lists of servers.
#[derive(Debug)]
pub(super) struct Lists<P> {
    pub(super) peers: Arc<P>,
    /// What lists hold.
    pub(super) memory: Arc<ListMemory>,
    /// Lists that are read on after those who waited have gone.
    pub(super) behind: Arc<Behind>,
}
