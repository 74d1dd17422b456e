//! `/projects/{project}/servers/{server}/delete`: who would miss it, and the ID that confirms it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::id::ServerId;

use super::detail::{self, GatewayLink};
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        flash::Flash,
        form::{Form, Posted},
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::servers as service,
};

#[derive(Template)]
#[template(path = "dashboard/servers/delete.html")]
struct DeletePage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    path: String,
    name: String,
    slug: String,
    /// Gateways that name it: they stand in the way.
    naming: Vec<GatewayLink>,
    /// Gateways that offer all servers: they offer one less.
    offering: Vec<GatewayLink>,
}

/// GET `/projects/{project}/servers/{server}/delete`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id = place.id("server", "server")?;
    render(&app, &place, id, Form::default()).await
}

/// POST `/projects/{project}/servers/{server}/delete`.
pub(super) async fn delete(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: ServerId = place.id("server", "server")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let typed = posted.text("confirm_slug");
    match service::delete_confirmed(&app, authority, project, id, typed).await {
        Ok(()) => Ok(page::done(&place.path("/servers"), Flash::ServerDeleted)),
        Err(error) => {
            let form = Form::refused(&posted, &["confirm_slug"], &[], error)?;
            render(&app, &place, id, form).await
        }
    }
}

async fn render(app: &Admin, place: &InProject, id: ServerId, form: Form) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let server = service::find(app, authority, project, id).await?;
    let using = service::gateways_of(app, authority, project, id).await?;
    let (naming, offering): (Vec<_>, Vec<_>) = using.into_iter().partition(|gateway| gateway.names_it);
    Ok(page::show_with(
        form.status(),
        &DeletePage {
            frame: place.frame(Section::Servers),
            project: place.project.clone(),
            form,
            path: place.path(&format!("/servers/{id}")),
            name: server.name,
            slug: server.slug,
            naming: detail::links(place, naming),
            offering: detail::links(place, offering),
        },
    ))
}
