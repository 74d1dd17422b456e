//! Where the name of a tool leads at a gateway.

use std::sync::Arc;

use super::{offered::Offered, server::Server, view::View};
use crate::wire::listing::Entry;

/// Where the name of a tool leads. A call looks its name up once, and this travels with it.
#[derive(Debug)]
pub(crate) struct Resolved {
    view: Arc<View>,
    /// The server among those of the plan that the view is of.
    server: usize,
    /// The tool in the server's list.
    entry: usize,
}

impl Resolved {
    /// Where a name leads in a view.
    pub(super) fn of(view: &Arc<View>, name: &str) -> Option<Self> {
        let target = view.selected(name)?;
        view.entry_at(target.server, target.entry)?;
        Some(Self {
            view: Arc::clone(view),
            server: target.server,
            entry: target.entry,
        })
    }

    /// The server that has the tool; `servers` are those of the plan.
    pub(crate) fn server<'a>(&self, servers: &'a [Offered]) -> &'a Arc<Server> {
        &servers[self.server].server
    }

    /// The tool as its server lists it.
    pub(super) fn entry(&self) -> &Entry {
        let entry = self.view.entry_at(self.server, self.entry);
        entry.expect("it was there when the name was looked up, and views do not change")
    }
}
