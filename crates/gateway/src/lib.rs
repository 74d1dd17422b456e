//! What end users and MCP clients meet: the authorization server, signing in at an identity provider, the trace of
//! sign-ins, and the resource server with its federation.
//!
//! [`Gateways`] is the state, [`front`] receives every request and [`routes`] has those of this crate. Beyond that, other
//! crates see what administrators check, try and read: in [`relying_party`], [`resource_server`] and [`sign_in_trace`].

#![cfg_attr(
    not(any(test, feature = "testing")),
    allow(
        unreachable_pub,
        unused_imports,
        reason = "some things are reached by the test helpers of other crates only"
    )
)]

mod admission;
mod authorization_endpoint;
pub mod authorization_server;
mod connections;
pub mod front;
mod gateways;
mod page;
pub mod relying_party;
pub mod resource_server;
pub mod sign_in_trace;
mod test_report;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod user_session;

use std::sync::Arc;

use axum::Router;

pub use authorization_server::known_clients;
pub use gateways::Gateways;

pub(crate) use gatewright_core::{
    account_sessions, config, date, directory, fetch, jose, keys, next, problem, request, same_origin,
    session_cookie, single_flight, telemetry,
};

/// The routes of the authorization server and of signing in.
pub fn routes<S: Clone + Send + Sync + 'static>(gateways: Arc<Gateways>) -> Router<S> {
    let authorization_server = Arc::clone(&gateways.authorization_server);
    Router::new()
        .merge(authorization_endpoint::routes())
        .merge(relying_party::routes())
        .merge(connections::routes())
        .with_state(gateways)
        .merge(authorization_server::routes().with_state(authorization_server))
}
