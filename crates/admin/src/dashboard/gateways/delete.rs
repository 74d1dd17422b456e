//! `/projects/{project}/gateways/{gateway}/delete`: what goes with it, and its name to confirm.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{Invalid, id::GatewayId};

use crate::{
    Admin,
    dashboard::{
        error::PageError,
        flash::Flash,
        form::{Form, Posted},
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::{
        IfMatch, ServiceError,
        effects::{Done, Effects, Run},
        gateways as service,
    },
};

#[derive(Template)]
#[template(path = "dashboard/gateways/delete.html")]
struct DeletePage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    path: String,
    gateway_name: String,
    url: String,
    users: i64,
    sessions: i64,
    /// How many of them sleep.
    asleep: i64,
    registered_clients: i64,
    /// Keys that open nothing but this gateway.
    api_keys: i64,
}

/// GET `/projects/{project}/gateways/{gateway}/delete`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id = place.id("gateway", "gateway")?;
    render(&app, &place, id, Form::default()).await
}

/// POST `/projects/{project}/gateways/{gateway}/delete`.
pub(super) async fn delete(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    place.only_for_admins()?;
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = service::find(&app, authority, project, id).await?;
    let deleted = if posted.text("confirm_name") == gateway.name {
        service::delete(&app, authority, project, id, &IfMatch::Any, Run::Change)
            .await
            .map(|_| ())
    } else {
        Err(not_its_name(&gateway.name))
    };
    match deleted {
        Ok(()) => Ok(page::done(&place.path("/gateways"), Flash::GatewayDeleted)),
        Err(error) => {
            let form = Form::refused(&posted, &["confirm_name"], &[], error)?;
            render(&app, &place, id, form).await
        }
    }
}

fn not_its_name(name: &str) -> ServiceError {
    let detail = format!("This is not the name of the gateway: type {name} to confirm. Nothing was deleted.");
    Invalid::one("/confirm_name", detail).into()
}

async fn render(app: &Admin, place: &InProject, id: GatewayId, form: Form) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = service::find(app, authority, project, id).await?;
    let rehearsed = service::delete(app, authority, project, id, &IfMatch::Any, Run::Rehearsal).await?;
    let effects = match rehearsed {
        Done::WouldTouch(effects) => effects,
        Done::Changed(()) => Effects::default(),
    };
    let contents = service::contents(app, authority, project, id).await?;
    Ok(page::show_with(
        form.status(),
        &DeletePage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            form,
            path: place.path(&format!("/gateways/{id}")),
            url: app.config.gateway_url(&gateway.slug),
            gateway_name: gateway.name,
            users: effects.users,
            sessions: effects.sessions(),
            asleep: effects.sleeping_grants,
            registered_clients: contents.registered_clients,
            api_keys: contents.api_keys,
        },
    ))
}
