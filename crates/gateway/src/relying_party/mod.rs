//! The relying party: OpenID Connect towards identity providers, one fixed callback for all of them.
//!
//! [`start`] begins a sign-in after *Allow*, the callback ends it, and [`check`](check::check) says beforehand whether a
//! provider will do. The rules are pure and lie apart from what fetches and stores.

pub mod administrator;
mod answer;
mod authorization_request;
mod brought;
mod callback;
pub mod check;
mod completion;
pub mod connection;
pub mod credential_probe;
mod ending;
mod failure;
mod packed;
mod pending;
mod pushed_request;
mod returned;
mod secret_methods;
mod start;
pub mod test_sign_in;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;
#[cfg(test)]
mod tests;
mod token_request;
mod userinfo;

pub use check::{Candidate, CheckResult, check};
pub use discovery::{Unusable, UnusableDocument};
pub use failure::Failure;
pub use id_token::{IdTokenError, IssuerDifference};
pub use pending::fits;
pub use provider::{ProviderError, Resource};
pub use start::{StartError, Started, start};
pub use subject::SubjectError;
pub use token_request::TokenError;

use std::sync::Arc;

use axum::{Router, routing::get};

use gatewright_identity::{
    budget, client_auth, cookie, discovery, endpoint_error, excerpt, id_token, providers as provider, subject,
};

use crate::{Gateways, jose::key_set as jwks};

/// The path of the callback below the public URL; [`Config::callback_url`](crate::config::Config::callback_url) gives
/// the whole of it.
const CALLBACK_PATH: &str = "/oauth2/intermediate_callback";

/// The path of the callback of one source.
const OWN_CALLBACK_PATH: &str = "/oauth2/intermediate_callback/{source}";

/// The callbacks, and the page on which a test sign-in begins.
pub fn routes() -> Router<Arc<Gateways>> {
    Router::new()
        .route(CALLBACK_PATH, get(callback::shared).post(callback::posted))
        .route(OWN_CALLBACK_PATH, get(callback::own).post(callback::posted))
        .route(
            test_sign_in::PAGE_ROUTE,
            get(test_sign_in::show).post(test_sign_in::begin),
        )
}
