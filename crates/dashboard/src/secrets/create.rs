//! `/projects/{project}/secrets/new`: storing a secret.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    page::{self, Frame, ProjectLink, Section},
    service::secrets::{self as service, NewSecret},
    session::InProject,
};

#[derive(Template)]
#[template(path = "dashboard/secrets/new.html")]
struct NewPage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
}

/// GET `/projects/{project}/secrets/new`.
pub(super) async fn show(place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    Ok(render(&place, Form::default()))
}

/// POST `/projects/{project}/secrets/new`.
pub(super) async fn save(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let new = NewSecret {
        name: posted.text("name").to_owned(),
        value: Some(posted.secret("value")),
        origins: super::origins(&posted),
    };
    match service::create(&app, &place.visit.authority, place.project.id, new).await {
        Ok(secret) => {
            let path = place.path(&format!("/secrets/{}", secret.id));
            Ok(page::done(&path, Flash::SecretCreated))
        }
        Err(error) => {
            let form = Form::refused(&posted, &["name", "origins"], &["value"], error)?;
            Ok(render(&place, form))
        }
    }
}

fn render(place: &InProject, form: Form) -> Response {
    page::show_with(
        form.status(),
        &NewPage {
            frame: place.frame(Section::Secrets),
            project: place.project.clone(),
            form,
        },
    )
}
