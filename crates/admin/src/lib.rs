//! What administrators meet: services with their permissions, the REST API and the dashboard.
//!
//! [`Admin`] is the state, and [`front`] serves all of it over what the crates below serve. Beyond that, the program uses what
//! the command line and the demo do: [`operator`].

mod account;
mod api;
mod client_setup;
mod dashboard;
pub mod operator;
mod router;
mod routing;
mod schema;
mod service;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;

pub use account::visitor::Visitor;
pub use client_setup::ClientSetup;
pub use dashboard::{dead_link, signed_in};
pub use router::{front, front_with, router};
pub use service::Admin;

pub(crate) use gatewright_core::{
    config, directory, fetch, jose, next, request, same_origin, session_cookie,
};
pub(crate) use gatewright_gateway::{authorization_server, relying_party, resource_server, sign_in_trace};
