//! The tools to choose from, by server. A server is asked for its tools when somebody opens it or looks for something; a
//! page shows a bounded number of them, and what is chosen elsewhere is carried along unseen.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use gatewright_domain::{gateway::Gateway, id::ServerId, server::Server};

use super::{
    fields,
    selection::{self, Selection},
};
use crate::{
    Admin,
    dashboard::{error::PageError, form::Posted, session::InProject},
    service::server_checks::{self, ServerCheck, Tool},
};

/// Tools of one server shown at a time. More are a click or a word in the filter away.
const SHOWN_AT_ONCE: usize = 100;
/// The same while something is looked for, at each server that has it.
const FOUND_AT_ONCE: usize = 25;
/// Servers asked at the same time.
const AT_ONCE: usize = 8;
/// What a server listed is looked through this long without asking it again: people type one letter after the other.
const STILL_GOOD: Duration = Duration::from_mins(1);

/// A tool to choose.
pub(super) struct ToolRow {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) is_chosen: bool,
    /// It is chosen, and its server does not list it.
    pub(super) is_gone: bool,
}

/// A server with its tools.
pub(super) struct Node {
    pub(super) id: ServerId,
    pub(super) name: String,
    pub(super) slug: String,
    /// How many of its tools are chosen.
    pub(super) count: usize,
    /// How many of these are not among the rows.
    pub(super) unseen: usize,
    /// Whether what the gateway has stays chosen, because nobody has looked.
    pub(super) is_kept: bool,
    /// What is chosen and not among the rows, each on a line after the server's id.
    pub(super) carried: String,
    /// Its tools, once it was opened.
    pub(super) opened: Option<Opened>,
}

/// The tools of a server that was opened.
pub(super) struct Opened {
    pub(super) rows: Vec<ToolRow>,
    /// Why the server cannot say what it has.
    pub(super) problem: Option<(String, String)>,
    /// How many tools there are, or as many as were found.
    pub(super) total: usize,
    /// How many of them come before the rows.
    pub(super) after: usize,
    pub(super) previous: Option<usize>,
    pub(super) next: Option<usize>,
    pub(super) is_filtered: bool,
}

/// The tree of a form.
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// What is looked for.
    pub(super) filter: String,
    /// How many tools were found.
    pub(super) found: usize,
}

/// What is done in a tree besides saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Shows tools of a server, after so many of them.
    Open(ServerId, usize),
    /// Looks for what stands in the filter.
    Find,
    /// Chooses all tools of a server, or all that were found.
    ChooseAll(ServerId),
    /// Chooses none of them.
    ChooseNone(ServerId),
}

impl Step {
    /// The step a form asks for; none where it is to be saved. A filter that was typed and not yet looked for is looked
    /// for, because Enter in its field sends the form.
    pub(super) fn of(posted: &Posted) -> Option<Self> {
        if let Some((server, how)) = posted.text("choose").split_once(' ') {
            let server = server.parse().ok()?;
            return match how {
                "all" => Some(Self::ChooseAll(server)),
                "none" => Some(Self::ChooseNone(server)),
                _ => None,
            };
        }
        if let Some((server, after)) = opened(posted.text("look")) {
            return Some(Self::Open(server, after));
        }
        let is_asked = posted.text("look") == "find";
        let is_new = posted.text(selection::FILTER) != posted.text("filtered_by");
        (is_asked || is_new).then_some(Self::Find)
    }

    /// The one server it is about.
    pub(super) const fn server(self) -> Option<ServerId> {
        match self {
            Self::Open(server, _) | Self::ChooseAll(server) | Self::ChooseNone(server) => Some(server),
            Self::Find => None,
        }
    }
}

/// A server's id and after how many of its tools to begin.
fn opened(value: &str) -> Option<(ServerId, usize)> {
    let (server, after) = value.split_once(' ')?;
    Some((server.parse().ok()?, after.parse().ok()?))
}

impl Tree {
    /// A tree of which nothing is open, made from a gateway or for a new one.
    pub(super) fn closed(servers: &[Server], gateway: Option<&Gateway>) -> Self {
        let selection = gateway.map(Selection::stored).unwrap_or_default();
        let node = |server: &Server| Node::closed(server, &selection, true);
        Self {
            nodes: servers.iter().map(node).collect(),
            filter: String::new(),
            found: 0,
        }
    }

    /// The tree of a form that was posted, after a step in it.
    pub(super) async fn after(
        app: &Admin,
        place: &InProject,
        servers: &[Server],
        gateway: Option<&Gateway>,
        posted: &Posted,
        step: Option<Step>,
    ) -> Result<Self, PageError> {
        let mut selection = Selection::of(posted, gateway);
        let kept: BTreeSet<ServerId> = posted
            .all(selection::KEPT)
            .filter_map(|id| id.parse().ok())
            .collect();
        let filter = posted.text(selection::FILTER).to_lowercase();
        let ticked = fields::servers(posted);
        let is_looked_through = |id| !filter.is_empty() && (ticked.is_empty() || ticked.contains(&id));
        let was_open: Vec<(ServerId, usize)> = posted.all(selection::OPEN).filter_map(opened).collect();
        let begin = |id: ServerId| match step {
            Some(Step::Open(server, after)) if server == id => Some(after),
            Some(Step::ChooseAll(server) | Step::ChooseNone(server)) if server == id => Some(0),
            // What was looked for before is no reason to stay open.
            Some(Step::Find) => is_looked_through(id).then_some(0),
            _ => {
                let found = was_open.iter().find(|(server, _)| *server == id);
                found.map(|(_, after)| *after)
            }
        };
        let open: Vec<Option<usize>> = servers.iter().map(|server| begin(server.id)).collect();
        let mut looks = Vec::with_capacity(servers.len());
        for (server, begin) in servers.iter().zip(&open) {
            looks.push(look_at(app, place, begin.map(|_| server)));
        }
        let checks: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let (mut nodes, mut found) = (Vec::with_capacity(servers.len()), 0);
        for ((server, begin), check) in servers.iter().zip(open).zip(checks) {
            let id = server.id;
            let node = match (begin, check?) {
                (Some(after), Some(check)) => {
                    match step {
                        Some(Step::ChooseAll(one)) if one == id => {
                            choose_all(&mut selection, id, &check, &filter);
                        }
                        Some(Step::ChooseNone(one)) if one == id => {
                            choose_none(&mut selection, id, &check, &filter);
                        }
                        _ => {}
                    }
                    Node::opened(server, &selection, &check, &filter, after)
                }
                _ => Node::closed(server, &selection, kept.contains(&id)),
            };
            let total = node.opened.as_ref().map_or(0, |opened| opened.total);
            found += total;
            // Servers without what is looked for are closed, so that the others are seen.
            nodes.push(
                if step == Some(Step::Find) && total == 0 && node.problem().is_none() {
                    Node::closed(server, &selection, kept.contains(&id))
                } else {
                    node
                },
            );
        }
        Ok(Self {
            nodes,
            filter: posted.text(selection::FILTER).to_owned(),
            found,
        })
    }
}

/// What a server lists, if one is to be looked at: as it was seen a moment ago, or asked now.
async fn look_at(
    app: &Admin,
    place: &InProject,
    server: Option<&Server>,
) -> Result<Option<Arc<ServerCheck>>, PageError> {
    let Some(server) = server else {
        return Ok(None);
    };
    let last = server_checks::last(app, server);
    if let Some(check) = last.filter(|check| app.now().since(check.at) < STILL_GOOD) {
        return Ok(Some(check));
    }
    let (authority, project) = (&place.visit.authority, place.project.id);
    Ok(Some(
        server_checks::look(app, authority, project, server.id).await?,
    ))
}

fn tools(check: &ServerCheck) -> &[Tool] {
    check
        .outcome
        .as_ref()
        .map_or(&[], |answered| answered.tools.as_slice())
}

fn matches(tool: &Tool, filter: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(filter);
    filter.is_empty()
        || has(&tool.name)
        || has(tool.title.as_deref().unwrap_or_default())
        || has(&tool.description)
}

fn choose_all(selection: &mut Selection, server: ServerId, check: &ServerCheck, filter: &str) {
    for tool in tools(check).iter().filter(|tool| matches(tool, filter)) {
        selection.add(server, &tool.name);
    }
}

fn choose_none(selection: &mut Selection, server: ServerId, check: &ServerCheck, filter: &str) {
    if filter.is_empty() {
        let all: Vec<String> = selection.at(server).map(str::to_owned).collect();
        for tool in &all {
            selection.remove(server, tool);
        }
    }
    for tool in tools(check).iter().filter(|tool| matches(tool, filter)) {
        selection.remove(server, &tool.name);
    }
}

impl Node {
    fn closed(server: &Server, selection: &Selection, is_kept: bool) -> Self {
        let count = selection.count_at(server.id);
        Self {
            id: server.id,
            name: server.name.clone(),
            slug: server.slug.clone(),
            count,
            unseen: count,
            is_kept: is_kept && count > 0,
            carried: carried(server.id, selection.at(server.id)),
            opened: None,
        }
    }

    fn opened(
        server: &Server,
        selection: &Selection,
        check: &ServerCheck,
        filter: &str,
        after: usize,
    ) -> Self {
        let listed: BTreeSet<&str> = tools(check).iter().map(|tool| tool.name.as_str()).collect();
        let is_gone = check.outcome.is_ok();
        // What is chosen and not listed comes first: it may need somebody.
        let missing = selection
            .at(server.id)
            .filter(|name| !listed.contains(name) && name.to_lowercase().contains(filter))
            .map(|name| ToolRow {
                name: name.to_owned(),
                title: String::new(),
                description: String::new(),
                is_chosen: true,
                is_gone,
            });
        let there = tools(check)
            .iter()
            .filter(|tool| matches(tool, filter))
            .map(|tool| ToolRow {
                name: tool.name.clone(),
                title: tool.title.clone().unwrap_or_default(),
                description: tool.description.clone(),
                is_chosen: selection.holds(server.id, &tool.name),
                is_gone: false,
            });
        let most = if filter.is_empty() {
            SHOWN_AT_ONCE
        } else {
            FOUND_AT_ONCE
        };
        let all: Vec<ToolRow> = missing.chain(there).collect();
        let total = all.len();
        let after = if after < total { after } else { 0 };
        let rows: Vec<ToolRow> = all.into_iter().skip(after).take(most).collect();
        let seen: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let count = selection.count_at(server.id);
        let unseen = selection.at(server.id).filter(|name| !seen.contains(name));
        let carried = carried(server.id, unseen);
        let ticked = rows.iter().filter(|row| row.is_chosen).count();
        let end = after + rows.len();
        Self {
            id: server.id,
            name: server.name.clone(),
            slug: server.slug.clone(),
            count,
            unseen: count - ticked,
            is_kept: false,
            carried,
            opened: Some(Opened {
                rows,
                problem: check
                    .outcome
                    .as_ref()
                    .err()
                    .map(|why| (why.found.clone(), why.remedy.clone())),
                total,
                after,
                previous: (after > 0).then(|| after.saturating_sub(most)),
                next: (end < total).then_some(end),
                is_filtered: !filter.is_empty(),
            }),
        }
    }

    fn problem(&self) -> Option<&(String, String)> {
        self.opened.as_ref()?.problem.as_ref()
    }
}

/// Names for a hidden field; empty when there are none.
fn carried<'a>(server: ServerId, mut names: impl Iterator<Item = &'a str>) -> String {
    let Some(first) = names.next() else {
        return String::new();
    };
    names.fold(format!("{server}\n{first}"), |all, name| format!("{all}\n{name}"))
}
