//! `/projects/{project}/user-sources/{source}/delete`: what goes, and the name that confirms it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{Invalid, id::UserSourceId};

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
    service::{IfMatch, ServiceError, effects::Run, user_sources as service},
};

#[derive(Template)]
#[template(path = "dashboard/user_sources/delete.html")]
struct DeletePage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    path: String,
    source_name: String,
    users: i64,
    /// Those under an earlier issuer or subject claim.
    former_users: i64,
    sessions: i64,
    /// How many of them sleep because a gateway or the source is inactive.
    asleep: i64,
    gateways: Vec<GatewayLink>,
    gateway_count: usize,
    active_gateways: usize,
}

/// GET `/projects/{project}/user-sources/{source}/delete`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id = place.id("source", "User Source")?;
    render(&app, &place, id, Form::default()).await
}

/// POST `/projects/{project}/user-sources/{source}/delete`.
pub(super) async fn delete(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: UserSourceId = place.id("source", "User Source")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let source = service::find(&app, authority, project, id).await?;
    let deleted = if posted.text("confirm_name") == source.name {
        service::delete(&app, authority, project, id, &IfMatch::Any, Run::Change)
            .await
            .map(|_| ())
    } else {
        Err(not_its_name(&source.name))
    };
    match deleted {
        Ok(()) => Ok(page::done(&place.path("/user-sources"), Flash::SourceDeleted)),
        Err(error) => {
            let form = Form::refused(&posted, &["confirm_name"], &[], error)?;
            render(&app, &place, id, form).await
        }
    }
}

fn not_its_name(name: &str) -> ServiceError {
    let detail =
        format!("This is not the name of the User Source: type {name} to confirm. Nothing was deleted.");
    Invalid::one("/confirm_name", detail).into()
}

async fn render(app: &Admin, place: &InProject, id: UserSourceId, form: Form) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let source = service::find(app, authority, project, id).await?;
    let usage = service::usage(app, authority, project, id).await?;
    Ok(page::show_with(
        form.status(),
        &DeletePage {
            frame: place.frame(Section::UserSources),
            project: place.project.clone(),
            form,
            path: place.path(&format!("/user-sources/{id}")),
            source_name: source.name,
            users: usage.users,
            former_users: usage.former_users,
            sessions: usage.live_grants + usage.sleeping_grants,
            asleep: usage.sleeping_grants,
            gateway_count: usage.gateways.len(),
            active_gateways: detail::count_active(&usage.gateways),
            gateways: detail::links(place, &usage.gateways),
        },
    ))
}
