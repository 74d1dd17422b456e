//! Resources that several servers of a gateway list: a URI stays as its server wrote it, so the first in the gateway's order
//! serves it, and administrators want to know.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use gatewright_domain::{gateway::Gateway, server::Server};
use gatewright_mcp::inspection;

use super::{kind::Kind, selection::Selection};
use crate::{
    Admin,
    dashboard::{error::PageError, session::InProject},
    service::{
        Authority, ServiceError,
        server_checks::{self, Resource, ServerCheck},
    },
};

/// Servers that are asked for one page, at most.
const ASKED: usize = 50;
/// Servers asked at the same time.
const AT_ONCE: usize = 8;
/// URIs shown. A server that is registered twice shares all of its own.
const SHOWN: usize = 50;

/// A URI that several servers list.
pub(super) struct SharedUri {
    pub(super) uri: String,
    /// The name of the server that serves it.
    pub(super) served_by: String,
    /// The names of the others.
    pub(super) others: String,
}

/// What is known of them.
#[derive(Default)]
pub(super) struct SharedUris {
    pub(super) rows: Vec<SharedUri>,
    /// How many more there are.
    pub(super) more: usize,
    /// Where the page with the servers asked is, while nothing is known of some.
    pub(super) ask: Option<String>,
}

/// Those of a gateway whose page is at `path`, of what was last seen of its servers. Sends no request.
pub(super) fn of(
    app: &Admin,
    authority: &Authority,
    gateway: &Gateway,
    servers: &[Server],
    path: &str,
) -> Result<SharedUris, ServiceError> {
    if !gateway.offers.resources || servers.len() < 2 {
        return Ok(SharedUris::default());
    }
    let checks: Result<Vec<Option<Arc<ServerCheck>>>, _> = servers
        .iter()
        .map(|server| server_checks::last(app, authority, server))
        .collect();
    let checks = checks?;
    let selection = Selection::stored(gateway, Kind::Resources);
    let offers_all = gateway.allowed_resources.is_empty();
    let lists = servers.iter().zip(&checks).map(|(server, check)| {
        let uris = check.iter().flat_map(|check| resources(check));
        let uris = uris.map(|resource| resource.uri.as_str());
        uris.filter(|uri| offers_all || selection.holds(server.id, uri))
            .collect()
    });
    let lists: Vec<Vec<&str>> = lists.collect();
    let shared = inspection::shared_uris(&lists);
    let name = |place: usize| servers[place].name.clone();
    let more = shared.len().saturating_sub(SHOWN);
    let rows = shared.into_iter().take(SHOWN).filter_map(|shared| {
        let (first, others) = shared.servers.split_first()?;
        let others: Vec<String> = others.iter().copied().map(name).collect();
        Some(SharedUri {
            uri: shared.uri.into(),
            served_by: name(*first),
            others: others.join(", "),
        })
    });
    Ok(SharedUris {
        rows: rows.collect(),
        more,
        ask: checks
            .iter()
            .take(ASKED)
            .any(Option::is_none)
            .then(|| format!("{path}?ask=yes")),
    })
}

/// What a server listed.
fn resources(check: &ServerCheck) -> impl Iterator<Item = &Resource> {
    let answered = check.outcome.as_ref().ok();
    let lists = answered.map(|answered| [&answered.resources, &answered.resource_templates]);
    lists.into_iter().flatten().flatten().flat_map(|list| &list.items)
}

/// Asks those servers of a gateway of which nothing is known, a few at once.
pub(super) async fn ask(app: &Admin, place: &InProject, servers: &[Server]) -> Result<(), PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let mut looks = Vec::new();
    for server in servers.iter().take(ASKED) {
        if server_checks::last(app, authority, server)?.is_none() {
            looks.push(server_checks::look(app, authority, project, server.id));
        }
    }
    let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(looked) = looks.next().await {
        looked?;
    }
    Ok(())
}
