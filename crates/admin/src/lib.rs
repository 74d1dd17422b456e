//! What administrators meet: services with their permissions, the REST API and the dashboard.

#![allow(
    unreachable_pub,
    reason = "its modules are still open: to be closed like those of the other crates"
)]

pub mod account;
mod api;
pub mod client_setup;
pub mod dashboard;
pub mod router;
mod schema;
pub mod service;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;

pub use service::Admin;

pub(crate) use gatewright_core::{
    config, directory, fetch, jose, next, request, same_origin, session_cookie,
};
pub(crate) use gatewright_gateway::{
    authorization_server, front, relying_party, resource_server, sign_in_trace,
};
