//! `/projects/{project}/servers/{server}/edit`: every field of a server, at any time.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{id::ServerId, server::Server};

use super::fields::{self, Fields};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::Posted,
    page::{self, Frame, ProjectLink, Section},
    service::{
        IfMatch, Version,
        servers::{self as service, ServerPatch},
    },
    session::InProject,
};

#[derive(Template)]
#[template(path = "dashboard/servers/edit.html")]
struct EditPage {
    frame: Frame,
    project: ProjectLink,
    fields: Fields,
    path: String,
    name: String,
    version: String,
}

/// GET `/projects/{project}/servers/{server}/edit`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let server = find(&app, &place).await?;
    let fields = fields::of_server(&app, &place, &server).await?;
    let version = Version::from(server.updated_at).0;
    Ok(render(&place, &server, fields, version))
}

/// POST `/projects/{project}/servers/{server}/edit`.
pub(super) async fn save(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let server = find(&app, &place).await?;
    if fields::wants_more_rows(&posted) {
        let fields = fields::again(&app, &place, &posted, None).await?;
        // It is still the same form: made from what was stored when it was opened.
        return Ok(render(&place, &server, fields, posted.text("version").to_owned()));
    }
    let (authority, project) = (&place.visit.authority, place.project.id);
    let if_match = IfMatch::OneOf(vec![Version(posted.text("version").to_owned())]);
    let typed = ServerPatch::from(fields::new_server(&posted));
    match service::update(&app, authority, project, server.id, typed, &if_match).await {
        Ok(saved) => {
            let path = place.path(&format!("/servers/{}", saved.entity.id));
            Ok(page::done(&path, Flash::ServerSaved))
        }
        Err(error) => {
            let fields = fields::again(&app, &place, &posted, Some(error)).await?;
            let version = Version::from(server.updated_at).0;
            Ok(render(&place, &server, fields, version))
        }
    }
}

async fn find(app: &Admin, place: &InProject) -> Result<Server, PageError> {
    let id: ServerId = place.id("server", "server")?;
    Ok(service::find(app, &place.visit.authority, place.project.id, id).await?)
}

fn render(place: &InProject, server: &Server, fields: Fields, version: String) -> Response {
    page::show_with(
        fields.form.status(),
        &EditPage {
            frame: place.frame(Section::Servers),
            project: place.project.clone(),
            fields,
            path: place.path(&format!("/servers/{}", server.id)),
            name: server.name.clone(),
            version,
        },
    )
}
