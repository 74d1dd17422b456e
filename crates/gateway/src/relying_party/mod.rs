//! The relying party: signing in with a User Source, with one fixed callback for all of them or the source's own.
//!
//! [`start`] begins a sign-in after *Allow*, the callback completes it, and [`check`](check::check) says beforehand whether a
//! provider can be used. The protocol itself is in `gatewright_identity`.

mod answer;
pub mod brought;
mod callback;
pub mod check;
mod completion;
pub mod connection;
mod ending;
mod failure;
mod packed;
mod pending;
mod registration;
mod start;
pub mod test_sign_in;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;
#[cfg(test)]
mod tests;

pub(crate) use start::{StartError, start, start_for_connections};

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::Gateways;

/// The path of the callback below the public URL; [`Config::callback_url`](crate::config::Config::callback_url) returns
/// the whole of it.
const CALLBACK_PATH: &str = "/oauth2/intermediate_callback";

/// The path of the callback of one source.
const OWN_CALLBACK_PATH: &str = "/oauth2/intermediate_callback/{source}";

/// The callbacks, and the page on which a test sign-in begins.
pub(crate) fn routes() -> Router<Arc<Gateways>> {
    Router::new()
        .route(CALLBACK_PATH, get(callback::shared).post(callback::posted))
        .route(OWN_CALLBACK_PATH, get(callback::own).post(callback::posted))
        .route(
            test_sign_in::PAGE_ROUTE,
            get(test_sign_in::show).post(test_sign_in::begin),
        )
}
