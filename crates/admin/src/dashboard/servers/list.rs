//! `/projects/{project}/servers`: all of them, and how they are as far as that is known.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{extract::State as Shared, response::Response};
use gatewright_domain::{Timestamp, id::ServerId, server::Server};
use url::form_urlencoded;

use super::state::{self, State};
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        form::Asked,
        list,
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::{server_checks, servers as service},
};

struct Row {
    href: String,
    name: String,
    slug: String,
    url: String,
    told: &'static str,
    gateways: i64,
    state: State,
}

#[derive(Template)]
#[template(path = "dashboard/servers/list.html")]
struct ServersPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    search: String,
    servers: Vec<Row>,
    /// Where a script asks for the page with servers asked of which nothing is known.
    ask: Option<String>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/servers`. With `ask` those are asked of which nothing is known yet.
pub(super) async fn show(
    Shared(app): Shared<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let request = list::request(&asked);
    let search = asked.text("search").unwrap_or_default().trim().to_owned();
    let read = if search.is_empty() {
        service::list(&app, authority, project, &request).await?
    } else {
        service::search(&app, authority, project, &search, &request).await?
    };
    let is_asked = asked.text("ask").is_some();
    if is_asked {
        server_checks::ask_unknown(&app, authority, &read.items).await?;
    }
    let counts = service::count_gateways(&app, authority, project, &read.items).await?;
    let counts: HashMap<ServerId, i64> = counts.into_iter().collect();
    let now = app.now();
    let servers: Vec<Row> = read
        .items
        .into_iter()
        .map(|server| row(&app, &place, server, &counts, now))
        .collect();
    let unknown = servers.iter().any(|row| row.state.look.is_empty());
    let here = |cursor: Option<&str>, ask: bool| address(&place, &search, cursor, ask);
    Ok(page::show(&ServersPage {
        frame: place.frame(Section::Servers),
        project: place.project.clone(),
        may_change: place.may_change(),
        ask: (unknown && !is_asked).then(|| here(request.after.as_deref(), true)),
        first: request.after.as_ref().map(|_| here(None, false)),
        next: read.next.map(|next| here(Some(&next), false)),
        servers,
        search,
    }))
}

fn address(place: &InProject, search: &str, cursor: Option<&str>, ask: bool) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !search.is_empty() {
        query.append_pair("search", search);
    }
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    if ask {
        query.append_pair("ask", "yes");
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    place.path(&format!("/servers{mark}{query}"))
}

fn row(
    app: &Admin,
    place: &InProject,
    server: Server,
    counts: &HashMap<ServerId, i64>,
    now: Timestamp,
) -> Row {
    Row {
        href: place.path(&format!("/servers/{}", server.id)),
        state: state::of(server_checks::known(app, &server), now),
        told: state::told_about_the_user(server.identity),
        gateways: counts.get(&server.id).copied().unwrap_or_default(),
        name: server.name,
        slug: server.slug,
        url: server.url,
    }
}
