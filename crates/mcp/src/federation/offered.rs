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

    /// The prefix of the names of its tools and prompts, if they have one.
    pub(super) fn prefix(&self) -> &str {
        &self.server.upstream.config.prefix
    }

    /// Whether something of this server could have this name for clients.
    pub(super) fn could_have(&self, naming: Naming, name: &str) -> bool {
        naming.could_be_of(self.prefix(), name)
    }

    /// Whether something that is offered could have this name for clients, whatever the server lists.
    pub(super) fn could_offer(&self, kind: ListKind, naming: Naming, name: &str) -> bool {
        if !self.could_have(naming, name) {
            return false;
        }
        match (self.chosen(kind), naming.unchanged(self.prefix(), name)) {
            (OfServer::All, _) => true,
            (chosen, Some(own)) => chosen.offers(own),
            (OfServer::Items(items), None) => items
                .iter()
                .any(|item| naming.expose(self.prefix(), item) == name),
        }
    }

    /// Whether any of its tools can be offered.
    pub(crate) fn offers_tools(&self) -> bool {
        !self.tools.is_nothing()
    }

    /// What the gateway can pass on of what the server declares. One whose tools have apps has resources that are read for
    /// them, even if no others are offered.
    pub(super) fn passes(&self, declared: Capabilities, has_apps: bool) -> Capabilities {
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
            passed = passed.without(Capability::Subscribe);
            if !(has_apps && self.offers_tools()) {
                passed = passed.without(Capability::Resources);
            }
        }
        if self.prompts.is_nothing() && self.resources.is_nothing() {
            passed = passed.without(Capability::Completions);
        }
        passed
    }
}
