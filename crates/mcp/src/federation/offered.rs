//! A server as one gateway offers it.

use std::{collections::HashSet, sync::Arc};

use super::{naming::Naming, server::Server};

/// A server as one gateway offers it.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) server: Arc<Server>,
    /// The tools offered; `None` means all.
    pub(super) allowed: Option<HashSet<String>>,
}

impl Offered {
    /// The name a tool would have at this server; `None` when it could not be of this server.
    pub(super) fn own_name<'n>(&self, naming: Naming, name: &'n str) -> Option<&'n str> {
        match naming {
            Naming::Plain => Some(name),
            // A slug holds no underscore, so the first one ends it.
            Naming::Prefixed => name.strip_prefix(self.server.slug())?.strip_prefix('_'),
        }
    }
}
