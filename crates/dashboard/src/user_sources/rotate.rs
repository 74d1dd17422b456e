//! `/projects/{project}/user-sources/{source}/secret`: another client secret.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    id::UserSourceId,
    user_source::{UserSource, check_client_secret},
};

use super::{
    fields::{self, SECRET},
    state,
};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{
        IfMatch, Saved,
        effects::{Done, Run},
        user_sources::{self as service, UserSourcePatch},
    },
    session::InProject,
};

#[derive(Template)]
#[template(path = "dashboard/user_sources/rotate.html")]
struct RotatePage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    path: String,
    name: String,
    secret: &'static str,
    changed: Moment,
    trial_ends: Option<Moment>,
}

/// GET `/projects/{project}/user-sources/{source}/secret`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: UserSourceId = place.id("source", "User Source")?;
    let source = service::find(&app, &place.visit.authority, place.project.id, id).await?;
    Ok(render(&app, &place, source, Form::default()))
}

/// POST `/projects/{project}/user-sources/{source}/secret`.
pub(super) async fn rotate(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: UserSourceId = place.id("source", "User Source")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let before = service::find(&app, authority, project, id).await?;
    let patch = UserSourcePatch {
        client_secret: fields::new_secret(&posted),
        client_secret_expires_at: fields::expiry(&posted).into(),
        skip_validation: fields::skips_validation(&posted).then_some(true),
        ..UserSourcePatch::default()
    };
    // Left blank, the form would change nothing: here a secret is required.
    let rotated = match check_client_secret("/client_secret", &posted.secret(SECRET)) {
        Ok(()) => service::update(&app, authority, project, id, patch, &IfMatch::Any, Run::Change).await,
        Err(invalid) => Err(invalid.into()),
    };
    match rotated {
        Ok(done) => {
            let is_another = |saved: &Saved<UserSource>| {
                saved.entity.client_secret.current != before.client_secret.current
            };
            let flash = match done {
                Done::Changed(saved) if is_another(&saved) => Flash::SecretRotated,
                Done::Changed(_) | Done::WouldTouch(_) => Flash::SecretKept,
            };
            Ok(page::done(&place.path(&format!("/user-sources/{id}")), flash))
        }
        Err(error) => {
            let form = Form::refused(&posted, &["skip_validation", fields::EXPIRES], &[SECRET], error)?;
            Ok(render(&app, &place, before, form))
        }
    }
}

fn render(app: &Admin, place: &InProject, source: UserSource, form: Form) -> Response {
    let now = app.now();
    let secret = &source.client_secret;
    page::show_with(
        form.status(),
        &RotatePage {
            frame: place.frame(Section::UserSources),
            project: place.project.clone(),
            form,
            path: place.path(&format!("/user-sources/{}", source.id)),
            secret: state::secret_in_words(&source, now),
            changed: Moment::new(secret.changed_at, now),
            trial_ends: secret
                .on_trial_until()
                .filter(|ends| *ends > now)
                .map(|ends| Moment::new(ends, now)),
            name: source.name,
        },
    )
}
