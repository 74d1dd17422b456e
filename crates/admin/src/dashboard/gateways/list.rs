//! `/projects/{project}/gateways`: the list, narrowed by name, status and mode.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::gateway::{GatewayStatus, Mode};
use gatewright_store::{
    gateway_list::{GatewayFilter, GatewaySummary},
    project_contents::ProjectContents,
};
use url::form_urlencoded;

use super::words::{mode_words, status_badge};
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        form::{Asked, Form},
        list::{self, Badge},
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::{gateways as service, projects},
};

/// The filters, as they stand in the address.
const FILTERS: [&str; 3] = ["search", "mode", "status"];

/// What can be chosen of a filter: the value, and what it says.
const MODE_CHOICES: [(Mode, &str, &str); 3] = [
    (Mode::ProjectMembers, "project_members", "Project members"),
    (Mode::UserSource, "user_source", "User Source"),
    (Mode::Headers, "headers", "Headers"),
];
const STATUS_CHOICES: [(GatewayStatus, &str, &str); 2] = [
    (GatewayStatus::Active, "active", "Active"),
    (GatewayStatus::Inactive, "inactive", "Inactive"),
];

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
    form: Form,
    modes: &'static [(Mode, &'static str, &'static str)],
    statuses: &'static [(GatewayStatus, &'static str, &'static str)],
    gateways: Vec<GatewayRow>,
    first: Option<String>,
    next: Option<String>,
    contents: ProjectContents,
}

/// GET `/projects/{project}/gateways`. The filters stand in the URL, so that a view can be kept and shared.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let filter = filter(&asked);
    let request = list::request(&asked);
    let read = service::summaries(&app, authority, project, &filter, &request).await?;
    let form = Form::with(FILTERS.map(|name| (name, asked.text(name).unwrap_or_default())));
    let first = address(&place, &form, None);
    Ok(page::show(&ListPage {
        frame: place.frame(Section::Gateways),
        project: place.project.clone(),
        may_change: place.may_change(),
        modes: &MODE_CHOICES,
        statuses: &STATUS_CHOICES,
        next: read.next.map(|next| address(&place, &form, Some(&next))),
        first: request.after.map(|_| first),
        form,
        gateways: read
            .items
            .into_iter()
            .map(|item| row(&app, &place, item))
            .collect(),
        contents: projects::contents(&app, authority, project).await?,
    }))
}

/// A word that is none of ours narrows nothing.
fn filter(asked: &Asked) -> GatewayFilter {
    let wanted = |name| asked.text(name).unwrap_or_default();
    let mode = MODE_CHOICES.iter().find(|(_, value, _)| *value == wanted("mode"));
    let status = STATUS_CHOICES
        .iter()
        .find(|(_, value, _)| *value == wanted("status"));
    GatewayFilter {
        search: wanted("search").to_owned(),
        mode: mode.map(|(mode, _, _)| *mode),
        status: status.map(|(status, _, _)| *status),
    }
}

/// The address of a page of these gateways.
fn address(place: &InProject, form: &Form, cursor: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let filters = FILTERS.iter().map(|name| (*name, form.value(name)));
    for (name, value) in filters.chain(cursor.map(|cursor| ("cursor", cursor))) {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    place.path(&format!("/gateways{mark}{query}"))
}

fn row(app: &Admin, place: &InProject, gateway: GatewaySummary) -> GatewayRow {
    GatewayRow {
        href: place.path(&format!("/gateways/{}", gateway.id)),
        url: app.config.gateway_url(&gateway.slug),
        mode: mode_words(gateway.mode),
        source: gateway.user_source_id.map(|_| {
            gateway
                .user_source_name
                .unwrap_or_else(|| "Its source was deleted".to_owned())
        }),
        status: status_badge(gateway.status),
        name: gateway.name,
    }
}
