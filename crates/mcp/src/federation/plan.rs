//! What a gateway offers: as it is configured, and ready for requests.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use gatewright_domain::id::{GatewayId, ProjectId, ServerId};

use super::{
    catalog::bytes_of, choice::Choice, list_memory::Kept, naming::Naming, offered::Offered, server::Server,
    view::View,
};
use crate::{
    peer::config::UpstreamConfig,
    wire::{
        json::json_string,
        listing::{ByKind, CacheScope, ListKind, ServerList},
    },
};

/// What a gateway offers, in the words of its configuration.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Its id.
    pub id: GatewayId,
    /// Its project, whose share of the memory for lists its merged lists take.
    pub project: ProjectId,
    /// What people call it; clients show it.
    pub name: String,
    /// Returned to clients as `instructions`; empty for none.
    pub instructions: String,
    /// Whether the instructions of its servers follow.
    pub server_instructions: bool,
    /// How its tools and prompts are named.
    pub naming: Naming,
    /// Its servers, in order.
    pub servers: Vec<UpstreamConfig>,
    /// The tools it offers.
    pub tools: Choice,
    /// The prompts it offers.
    pub prompts: Choice,
    /// The resources it offers, by URI, and the resource templates, by template.
    pub resources: Choice,
}

/// What a gateway offers, ready for requests. Made once per configuration.
#[derive(Debug)]
pub struct Plan {
    /// The gateway.
    pub gateway_id: GatewayId,
    pub(crate) project: ProjectId,
    /// Distinguishes plans of one gateway: what was made for an earlier configuration is not used for a later one.
    pub(super) serial: u64,
    /// Who answers (`serverInfo`), as JSON text.
    pub(crate) server_info: Arc<str>,
    pub(super) instructions: String,
    pub(super) server_instructions: bool,
    pub(crate) naming: Naming,
    pub(crate) servers: Vec<Offered>,
    /// The merged list made last: if lists do not differ between users, the one all of them have.
    pub(super) last: ByKind<ArcSwapOption<Kept<View>>>,
}

impl Plan {
    /// The plan of a configuration; `server` returns what is known about each of its servers.
    pub(super) fn new(
        serial: u64,
        mut config: GatewayConfig,
        server: impl Fn(UpstreamConfig) -> Arc<Server>,
    ) -> Self {
        let servers = config
            .servers
            .into_iter()
            .map(|of_server| Offered {
                tools: config.tools.take(of_server.id),
                prompts: config.prompts.take(of_server.id),
                resources: config.resources.take(of_server.id),
                server: server(of_server),
            })
            .collect();
        Self {
            gateway_id: config.id,
            project: config.project,
            serial,
            server_info: server_info(&config.name),
            instructions: config.instructions,
            server_instructions: config.server_instructions,
            naming: config.naming,
            servers,
            last: ByKind::default(),
        }
    }

    /// The index of a server in the plan; `None` if it is not one of them.
    pub(crate) fn place_of(&self, server: ServerId) -> Option<usize> {
        let is_it = |offered: &Offered| offered.server.upstream.config.id == server;
        self.servers.iter().position(is_it)
    }

    /// Leaves out servers whose lists would make the merged list larger than what is kept of one.
    pub(super) fn leave_out_what_does_not_fit(
        &self,
        kind: ListKind,
        lists: &mut [Option<Arc<ServerList>>],
        bytes: usize,
    ) {
        let mut left = bytes;
        for (offered, slot) in self.servers.iter().zip(lists) {
            let Some(list) = slot else { continue };
            if let Some(rest) = left.checked_sub(bytes_of(list)) {
                left = rest;
            } else {
                tracing::warn!(gateway = %self.gateway_id, server = offered.server.slug(), "the {} of a server are left out: the lists of all servers of the gateway together are too large", kind.noun());
                *slot = None;
            }
        }
    }

    /// Whether its lists of this kind may differ between users.
    pub(super) fn scope(&self, kind: ListKind) -> CacheScope {
        let private = self.servers.iter().any(|offered| offered.server.is_private(kind));
        if private {
            CacheScope::Private
        } else {
            CacheScope::Public
        }
    }
}

/// `Implementation` of the gateway: the program by its name and version, and what people call the gateway.
fn server_info(title: &str) -> Arc<str> {
    let title = json_string(title);
    let version = env!("CARGO_PKG_VERSION");
    format!(r#"{{"name":"gatewright","title":{title},"version":"{version}"}}"#).into()
}
