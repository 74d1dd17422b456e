//! A server as one gateway offers it.

use std::sync::Arc;

use super::{choice::OfServer, naming::Naming, server::Server};
use crate::wire::{
    capabilities::{Capabilities, Capability},
    listing::ListKind,
};

/// A server as one gateway offers it.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) server: Arc<Server>,
    /// The tools offered.
    pub(super) tools: OfServer,
    /// The prompts offered.
    pub(super) prompts: OfServer,
    /// The resources and resource templates offered.
    pub(super) resources: OfServer,
}

impl Offered {
    /// Which of what the server lists are offered.
    pub(super) const fn chosen(&self, kind: ListKind) -> &OfServer {
        match kind {
            ListKind::Tools => &self.tools,
            ListKind::Prompts => &self.prompts,
            ListKind::Resources | ListKind::ResourceTemplates => &self.resources,
        }
    }

    /// The name that something has at this server which clients know as `name`; `None` when it could not be of this server.
    pub(super) fn own_name<'n>(&self, naming: Naming, name: &'n str) -> Option<&'n str> {
        match naming {
            Naming::Plain => Some(name),
            // A slug holds no underscore, so the first one ends it.
            Naming::Prefixed => name.strip_prefix(self.server.slug())?.strip_prefix('_'),
        }
    }

    /// What the gateway can pass on of what the server declares.
    pub(super) fn passes(&self, declared: Capabilities) -> Capabilities {
        let mut passed = declared;
        // Servers are in use that declare nothing and have tools.
        let lists = [Capability::Tools, Capability::Prompts, Capability::Resources];
        if !lists.into_iter().any(|list| declared.has(list)) {
            passed = passed.or([Capability::Tools].into_iter().collect());
        }
        if self.prompts.is_nothing() {
            passed = passed.without(Capability::Prompts);
        }
        if self.resources.is_nothing() {
            passed = passed
                .without(Capability::Resources)
                .without(Capability::Subscribe);
        }
        if self.prompts.is_nothing() && self.resources.is_nothing() {
            passed = passed.without(Capability::Completions);
        }
        passed
    }
}
