//! What there is to choose from, by server: tools, prompts, or resources. A server is asked for them when someone opens it
//! or searches; a page shows a bounded number of them, and what is chosen elsewhere is carried along in hidden fields.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use gatewright_domain::{gateway::Gateway, id::ServerId, server::Server};

use super::{fields, kind::Kind, listed::Listed, selection::Selection};
use crate::{
    Admin,
    error::PageError,
    form::Posted,
    service::server_checks::{self, ServerCheck},
    session::InProject,
};

/// Entries of one server shown at a time. More are a click or a word in the filter away.
const SHOWN_AT_ONCE: usize = 100;
/// The same while something is looked for, at each server that has it.
const FOUND_AT_ONCE: usize = 25;
/// Servers asked at the same time.
const AT_ONCE: usize = 8;
/// What a server listed is looked through this long without asking it again: people type one letter after the other.
const STILL_GOOD: Duration = Duration::from_mins(1);

/// Something to choose.
pub(super) struct Row {
    /// Its name, or the URI of a resource or resource template.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) is_template: bool,
    pub(super) is_chosen: bool,
    /// It is chosen, and its server does not list it.
    pub(super) is_gone: bool,
}

/// A server with what it has of a kind.
pub(super) struct Node {
    pub(super) id: ServerId,
    pub(super) name: String,
    pub(super) slug: String,
    /// How many are chosen.
    pub(super) count: usize,
    /// How many of these are not in the rows.
    pub(super) unseen: usize,
    /// Whether what the gateway has stays chosen, because the list was not opened.
    pub(super) is_kept: bool,
    /// What is chosen and not in the rows, each on a line after the server's ID.
    pub(super) carried: String,
    /// What it has, once it was opened.
    pub(super) opened: Option<Opened>,
}

/// What a server that was opened has.
pub(super) struct Opened {
    pub(super) rows: Vec<Row>,
    /// Why the server cannot say what it has.
    pub(super) problem: Option<(String, String)>,
    /// How many there are, or as many as were found.
    pub(super) total: usize,
    /// How many of them come before the rows.
    pub(super) after: usize,
    pub(super) previous: Option<usize>,
    pub(super) next: Option<usize>,
    pub(super) is_filtered: bool,
}

/// The tree of a form.
pub(super) struct Tree {
    pub(super) kind: Kind,
    pub(super) nodes: Vec<Node>,
    /// What is looked for.
    pub(super) filter: String,
    /// How many were found.
    pub(super) found: usize,
    /// Whether it is shown only when it is asked for: of a kind of which nothing is chosen, with many servers, it would be
    /// most of the page.
    pub(super) is_folded: bool,
}

/// What can be done in a tree besides saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Shows what a server has, after this many items.
    Open(ServerId, usize),
    /// Searches for the text of the filter.
    Find,
    /// Shows the servers to choose from.
    Unfold,
    /// Chooses all of a server, or all that were found.
    ChooseAll(ServerId),
    /// Chooses none of them.
    ChooseNone(ServerId),
}

impl Step {
    /// The step a form asks for, and the kind it is about; `None` if it is to be saved. A filter that was typed and not yet
    /// looked for is looked for, because Enter in its field sends the form.
    pub(super) fn of(posted: &Posted) -> Option<(Kind, Self)> {
        let asked = |kind: Kind| Self::asked(posted, kind).map(|step| (kind, step));
        let typed = |kind: &Kind| posted.text(kind.names().filter) != posted.text(kind.names().filtered_by);
        Kind::ALL.into_iter().find_map(asked).or_else(|| {
            let kind = Kind::ALL.into_iter().find(typed)?;
            Some((kind, Self::Find))
        })
    }

    /// The step that a button asks for.
    fn asked(posted: &Posted, kind: Kind) -> Option<Self> {
        let (choose, look) = (posted.text(kind.names().choose), posted.text(kind.names().look));
        if let Some((server, how)) = choose.split_once(' ') {
            let server = server.parse().ok()?;
            return match how {
                "all" => Some(Self::ChooseAll(server)),
                "none" => Some(Self::ChooseNone(server)),
                _ => None,
            };
        }
        if let Some((server, after)) = opened(look) {
            return Some(Self::Open(server, after));
        }
        match look {
            "find" => Some(Self::Find),
            "servers" => Some(Self::Unfold),
            _ => None,
        }
    }

    /// The one server it is about.
    pub(super) const fn server(self) -> Option<ServerId> {
        match self {
            Self::Open(server, _) | Self::ChooseAll(server) | Self::ChooseNone(server) => Some(server),
            Self::Find | Self::Unfold => None,
        }
    }
}

/// A server's id and after how many to begin.
fn opened(value: &str) -> Option<(ServerId, usize)> {
    let (server, after) = value.split_once(' ')?;
    Some((server.parse().ok()?, after.parse().ok()?))
}

impl Tree {
    /// A tree of which nothing is open, made from a gateway or for a new one.
    pub(super) fn closed(servers: &[Server], gateway: Option<&Gateway>, kind: Kind) -> Self {
        let selection = gateway.map(|gateway| Selection::stored(gateway, kind));
        let selection = selection.unwrap_or_default();
        let node = |server: &Server| Node::closed(server, &selection, true);
        let nodes: Vec<Node> = servers.iter().map(node).collect();
        Self {
            kind,
            is_folded: is_folded(kind, &nodes),
            nodes,
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
        (kind, step): (Kind, Option<Step>),
    ) -> Result<Self, PageError> {
        let (mut selection, names) = (Selection::of(posted, gateway, kind), kind.names());
        let kept: BTreeSet<ServerId> = posted.all(names.kept).filter_map(|id| id.parse().ok()).collect();
        let filter = posted.text(names.filter).to_lowercase();
        let ticked = fields::servers(posted);
        let is_looked_through = |id| !filter.is_empty() && (ticked.is_empty() || ticked.contains(&id));
        let was_open: Vec<(ServerId, usize)> = posted.all(names.open).filter_map(opened).collect();
        let begin = |id: ServerId| match step {
            Some(Step::Open(server, after)) if server == id => Some(after),
            Some(Step::ChooseAll(server) | Step::ChooseNone(server)) if server == id => Some(0),
            // An earlier search is not a reason to stay open.
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
                    let listed = Listed::of(&check, kind);
                    match step {
                        Some(Step::ChooseAll(one)) if one == id => {
                            choose_all(&mut selection, id, &listed, &filter);
                        }
                        Some(Step::ChooseNone(one)) if one == id => {
                            choose_none(&mut selection, id, &listed, &filter);
                        }
                        _ => {}
                    }
                    Node::opened(server, &selection, &listed, &filter, after)
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
        let is_asked_for = step.is_some() || posted.text(names.which) == fields::CHOSEN;
        Ok(Self {
            kind,
            is_folded: !is_asked_for && is_folded(kind, &nodes),
            nodes,
            filter: posted.text(names.filter).to_owned(),
            found,
        })
    }
}

/// Whether the servers of a kind can wait until an administrator wants to choose. With script that is one request more,
/// and without it one button.
fn is_folded(kind: Kind, nodes: &[Node]) -> bool {
    kind != Kind::Tools && nodes.iter().all(|node| node.count == 0 && node.opened.is_none())
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
    let (authority, project) = (&place.visit.authority, place.project.id);
    let last = server_checks::last(app, authority, server)?;
    if let Some(check) = last.filter(|check| app.now().since(check.at) < STILL_GOOD) {
        return Ok(Some(check));
    }
    Ok(Some(
        server_checks::look(app, authority, project, server.id).await?,
    ))
}

fn choose_all(selection: &mut Selection, server: ServerId, listed: &Listed<'_>, filter: &str) {
    for item in listed.items.iter().filter(|item| item.matches(filter)) {
        selection.add(server, item.key);
    }
}

fn choose_none(selection: &mut Selection, server: ServerId, listed: &Listed<'_>, filter: &str) {
    if filter.is_empty() {
        let all: Vec<String> = selection.at(server).map(str::to_owned).collect();
        for name in &all {
            selection.remove(server, name);
        }
    }
    for item in listed.items.iter().filter(|item| item.matches(filter)) {
        selection.remove(server, item.key);
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
        listed: &Listed<'_>,
        filter: &str,
        after: usize,
    ) -> Self {
        let known: BTreeSet<&str> = listed.items.iter().map(|item| item.key).collect();
        let is_gone = listed.problem.is_none();
        // What is chosen and not listed comes first: it may need attention.
        let missing = selection
            .at(server.id)
            .filter(|name| !known.contains(name) && name.to_lowercase().contains(filter))
            .map(|name| Row {
                name: name.to_owned(),
                title: String::new(),
                description: String::new(),
                is_template: false,
                is_chosen: true,
                is_gone,
            });
        let there = listed
            .items
            .iter()
            .filter(|item| item.matches(filter))
            .map(|item| Row {
                name: item.key.to_owned(),
                title: item.title.to_owned(),
                description: item.description.to_owned(),
                is_template: item.is_template,
                is_chosen: selection.holds(server.id, item.key),
                is_gone: false,
            });
        let most = if filter.is_empty() {
            SHOWN_AT_ONCE
        } else {
            FOUND_AT_ONCE
        };
        let all: Vec<Row> = missing.chain(there).collect();
        let total = all.len();
        let after = if after < total { after } else { 0 };
        let rows: Vec<Row> = all.into_iter().skip(after).take(most).collect();
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
                problem: listed.problem.map(|why| (why.found.clone(), why.remedy.clone())),
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
