//! The userinfo endpoint (OpenID Connect Core 1.0, section 5.3).

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{NO_STORE, Provider, oauth_error};

/// Returns the claims of the access token's scopes.
pub(super) async fn answer(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let access = token.and_then(|token| {
        let issued = provider.issued.lock().expect("no holder of this lock panics");
        issued.access(token, Instant::now())
    });
    if let Some(access) = access {
        return (NO_STORE, Json(access.person.claims(&access.scope))).into_response();
    }
    let words = "The access token is missing, unknown or older than ten minutes.";
    let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_token", words);
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer error=\"invalid_token\""),
    );
    response
}
