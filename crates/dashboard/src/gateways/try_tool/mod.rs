//! Trying a gateway out: its tools, prompts and resources, a form for each made from what its server says it takes, and what
//! came of a request.

mod contents;
mod fields;
mod introduction;
mod json;
mod list;
mod live;
mod page;
mod people;
mod questions;
mod request_form;
mod result;
mod schema;
mod what;

use std::sync::Arc;

use axum::{Extension, Router, extract::State, routing::MethodRouter};
use gatewright_domain::Invalid;
use http::HeaderMap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use self::{people::People, what::What};
use crate::{
    Admin,
    error::PageError,
    form::{Asked, Posted},
    request::RequestContext,
    routing::{form, get},
    service::ServiceError,
    session::InProject,
};

/// Routes inside a project. A tool may have any name, so prompts and resources are beside it.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/gateways/{gateway}/try", list_of(What::Tool))
        .route("/gateways/{gateway}/try/{tool}", one_of(What::Tool))
        .route("/gateways/{gateway}/try-prompts", list_of(What::Prompt))
        .route("/gateways/{gateway}/try-prompts/{prompt}", one_of(What::Prompt))
        .route("/gateways/{gateway}/try-resources", list_of(What::Resource))
        .route("/gateways/{gateway}/try-resources/read", one_of(What::Resource))
}

fn list_of(what: What) -> MethodRouter<Arc<Admin>> {
    get(
        move |app: State<Arc<Admin>>, place: InProject, asked: Asked| async move {
            list::show(app, place, asked, what).await
        },
    )
}

fn one_of(what: What) -> MethodRouter<Arc<Admin>> {
    let show = move |app: State<Arc<Admin>>, place: InProject, asked: Asked| async move {
        page::show(app, place, asked, what).await
    };
    let post =
        move |app: State<Arc<Admin>>,
              context: Extension<RequestContext>,
              place: InProject,
              headers: HeaderMap,
              posted: Posted| async move { page::post(app, context, place, headers, posted, what).await };
    form(show, post)
}

/// The path of the page of a tool or prompt below its list.
fn path_of(list: &str, name: &str) -> String {
    format!("{list}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Shows why a request was not made, next to the person or above the form. A problem that the input did not cause gets
/// its own page.
fn refused(error: ServiceError, people: &mut People, problems: &mut Vec<String>) -> Result<(), PageError> {
    match error {
        ServiceError::Conflict(conflict) => problems.push(conflict.detail),
        ServiceError::Invalid(invalid) => tell(&invalid, people, problems),
        other => return Err(other.into()),
    }
    Ok(())
}

fn tell(invalid: &Invalid, people: &mut People, problems: &mut Vec<String>) {
    for violation in invalid.violations() {
        if violation.pointer == "/user" {
            people.error = Some(violation.detail.clone());
        } else {
            problems.push(violation.detail.clone());
        }
    }
}
