//! `/projects/{project}/servers/new`: registering a server.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};

use super::fields::{self, Fields};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::Posted,
    page::{self, Frame, ProjectLink, Section},
    service::servers as service,
    session::InProject,
};

#[derive(Template)]
#[template(path = "dashboard/servers/new.html")]
struct NewPage {
    frame: Frame,
    project: ProjectLink,
    fields: Fields,
}

/// GET `/projects/{project}/servers/new`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let fields = fields::fresh(&app, &place).await?;
    Ok(render(&place, fields))
}

/// POST `/projects/{project}/servers/new`. Whether the server answers is shown on its page, which comes next.
pub(super) async fn save(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    if fields::wants_more_rows(&posted) {
        return Ok(render(&place, fields::again(&app, &place, &posted, None).await?));
    }
    let (authority, project) = (&place.visit.authority, place.project.id);
    match service::create(&app, authority, project, fields::new_server(&posted)).await {
        Ok(saved) => {
            let path = place.path(&format!("/servers/{}", saved.entity.id));
            Ok(page::done(&path, Flash::ServerCreated))
        }
        Err(error) => Ok(render(
            &place,
            fields::again(&app, &place, &posted, Some(error)).await?,
        )),
    }
}

fn render(place: &InProject, fields: Fields) -> Response {
    page::show_with(
        fields.form.status(),
        &NewPage {
            frame: place.frame(Section::Servers),
            project: place.project.clone(),
            fields,
        },
    )
}
