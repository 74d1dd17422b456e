//! What a gateway declares that it can do: all that its servers declare, of what it passes on.

use std::time::Duration;

use super::{catalogs::Freshness, plan::Plan, servers::Federation};
use crate::{
    peer::{
        caller::{Caller, Runs},
        peers::Peers,
    },
    wire::{
        capabilities::{Capabilities, Capability},
        listing::ListKind,
    },
};

/// Servers that have not said yet what they can do get this long, where a client asks.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a gateway declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) capabilities: Capabilities,
    /// Whether all servers have said what they can do.
    pub(crate) is_certain: bool,
}

impl<P: Peers> Federation<P> {
    /// What a gateway declares to a user. Servers that have not said yet what they can do are asked for their tools, which
    /// the client will ask for next; those that still say nothing are taken to do everything: a client keeps for the whole of
    /// its session what it is told at the beginning, and an empty list does it no harm.
    pub(crate) async fn capabilities(&self, plan: &Plan, caller: Caller<'_>) -> Declared {
        let before = known(plan);
        let now = self.peers.now();
        let is_worth_asking = plan.servers.iter().any(|offered| {
            let upstream = &offered.server.upstream;
            upstream.declared().is_none() && upstream.failure(now).is_none()
        });
        if !is_worth_asking || caller.identity.admit(Runs::Request).is_err() {
            return before;
        }
        // Boxed because it is rare and large.
        let asking = Box::pin(self.view(plan, ListKind::Tools, caller, Freshness::Fresh, None));
        let _ = tokio::time::timeout(PATIENCE, asking).await;
        known(plan)
    }
}

/// What is known without asking.
fn known(plan: &Plan) -> Declared {
    let mut capabilities = Capabilities::default();
    let mut is_certain = true;
    for offered in &plan.servers {
        let declared = offered.server.upstream.declared();
        is_certain &= declared.is_some();
        let declared = declared.unwrap_or(Capabilities::EVERYTHING);
        capabilities = capabilities.or(offered.passes(declared));
    }
    if plan.servers.is_empty() {
        // Clients ask every server for its tools, and some give up on one that has none by what it declares.
        capabilities = [Capability::Tools].into_iter().collect();
    }
    Declared {
        capabilities,
        is_certain,
    }
}
