//! `/projects/{project}/user-sources/{source}/edit`: every field, at any time. A change of who people are is confirmed first.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    id::UserSourceId,
    user_source::{Callback, UserSource},
};

use super::{
    confirm,
    fields::{self, SECRET, SHOWN},
};
use crate::{
    Admin, counted,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{
        IfMatch, Version,
        effects::{Done, Run},
        user_sources::{self as service, Usage},
    },
    session::InProject,
};

#[derive(Template)]
#[template(path = "dashboard/user_sources/edit.html")]
struct EditPage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    path: String,
    name: String,
    version: String,
    secret_changed: Moment,
    gateways: usize,
    users: i64,
    /// "3 sessions (1 paused)".
    sessions: String,
    shared_callback: String,
    own_callback: String,
}

/// GET `/projects/{project}/user-sources/{source}/edit`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: UserSourceId = place.id("source", "User Source")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let source = service::find(&app, authority, project, id).await?;
    let usage = service::usage(&app, authority, project, id).await?;
    let form = fields::of_source(&source);
    Ok(render(&app, &place, &source, &usage, form))
}

/// POST `/projects/{project}/user-sources/{source}/edit`. What changes who people are is tried out first, and made when the
/// page with the numbers sends it again.
pub(super) async fn save(
    State(app): State<Arc<Admin>>,
    place: InProject,
    mut posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: UserSourceId = place.id("source", "User Source")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let source = service::find(&app, authority, project, id).await?;
    fields::fill(&mut posted, &source);
    let changes_identity = source.changes_identity(
        posted.text("issuer"),
        posted.text("client_id"),
        posted.text("subject_claim"),
    );
    let run = if changes_identity && posted.text("confirmed") != "yes" {
        Run::Rehearsal
    } else {
        Run::Change
    };
    let if_match = IfMatch::OneOf(vec![Version(posted.text("version").to_owned())]);
    let patch = fields::patch(&posted);
    match service::update(&app, authority, project, id, patch, &if_match, run).await {
        Ok(Done::Changed(_)) => {
            let flash = if changes_identity {
                Flash::IdentityChanged
            } else {
                Flash::SourceSaved
            };
            Ok(page::done(&place.path(&format!("/user-sources/{id}")), flash))
        }
        Ok(Done::WouldTouch(effects)) => Ok(confirm::render(&place, &source, &posted, effects)),
        Err(error) => {
            let form = Form::refused(&posted, &SHOWN, &[SECRET], error)?;
            let usage = service::usage(&app, authority, project, id).await?;
            Ok(render(&app, &place, &source, &usage, form))
        }
    }
}

/// What the version of a form is made from.
pub(super) fn version(updated_at: Timestamp) -> String {
    Version::from(updated_at).0
}

fn render(app: &Admin, place: &InProject, source: &UserSource, usage: &Usage, form: Form) -> Response {
    page::show_with(
        form.status(),
        &EditPage {
            frame: place.frame(Section::UserSources),
            project: place.project.clone(),
            form,
            path: place.path(&format!("/user-sources/{}", source.id)),
            name: source.name.clone(),
            version: version(source.updated_at),
            secret_changed: Moment::new(source.client_secret.changed_at, app.now()),
            gateways: usage.gateways.len(),
            users: usage.users,
            sessions: counted::sessions(usage.live_grants, usage.sleeping_grants),
            shared_callback: app.config.redirect_url(source.id, Callback::Shared),
            own_callback: app.config.redirect_url(source.id, Callback::Own),
        },
    )
}
