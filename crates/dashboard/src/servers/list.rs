//! `/projects/{project}/servers`: all of them, and their state as far as it is known.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{extract::State as Shared, response::Response};
use gatewright_domain::{Timestamp, id::ServerId, server::Server};

use super::state::{self, State};
use crate::{
    Admin,
    error::PageError,
    filters::Filters,
    form::Asked,
    list,
    page::{self, Frame, ProjectLink, Section},
    service::{ServiceError, server_checks, servers as service},
    session::InProject,
};

const FILTERS: &[&str] = &["search"];

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
    filters: Filters,
    /// Where the API has all of it.
    export: String,
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
    let filters = Filters::read(&place, "/servers", &asked, FILTERS);
    let read = match filters.text("search").map(str::trim) {
        Some(search) if !search.is_empty() => {
            service::search(&app, authority, project, search, &request).await?
        }
        _ => service::list(&app, authority, project, &request).await?,
    };
    let is_asked = asked.text("ask").is_some();
    if is_asked {
        server_checks::ask_unknown(&app, authority, &read.items).await?;
    }
    let counts = service::count_gateways(&app, authority, project, &read.items).await?;
    let counts: HashMap<ServerId, i64> = counts.into_iter().collect();
    let now = app.now();
    let servers: Result<Vec<Row>, _> = read
        .items
        .into_iter()
        .map(|server| row(&app, &place, server, &counts, now))
        .collect();
    let servers = servers?;
    let unknown = servers.iter().any(|row| row.state.look.is_empty());
    Ok(page::show(&ServersPage {
        frame: place.frame(Section::Servers),
        project: place.project.clone(),
        may_change: place.may_change(),
        ask: (unknown && !is_asked).then(|| ask(&filters, request.after.as_deref())),
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        servers,
        export: filters.export(&place.api("/servers"), &[("search", "search")]),
        filters,
    }))
}

/// The address of the same page, with those asked of which nothing is known yet.
fn ask(filters: &Filters, cursor: Option<&str>) -> String {
    let address = filters.address(cursor);
    let mark = if address.contains('?') { '&' } else { '?' };
    format!("{address}{mark}ask=yes")
}

fn row(
    app: &Admin,
    place: &InProject,
    server: Server,
    counts: &HashMap<ServerId, i64>,
    now: Timestamp,
) -> Result<Row, ServiceError> {
    let known = server_checks::known(app, &place.visit.authority, &server)?;
    Ok(Row {
        href: place.path(&format!("/servers/{}", server.id)),
        state: state::of(known, now),
        told: server.identity.label(),
        gateways: counts.get(&server.id).copied().unwrap_or_default(),
        name: server.name,
        slug: server.slug,
        url: server.url,
    })
}
