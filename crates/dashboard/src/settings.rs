//! `/projects/{project}/settings`: the name of the project, and its end.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{
    deleting::Going,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    managed::Managed,
    page::{self, Frame, ProjectLink, Section},
    session::InProject,
};
use crate::{
    Admin,
    service::{
        IfMatch, Patch,
        projects::{self as service, ProjectPatch},
    },
};

#[derive(Template)]
#[template(path = "dashboard/settings.html")]
struct SettingsPage {
    frame: Frame,
    project: ProjectLink,
    may_manage: bool,
    form: Form,
    delete_form: Form,
    goes: Vec<Going>,
    managed: Option<Managed>,
}

/// GET `/projects/{project}/settings`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let form = Form::with([("name", &place.project.name)]);
    render(&app, &place, form, Form::default()).await
}

/// POST `/projects/{project}/settings`.
pub(super) async fn rename(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let patch = ProjectPatch {
        name: Patch::Set(posted.text("name").to_owned()),
    };
    let (authority, id) = (&place.visit.authority, place.project.id);
    match service::update(&app, authority, id, patch, &IfMatch::Any).await {
        Ok(_) => Ok(page::done(&place.path("/settings"), Flash::ProjectRenamed)),
        Err(error) => {
            let form = Form::refused(&posted, &["name"], &[], error)?;
            render(&app, &place, form, Form::default()).await
        }
    }
}

/// POST `/projects/{project}/settings/delete`: asks for the name, so that the wrong project is not deleted by mistake.
pub(super) async fn delete(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let (authority, id) = (&place.visit.authority, place.project.id);
    let typed = posted.text("confirm_name");
    match service::delete(&app, authority, id, typed, &IfMatch::Any).await {
        Ok(()) => Ok(page::done("/projects", Flash::ProjectDeleted)),
        Err(error) => {
            let delete_form = Form::refused(&posted, &["confirm_name"], &[], error)?;
            let form = Form::with([("name", &place.project.name)]);
            render(&app, &place, form, delete_form).await
        }
    }
}

/// What is deleted with the project, for those who can delete it.
async fn goes(app: &Admin, place: &InProject) -> Result<Vec<Going>, PageError> {
    let found = service::deletion(app, &place.visit.authority, place.project.id).await?;
    let (there, grants) = (found.contents, found.grants);
    Ok(vec![
        Going::of(there.gateways, "gateway", ""),
        Going::of(there.user_sources, "User Source", ""),
        Going::of(there.servers, "server", ""),
        Going::of(there.secrets, "secret", ""),
        Going::of(there.users, "user", ""),
        Going::sessions(grants.all(), grants.asleep),
        Going::of(there.api_keys, "API key", ""),
        Going::of(there.members, "membership", ""),
    ])
}

async fn render(
    app: &Admin,
    place: &InProject,
    form: Form,
    delete_form: Form,
) -> Result<Response, PageError> {
    let goes = if place.is_owner() {
        goes(app, place).await?
    } else {
        Vec::new()
    };
    let status = if form.is_refused() || delete_form.is_refused() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok(page::show_with(
        status,
        &SettingsPage {
            frame: place.frame(Section::Settings),
            project: place.project.clone(),
            may_manage: place.is_owner(),
            form,
            delete_form,
            goes,
            managed: Managed::of(app, place, place.project.id, None).await?,
        },
    ))
}
