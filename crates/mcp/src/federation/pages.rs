//! Pages that tools bring with them (MCP Apps): a tool names one in its `_meta`, and clients read it as a resource, whether or
//! not the server lists it. Which pages can be read follows from which tools are offered: the page of a tool that is offered
//! can be, whatever is said about resources, and one that belongs only to tools that are not offered cannot, unless it is chosen
//! as a resource.

use super::{
    choice::OfServer,
    offered::Offered,
    plan::Plan,
    server::Server,
    servers::Federation,
    spelling::{is_in_normal_form, is_spelling_of},
    view::View,
};
use crate::{
    peer::{
        caller::{Caller, CallerKey},
        peers::Peers,
    },
    wire::listing::{Entry, ListKind},
};

/// What the tools of a server say about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// None brings it.
    No,
    /// One that is offered does.
    ByOffered,
    /// Only such do as are not offered.
    ByOthers,
    /// Which tools there are is not known.
    Unknown,
}

fn named(tools: &View, server: usize, offered: &Offered, uri: &str) -> Named {
    let Some(entries) = tools.entries_of(server) else {
        return Named::Unknown;
    };
    // A tool beyond the bound of its list may bring it too.
    let mut named = if tools.is_whole(server) {
        Named::No
    } else {
        Named::Unknown
    };
    for entry in entries.iter().filter(|entry| entry.ui.as_deref() == Some(uri)) {
        if offered.chosen(ListKind::Tools).offers(&entry.key) {
            return Named::ByOffered;
        }
        named = Named::ByOthers;
    }
    named
}

/// The servers that offer a tool which brings this page, in the order of the gateway.
pub(super) fn servers_of_page<'a>(
    tools: &'a View,
    plan: &'a Plan,
    uri: &'a str,
) -> impl Iterator<Item = usize> + 'a {
    let servers = plan.servers.iter().enumerate();
    let brings = move |(server, offered): (usize, &Offered)| {
        (named(tools, server, offered, uri) == Named::ByOffered).then_some(server)
    };
    servers.filter_map(brings)
}

/// Whether a URI is another spelling of a page that only tools which are not offered bring.
fn is_other_spelling(tools: Option<&View>, offered: &Offered, server: usize, uri: &str) -> bool {
    let entries = tools
        .and_then(|tools| tools.entries_of(server))
        .unwrap_or_default();
    let others = entries
        .iter()
        .filter(|entry| !offered.chosen(ListKind::Tools).offers(&entry.key));
    let mut pages = others.filter_map(|entry| entry.ui.as_deref());
    pages.any(|page| page != uri && is_spelling_of(uri, page))
}

/// Whether a page of a server cannot be read, because the tools that bring it are not offered. `tools` is `None` if it is
/// not known which there are.
pub(super) fn is_withheld(tools: Option<&View>, plan: &Plan, server: usize, uri: &str) -> bool {
    let offered = &plan.servers[server];
    if *offered.chosen(ListKind::Tools) == OfServer::All {
        return false;
    }
    let is_chosen = match offered.chosen(ListKind::Resources) {
        OfServer::All => false,
        chosen @ OfServer::Items(_) => chosen.offers(uri),
    };
    let named = tools.map_or(Named::Unknown, |tools| named(tools, server, offered, uri));
    // Its server might read another spelling as a page that is not offered.
    let is_clear = is_in_normal_form(uri) && !is_other_spelling(tools, offered, server, uri);
    !is_chosen && (!is_clear || matches!(named, Named::ByOthers | Named::Unknown))
}

impl<P: Peers> Federation<P> {
    /// A user calls a tool of a server, so its page is the one to read next: several servers can have pages of one URI.
    pub(super) fn note_page(&self, plan: &Plan, caller: Caller<'_>, server: &Server, entry: Option<&Entry>) {
        if let Some(uri) = entry.and_then(|entry| entry.ui.as_deref()) {
            self.seen
                .note(plan.project, caller.key, uri, server.upstream.config.id);
        }
    }

    /// Of servers that offer a tool with this page, the one whose tool this user called last, else the first.
    pub(super) fn server_of_page(
        &self,
        tools: &View,
        plan: &Plan,
        caller: CallerKey,
        uri: &str,
    ) -> Option<usize> {
        let mut servers = servers_of_page(tools, plan, uri);
        let first = servers.next()?;
        let Some(second) = servers.next() else {
            return Some(first);
        };
        let last = self
            .seen
            .server_of(plan.project, caller, uri)
            .and_then(|id| plan.place_of(id));
        let brings = |last: &usize| [first, second].contains(last) || servers.any(|server| server == *last);
        Some(last.filter(brings).unwrap_or(first))
    }
}
