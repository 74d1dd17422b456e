//! What administrators meet: services with their permissions, the REST API and the dashboard.
//!
//! [`Admin`] is the state, and [`front`] serves all of it over what the crates below serve. Beyond that, the program uses what
//! the command line and the demo do: [`operator`].

pub mod account;
mod api;
pub mod client_setup;
mod declared;
pub mod operator;
mod router;
mod schema;
pub mod service;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;

pub use account::visitor::Visitor;
pub use api::audit_events::export as export_audit_events;
pub use client_setup::ClientSetup;
pub use router::{Beside, router};
pub use service::Admin;

pub(crate) use gatewright_core::{
    config, directory, fetch, jose, next, request, same_origin, session_cookie,
};
pub(crate) use gatewright_gateway::{relying_party, resource_server, sign_in_trace};
