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
        extensions::{Extensions, TASKS, UI},
        listing::ListKind,
        version::{Era, ProtocolVersion},
    },
};

/// How long a client waits for servers that have not declared yet what they can do.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a gateway declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) capabilities: Capabilities,
    pub(crate) extensions: Extensions,
    /// Whether all servers have said what they can do.
    pub(crate) is_certain: bool,
}

impl<P: Peers> Federation<P> {
    /// What a gateway declares to a user whose client speaks this version. Servers that have not declared yet what they
    /// can do are asked for their tools, which the client will ask for next; those that still say nothing are taken to do
    /// everything: a client keeps for the whole of its session what it learns at the beginning, and an empty list does it
    /// no harm.
    pub(crate) async fn capabilities(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        version: ProtocolVersion,
    ) -> Declared {
        let before = known(plan, version);
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
        known(plan, version)
    }
}

/// What is known without asking.
fn known(plan: &Plan, version: ProtocolVersion) -> Declared {
    let mut capabilities = Capabilities::default();
    let mut extensions = Extensions::default();
    let mut is_certain = true;
    for offered in &plan.servers {
        let declared = offered.server.upstream.declared();
        is_certain &= declared.is_some();
        let mut declared = declared.unwrap_or(Capabilities::EVERYTHING);
        let upstream = &offered.server.upstream;
        // Tasks have a different form in each era, and pass only between two of one era.
        let has_tasks = upstream.era() == Some(version.era()) && offered.offers_tools();
        if !(has_tasks && version == ProtocolVersion::V2025_11_25) {
            declared = declared.without_tasks();
        }
        let about = upstream.about();
        if let Some(about) = &about {
            let has_tasks = has_tasks && version.era() == Era::Modern;
            extensions.extend(&about.extensions, |name| match name {
                TASKS => has_tasks,
                UI => offered.offers_tools(),
                _ => true,
            });
        }
        let has_apps = about.is_some_and(|about| about.extensions.has(UI));
        capabilities = capabilities.or(offered.passes(declared, has_apps));
    }
    if plan.servers.is_empty() {
        // Clients ask every server for its tools, and some give up on one that declares none.
        capabilities = [Capability::Tools].into_iter().collect();
    }
    Declared {
        capabilities,
        extensions,
        is_certain,
    }
}
