//! Where what a request names leads at a gateway.

use std::sync::Arc;

use super::{offered::Offered, server::Server, view::View};
use crate::wire::listing::Entry;

/// Where a name or URI leads. A call looks it up once, and this travels with it.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The server among those of the plan.
    server: usize,
    /// Its place in the server's list; `None` for a URI that no list has.
    listed: Option<(Arc<View>, usize)>,
}

impl Resolved {
    /// Where a name leads in a view.
    pub(super) fn of(view: &Arc<View>, name: &str) -> Option<Self> {
        let target = view.selected(name)?;
        view.entry_at(target.server, target.entry)?;
        Some(Self {
            server: target.server,
            listed: Some((Arc::clone(view), target.entry)),
        })
    }

    /// A URI that leads to this server, though it does not list it.
    pub(crate) const fn unlisted(server: usize) -> Self {
        Self { server, listed: None }
    }

    /// The server; `servers` are those of the plan.
    pub(crate) fn server<'a>(&self, servers: &'a [Offered]) -> &'a Arc<Server> {
        &servers[self.server].server
    }

    /// The place of the server among those of the plan.
    pub(super) const fn place(&self) -> usize {
        self.server
    }

    /// As its server lists it, if it does.
    pub(super) fn entry(&self) -> Option<&Entry> {
        let (view, entry) = self.listed.as_ref()?;
        view.entry_at(self.server, *entry)
    }
}
