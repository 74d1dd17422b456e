//! `/projects/{project}/gateways`: the list, narrowed by name, status and mode.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    gateway::{GatewayStatus, Mode},
    words::Worded,
};
use gatewright_store::{
    gateway_list::{GatewayFilter, GatewaySummary},
    project_contents::ProjectContents,
};

use super::words::status_badge;
use crate::{
    Admin,
    error::PageError,
    filters::Filters,
    form::Asked,
    list::{self, Badge},
    page::{self, Frame, ProjectLink, Section},
    service::{gateways as service, projects},
    session::InProject,
};

const FILTERS: &[&str] = &["search", "mode", "status"];

struct GatewayRow {
    href: String,
    name: String,
    url: String,
    mode: &'static str,
    /// What its source is called, in that mode.
    source: Option<String>,
    status: Badge,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/list.html")]
struct ListPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    filters: Filters,
    /// Where the API has all of it.
    export: String,
    modes: Vec<(&'static str, &'static str)>,
    statuses: Vec<(&'static str, &'static str)>,
    gateways: Vec<GatewayRow>,
    first: Option<String>,
    next: Option<String>,
    contents: ProjectContents,
}

/// GET `/projects/{project}/gateways`. The filters are in the URL, so that a view can be kept and shared.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let filters = Filters::read(&place, "/gateways", &asked, FILTERS);
    let request = list::request(&asked);
    let read = service::summaries(&app, authority, project, &wanted(&filters), &request).await?;
    Ok(page::show(&ListPage {
        frame: place.frame(Section::Gateways),
        project: place.project.clone(),
        may_change: place.may_change(),
        modes: Mode::choices(),
        statuses: GatewayStatus::choices(),
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        gateways: read
            .items
            .into_iter()
            .map(|item| row(&app, &place, item))
            .collect(),
        contents: projects::contents(&app, authority, project).await?,
        export: filters.export(
            &place.api("/gateways"),
            &[
                ("search", "search"),
                ("mode", "authentication_mode"),
                ("status", "status"),
            ],
        ),
        filters,
    }))
}

/// What the address asks for. An unknown word does not narrow anything.
fn wanted(filters: &Filters) -> GatewayFilter {
    GatewayFilter {
        search: filters.text("search").unwrap_or_default().to_owned(),
        mode: filters.text("mode").and_then(Mode::of_word),
        status: filters.text("status").and_then(GatewayStatus::of_word),
    }
}

fn row(app: &Admin, place: &InProject, gateway: GatewaySummary) -> GatewayRow {
    GatewayRow {
        href: place.path(&format!("/gateways/{}", gateway.id)),
        url: app.config.gateway_url(&gateway.slug),
        mode: gateway.mode.label(),
        source: gateway.user_source_id.map(|_| {
            gateway
                .user_source_name
                .unwrap_or_else(|| "Its source was deleted".to_owned())
        }),
        status: status_badge(gateway.status),
        name: gateway.name,
    }
}
