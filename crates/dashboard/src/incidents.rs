//! `/projects/{project}/incidents`: what went wrong, when it began and when it ended.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{Router, extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    id::UserSourceId,
    incident::{Incident, IncidentKind, IncidentStatus},
    words::Worded as _,
};
use gatewright_store::{PageRequest, incident::IncidentFilter};

use crate::{
    Admin,
    error::PageError,
    filters::Filters,
    form::Asked,
    list,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    routing::get,
    service::incidents as service,
    session::InProject,
};

const FILTERS: &[&str] = &["status", "kind", "subject"];
/// Incidents that the page of a server or User Source shows.
const OF_ONE: u32 = 5;

/// Routes inside a project.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new().route("/incidents", get(show))
}

/// An incident in a table.
pub(super) struct IncidentRow {
    pub(super) kind: &'static str,
    pub(super) subject: String,
    /// The page of what it is about.
    pub(super) href: String,
    pub(super) what: String,
    pub(super) remedy: String,
    pub(super) is_open: bool,
    pub(super) is_grave: bool,
    pub(super) began: Moment,
    pub(super) recovered: Option<Moment>,
    pub(super) lasted: String,
    pub(super) returns: u32,
}

#[derive(Template)]
#[template(path = "dashboard/incidents/list.html")]
struct IncidentsPage {
    frame: Frame,
    project: ProjectLink,
    filters: Filters,
    /// Where the API has all of it.
    export: String,
    statuses: Vec<(&'static str, &'static str)>,
    kinds: Vec<(&'static str, &'static str)>,
    /// What these incidents are about, where only those of one thing were asked for.
    only: Option<String>,
    incidents: Vec<IncidentRow>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/incidents`.
async fn show(State(app): State<Arc<Admin>>, place: InProject, asked: Asked) -> Result<Response, PageError> {
    let filters = Filters::read(&place, "/incidents", &asked, FILTERS);
    let request = list::request(&asked);
    let filter = IncidentFilter {
        kind: filters.text("kind").and_then(IncidentKind::of_word),
        subject_id: filters.text("subject").map(str::to_owned),
        status: filters.text("status").and_then(IncidentStatus::of_word),
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    let read = service::list(&app, authority, project, &filter, &request).await?;
    let incidents = rows(&place, read.items, app.now());
    let only = filters
        .text("subject")
        .and(incidents.first())
        .map(|row| row.subject.clone());
    Ok(page::show(&IncidentsPage {
        frame: place.frame(Section::Incidents),
        project: place.project.clone(),
        statuses: IncidentStatus::choices(),
        kinds: IncidentKind::choices(),
        only,
        incidents,
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        export: filters.export(
            &place.api("/incidents"),
            &[("status", "status"), ("kind", "kind"), ("subject", "subject_id")],
        ),
        filters,
    }))
}

/// The last incidents of a server or User Source, for its page.
pub(super) async fn of(
    app: &Admin,
    place: &InProject,
    subject: String,
) -> Result<Vec<IncidentRow>, PageError> {
    let filter = IncidentFilter {
        subject_id: Some(subject),
        ..IncidentFilter::default()
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    let read = service::list(app, authority, project, &filter, &PageRequest::first(OF_ONE)).await?;
    Ok(rows(place, read.items, app.now()))
}

fn rows(place: &InProject, incidents: Vec<Incident>, now: Timestamp) -> Vec<IncidentRow> {
    incidents
        .into_iter()
        .map(|incident| row(place, incident, now))
        .collect()
}

fn row(place: &InProject, incident: Incident, now: Timestamp) -> IncidentRow {
    let is_source = incident.subject_id.starts_with(UserSourceId::PREFIX);
    let href = match incident.kind {
        // Keys do not have their own pages.
        IncidentKind::ApiKeyExpires => place.path("/api-keys"),
        // They concern the instance, and are in no project.
        IncidentKind::StreamFails | IncidentKind::StreamLost => "/instance/streams".to_owned(),
        IncidentKind::CertificateNotRenewed => "/help/tls".to_owned(),
        IncidentKind::SignInsFail => place.path(&format!("/gateways/{}", incident.subject_id)),
        IncidentKind::ClientSecretRefused
        | IncidentKind::ClientSecretExpires
        | IncidentKind::CertificateExpires
        | IncidentKind::ServerUnavailable => {
            let list = if is_source { "user-sources" } else { "servers" };
            place.path(&format!("/{list}/{}", incident.subject_id))
        }
    };
    IncidentRow {
        kind: incident.kind.label(),
        href,
        is_open: incident.status() == IncidentStatus::Open,
        is_grave: incident.kind.is_grave(),
        began: Moment::new(incident.began_at, now),
        recovered: incident.recovered_at.map(|at| Moment::new(at, now)),
        lasted: lasted(incident.duration(now)),
        subject: incident.subject_name,
        what: incident.what,
        remedy: incident.remedy,
        returns: incident.returns,
    }
}

/// A duration in the largest unit that says enough.
fn lasted(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match minutes {
        0 => "less than a minute".to_owned(),
        1 => "a minute".to_owned(),
        2..120 => format!("{minutes} minutes"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}
