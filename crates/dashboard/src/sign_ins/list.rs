//! The list of attempts to sign in.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{reference::Reference, sign_in_attempt::Outcome, words::Worded};
use gatewright_store::{Page, sign_in_attempt::AttemptFilter};

use super::row::{AttemptRow, rows};
use crate::{
    Admin,
    error::PageError,
    filters::{self, Filters},
    form::Asked,
    list,
    page::{self, Frame, ProjectLink, Section},
    service::{
        names::{self, Kind},
        sign_in_attempts as service,
    },
    session::InProject,
};

const FILTERS: &[&str] = &["reference", "result", "gateway", "source", "user"];

/// Outcomes to filter by, most wanted first.
const OUTCOMES: [Outcome; 4] = [
    Outcome::Failed,
    Outcome::Succeeded,
    Outcome::InProgress,
    Outcome::Abandoned,
];

#[derive(Template)]
#[template(path = "dashboard/sign_ins/list.html")]
struct SignInsPage {
    frame: Frame,
    project: ProjectLink,
    filters: Filters,
    /// Where the API has all of it.
    export: String,
    outcomes: [(&'static str, &'static str); 4],
    gateways: Vec<(String, String)>,
    sources: Vec<(String, String)>,
    /// Whose sign-ins these are, where only theirs were asked for.
    person: Option<String>,
    is_no_reference: bool,
    attempts: Vec<AttemptRow>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/sign-ins`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let filters = Filters::read(&place, "/sign-ins", &asked, FILTERS);
    let request = list::request(&asked);
    let (authority, project) = (&place.visit.authority, place.project.id);
    let typed = filters.text("reference");
    let is_no_reference = typed.is_some_and(|typed| Reference::parse(typed).is_none());
    let read = match wanted(&filters) {
        Some(filter) => service::list(&app, authority, project, &filter, &request).await?,
        None => Page::default(),
    };
    let person = match filters.text("user") {
        Some(id) => {
            let named = names::of(&app, authority, project, Kind::User, [id.to_owned()]).await?;
            Some(named.into_values().next().unwrap_or_else(|| id.to_owned()))
        }
        None => None,
    };
    Ok(page::show(&SignInsPage {
        frame: place.frame(Section::SignIns),
        project: place.project.clone(),
        outcomes: OUTCOMES.map(|outcome| (outcome.as_str(), outcome.label())),
        gateways: filters::gateways(&app, &place, filters.text("gateway")).await?,
        sources: filters::sources(&app, &place, filters.text("source")).await?,
        person,
        is_no_reference,
        attempts: rows(&app, &place, read.items).await?,
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        export: filters.export(
            &place.api("/sign-in-attempts"),
            &[
                ("result", "outcome"),
                ("gateway", "gateway_id"),
                ("source", "user_source_id"),
                ("user", "user_id"),
            ],
        ),
        filters,
    }))
}

/// What the address asks for; `None` when it names what cannot be.
fn wanted(filters: &Filters) -> Option<AttemptFilter> {
    let reference = match filters.text("reference") {
        Some(typed) => Some(Reference::parse(typed)?),
        None => None,
    };
    Some(AttemptFilter {
        gateway_id: filters.text("gateway").map(str::parse).transpose().ok()?,
        user_source_id: filters.text("source").map(str::parse).transpose().ok()?,
        user_id: filters.text("user").map(str::parse).transpose().ok()?,
        reference,
        outcome: filters.text("result").and_then(Outcome::of_word),
    })
}
