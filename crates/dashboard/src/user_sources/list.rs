//! `/projects/{project}/user-sources`: the list.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{Timestamp, user_source::UserSourceStatus, words::Worded};
use gatewright_store::user_source::UserSourceFilter;

use super::state;
use crate::{
    Admin,
    error::PageError,
    filters::Filters,
    form::Asked,
    list::{self, Badge},
    page::{self, Frame, ProjectLink, Section},
    service::user_sources::{self as service, Listed},
    session::InProject,
};

const FILTERS: &[&str] = &["search", "status"];

struct Row {
    href: String,
    name: String,
    issuer: String,
    subject_claim: String,
    gateways: i64,
    badges: Vec<Badge>,
}

#[derive(Template)]
#[template(path = "dashboard/user_sources/list.html")]
struct ListPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    filters: Filters,
    statuses: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
    callback: String,
}

/// GET `/projects/{project}/user-sources`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let filters = Filters::read(&place, "/user-sources", &asked, FILTERS);
    let filter = UserSourceFilter {
        search: filters.text("search").map(str::to_owned),
        status: filters.text("status").and_then(UserSourceStatus::of_word),
    };
    let request = list::request(&asked);
    let (authority, project) = (&place.visit.authority, place.project.id);
    let read = service::search(&app, authority, project, &filter, &request).await?;
    let now = app.now();
    Ok(page::show(&ListPage {
        frame: place.frame(Section::UserSources),
        project: place.project.clone(),
        may_change: place.may_change(),
        statuses: UserSourceStatus::choices(),
        rows: read
            .items
            .into_iter()
            .map(|listed| row(&place, listed, now))
            .collect(),
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        filters,
        callback: app.config.callback_url(),
    }))
}

fn row(place: &InProject, listed: Listed, now: Timestamp) -> Row {
    let source = listed.source;
    Row {
        href: place.path(&format!("/user-sources/{}", source.id)),
        badges: state::badges(&source, now),
        gateways: listed.gateways,
        name: source.name,
        issuer: source.issuer,
        subject_claim: source.subject_claim,
    }
}
