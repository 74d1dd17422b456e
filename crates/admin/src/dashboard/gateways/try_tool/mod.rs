//! Trying a gateway out: its tools, prompts and resources, a form for each made from what its server says it takes, and what
//! came of a request.

mod call;
mod contents;
mod fields;
mod introduction;
mod json;
mod list;
mod people;
mod prompt;
mod resource;
mod result;
mod schema;

use std::sync::Arc;

use axum::Router;
use gatewright_domain::Invalid;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use self::people::People;
use crate::{
    Admin,
    dashboard::error::PageError,
    routing::{form, get},
    service::ServiceError,
};

/// Routes inside a project. A tool may have any name, so prompts and resources are beside it.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/gateways/{gateway}/try", get(list::tools))
        .route("/gateways/{gateway}/try/{tool}", form(call::show, call::call))
        .route("/gateways/{gateway}/try-prompts", get(list::prompts))
        .route(
            "/gateways/{gateway}/try-prompts/{prompt}",
            form(prompt::show, prompt::ask),
        )
        .route("/gateways/{gateway}/try-resources", get(list::resources))
        .route(
            "/gateways/{gateway}/try-resources/read",
            form(resource::show, resource::read),
        )
}

/// The path of the page of a tool or prompt below its list.
fn path_of(list: &str, name: &str) -> String {
    format!("{list}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Shows why a request was not made, next to the person or above the form. A problem that the input did not cause gets a page of its own.
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
