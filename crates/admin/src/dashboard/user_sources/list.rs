//! `/projects/{project}/user-sources`: the list.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{Timestamp, user_source::UserSourceStatus};
use gatewright_store::user_source::UserSourceFilter;
use url::form_urlencoded;

use super::state;
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        form::{Asked, Form},
        list::{self, Badge},
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::user_sources::{self as service, Listed},
};

/// The fields of the filter, which stand in the address.
const FILTERS: [&str; 2] = ["search", "status"];

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
    form: Form,
    is_filtered: bool,
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
    let filter = UserSourceFilter {
        search: asked.text("search").map(str::to_owned),
        status: asked.text("status").and_then(status_of_word),
    };
    let is_filtered = filter.search.is_some() || filter.status.is_some();
    let request = list::request(&asked);
    let (authority, project) = (&place.visit.authority, place.project.id);
    let read = service::search(&app, authority, project, &filter, &request).await?;
    let form = Form::with(FILTERS.map(|name| (name, asked.text(name).unwrap_or_default())));
    let now = app.now();
    Ok(page::show(&ListPage {
        frame: place.frame(Section::UserSources),
        project: place.project.clone(),
        may_change: place.may_change(),
        is_filtered,
        rows: read
            .items
            .into_iter()
            .map(|listed| row(&place, listed, now))
            .collect(),
        first: request.after.as_ref().map(|_| address(&place, &form, None)),
        next: read.next.map(|next| address(&place, &form, Some(&next))),
        form,
        callback: app.config.callback_url(),
    }))
}

fn status_of_word(word: &str) -> Option<UserSourceStatus> {
    match word {
        "active" => Some(UserSourceStatus::Active),
        "inactive" => Some(UserSourceStatus::Inactive),
        _ => None,
    }
}

/// The address of a page of what the filter lets through.
fn address(place: &InProject, form: &Form, cursor: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in FILTERS {
        if !form.value(name).is_empty() {
            query.append_pair(name, form.value(name));
        }
    }
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    place.path(&format!("/user-sources{mark}{query}"))
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
