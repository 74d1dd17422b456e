//! A gateway of the directory as the federation wants it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use gatewright_domain::gateway::Allowed;
use gatewright_mcp::{
    federation::{Choice, GatewayConfig, Plan},
    naming::Naming,
    upstream::UpstreamConfig,
};
use http::Uri;

use super::ResourceServer;
use crate::directory::{GatewayEntry, ServerEntry};

/// The plan of a gateway, made at its first request after a change of the configuration.
pub(super) fn plan<'a>(server: &ResourceServer, entry: &'a GatewayEntry) -> &'a Arc<Plan> {
    entry
        .plan
        .get_or_init(|| Arc::new(server.federation.plan(gateway_config(entry))))
}

fn gateway_config(entry: &GatewayEntry) -> GatewayConfig {
    let gateway = &entry.gateway;
    GatewayConfig {
        id: gateway.id,
        project: gateway.project_id,
        name: gateway.name.clone(),
        instructions: gateway.instructions.clone(),
        server_instructions: gateway.server_instructions,
        naming: if entry.prefixed {
            Naming::Prefixed
        } else {
            Naming::Plain
        },
        servers: entry
            .servers
            .iter()
            .map(|server| upstream_config(server))
            .collect(),
        tools: choice(gateway.offers.tools, &gateway.allowed_tools),
        prompts: choice(gateway.offers.prompts, &gateway.allowed_prompts),
        resources: choice(gateway.offers.resources, &gateway.allowed_resources),
    }
}

/// What is offered of a kind.
fn choice<A: Allowed>(is_offered: bool, allowed: &[A]) -> Choice {
    if !is_offered {
        return Choice::Only(HashMap::new());
    }
    Choice::of_items(
        allowed
            .iter()
            .map(|allowed| (allowed.server(), allowed.key().to_owned())),
    )
}

/// A server with its headers filled in, as the federation calls it.
pub(super) fn upstream_config(entry: &ServerEntry) -> UpstreamConfig {
    let server = &entry.server;
    let (url, problem) = match server.url.parse::<Uri>() {
        Ok(url) if url.host().is_some() => (url, entry.problem.clone()),
        // It was checked when it was saved; a database edited by hand may still hold anything.
        _ => (Uri::default(), Some("its URL cannot be read".to_owned())),
    };
    UpstreamConfig {
        id: server.id,
        project: server.project_id,
        slug: server.slug.clone(),
        prefix: server.tool_prefix().to_owned(),
        url,
        audience: server.url.clone(),
        timeout: Duration::from_millis(u64::from(server.timeout_ms)),
        retries: server.retries,
        headers: entry.headers.clone(),
        identity: server.identity,
        protocol: server.protocol,
        problem,
    }
}
