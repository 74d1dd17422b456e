//! The names that clients of a gateway see, if they are worth knowing: names that are not those of the servers, and names
//! and URIs that several servers have, of which the first in the gateway's order serves them.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use gatewright_domain::{
    gateway::{Gateway, names_tools_by_server},
    server::Server,
};
use gatewright_mcp::inspection;

use super::{
    kind::Kind,
    listed::{Item, Listed},
    selection::Selection,
};
use crate::{
    Admin,
    error::PageError,
    service::{
        Authority, ServiceError,
        server_checks::{self, ServerCheck},
    },
    session::InProject,
};

/// Servers that are asked for one page, at most.
const ASKED: usize = 50;
/// Servers asked at the same time.
const AT_ONCE: usize = 8;
/// Rows shown of each table. A server that is registered twice shares all of its names.
const SHOWN: usize = 50;

/// A name or URI that several servers have.
pub(super) struct Shared {
    /// Tool or prompt; empty for resources.
    pub(super) kind: &'static str,
    pub(super) key: String,
    /// The name of the server that serves it.
    pub(super) served_by: String,
    /// The names of the others.
    pub(super) others: String,
}

/// A name that clients see in another form.
pub(super) struct Changed {
    pub(super) kind: &'static str,
    pub(super) server: String,
    /// The name at the server.
    pub(super) own: String,
    pub(super) shown: String,
}

/// Rows of a table, and how many more there are.
pub(super) struct Table<R> {
    pub(super) rows: Vec<R>,
    pub(super) more: usize,
}

/// What is known about the names of a gateway.
#[derive(Default)]
pub(super) struct Names {
    pub(super) changed: Table<Changed>,
    /// Tools and prompts that several servers have.
    pub(super) shared: Table<Shared>,
    /// Resources and templates that several servers list.
    pub(super) uris: Table<Shared>,
    /// Where the page with the servers asked is, while nothing is known about some.
    pub(super) ask: Option<String>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            more: 0,
        }
    }
}

impl<R> Table<R> {
    fn add(&mut self, rows: impl IntoIterator<Item = R>) {
        for row in rows {
            if self.rows.len() < SHOWN {
                self.rows.push(row);
            } else {
                self.more += 1;
            }
        }
    }
}

/// The names of a gateway whose page is at `path`, of what was last seen of its servers. Sends no request.
pub(super) fn of(
    app: &Admin,
    authority: &Authority,
    gateway: &Gateway,
    servers: &[Server],
    path: &str,
) -> Result<Names, ServiceError> {
    let checks: Result<Vec<Option<Arc<ServerCheck>>>, _> = servers
        .iter()
        .map(|server| server_checks::last(app, authority, server))
        .collect();
    let checks = checks?;
    let is_prefixed = names_tools_by_server(gateway.prefix_mode, servers.len());
    let mut names = Names {
        ask: checks
            .iter()
            .take(ASKED)
            .any(Option::is_none)
            .then(|| format!("{path}?ask=yes")),
        ..Names::default()
    };
    for kind in Kind::ALL {
        if !kind.is_offered(gateway) {
            continue;
        }
        let selection = Selection::stored(gateway, kind);
        let offers_all = kind.named(gateway).is_empty();
        let lists = servers.iter().zip(&checks).map(|(server, check)| {
            let items = check.iter().flat_map(|check| Listed::of(check, kind).items);
            items
                .filter(|item| offers_all || selection.holds(server.id, item.key))
                .collect()
        });
        let lists: Vec<Vec<Item<'_>>> = lists.collect();
        for (server, items) in servers.iter().zip(&lists) {
            let changed = items.iter().filter_map(|item| {
                let shown = item.shown_as?.changed(is_prefixed)?;
                Some(Changed {
                    kind: kind.singular(),
                    server: server.name.clone(),
                    own: item.key.to_owned(),
                    shown: shown.to_owned(),
                })
            });
            names.changed.add(changed);
        }
        match kind {
            Kind::Resources => names.uris.add(shared(&lists, servers, is_prefixed, "")),
            // With a prefix each server has its own names.
            Kind::Tools | Kind::Prompts if is_prefixed => {}
            Kind::Tools | Kind::Prompts => {
                let shared = shared(&lists, servers, is_prefixed, kind.singular());
                names.shared.add(shared);
            }
        }
    }
    Ok(names)
}

/// What several servers have.
fn shared(lists: &[Vec<Item<'_>>], servers: &[Server], is_prefixed: bool, kind: &'static str) -> Vec<Shared> {
    let keys = lists
        .iter()
        .map(|items| items.iter().map(|item| item.shown(is_prefixed)).collect());
    let keys: Vec<Vec<&str>> = keys.collect();
    let name = |place: usize| servers[place].name.clone();
    let rows = inspection::shared_keys(&keys).into_iter().filter_map(|shared| {
        let (first, others) = shared.servers.split_first()?;
        let others: Vec<String> = others.iter().copied().map(name).collect();
        Some(Shared {
            kind,
            key: shared.key.into(),
            served_by: name(*first),
            others: others.join(", "),
        })
    });
    rows.collect()
}

/// Asks the servers of a gateway of which nothing is known, a few at the same time.
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
