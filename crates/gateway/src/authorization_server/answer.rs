//! How this part responds to programs: JSON, never cached if it contains a secret, open to any origin.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use gatewright_oauth::{ErrorCode, OAuthError};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE,
        LOCATION, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use serde::Serialize;

use super::limits::{Limited, Whose};
use crate::request::{BodyError, read_body};

/// Bodies here are small forms and registrations.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// They arrive in one packet or two, also over a bad connection.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// When a client may try again after a 503.
const RETRY_SECONDS: u64 = 2;

/// What token and revocation requests are (RFC 6749 section 4.1.3, RFC 7009 section 2.1).
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// What registrations are (RFC 7591 section 3.1).
pub(super) const JSON: &str = "application/json";

/// Metadata changes rarely, and a change may take a minute to be seen by those who cache.
const METADATA_CACHE: &str = "public, max-age=60";

/// JSON that must not be kept by anyone.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, json_headers("no-store"), bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// JSON that is ready, and that everyone may keep for a minute.
pub(super) fn metadata(json: Bytes) -> Response {
    (json_headers(METADATA_CACHE), json).into_response()
}

/// An OAuth error (RFC 6749 section 5.2).
pub(super) fn error(error: &OAuthError) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    json(status, error)
}

/// An OAuth error about a client; the answer to one that tried the header names the scheme that the header takes (section 5.2).
pub(super) fn client_error(problem: &OAuthError, request: &HeaderMap) -> Response {
    let mut response = error(problem);
    if problem.code == ErrorCode::InvalidClient && request.contains_key(AUTHORIZATION) {
        response.headers_mut().insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"token endpoint\""),
        );
    }
    response
}

/// 404, in JSON.
pub(super) fn not_found() -> Response {
    let problem = OAuthError::new(
        ErrorCode::InvalidRequest,
        "There is nothing here. Check the gateway's URL; it looks like https://host/mcp/name.",
    );
    json(StatusCode::NOT_FOUND, &problem)
}

/// 503: the store or the directory does not answer.
pub(super) fn unavailable() -> Response {
    let problem = OAuthError::new(
        ErrorCode::TemporarilyUnavailable,
        "The gateway cannot answer right now. Try again in a few seconds.",
    );
    retry_later(
        json(StatusCode::SERVICE_UNAVAILABLE, &problem),
        Duration::from_secs(RETRY_SECONDS),
    )
}

/// 429: too many requests.
pub(super) fn limited(limited: Limited) -> Response {
    let description = match limited.whose {
        Whose::Network => "Too many requests from this network. Wait for as long as Retry-After says.",
        Whose::Client => "Too many requests from this client. Wait for as long as Retry-After says.",
        Whose::Everyone | Whose::Overload => {
            "Too many requests at the moment. Nothing was done. Wait for as long as Retry-After says."
        }
    };
    let problem = OAuthError::new(ErrorCode::TemporarilyUnavailable, description);
    retry_later(json(StatusCode::TOO_MANY_REQUESTS, &problem), limited.after)
}

/// A body that did not come, or not as a whole.
pub(super) fn body_error(error: BodyError) -> Response {
    let (status, description) = match error {
        BodyError::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is longer than 64 kB, which no request here needs.",
        ),
        BodyError::Timeout => (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."),
        BodyError::Broken => (StatusCode::BAD_REQUEST, "The body broke off."),
    };
    json(status, &OAuthError::new(ErrorCode::InvalidRequest, description))
}

/// Adds `Retry-After`, in whole seconds and at least one.
pub(crate) fn retry_later(mut response: Response, after: Duration) -> Response {
    let seconds = after.as_secs_f64().ceil().max(1.0);
    if let Ok(value) = HeaderValue::from_str(&format!("{seconds:.0}")) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

/// Sends the browser on, with what it is to remember. 303, so that a form is never posted again elsewhere.
pub(crate) fn redirect(location: &str, cookies: Vec<HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        // Redirect URIs are printable ASCII and everything appended to them is encoded.
        tracing::error!("a redirect could not be sent as a header");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        headers.append(http::header::SET_COOKIE, cookie);
    }
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The bytes of a body.
pub(super) async fn body(body: Body) -> Result<Bytes, BodyError> {
    read_body(body, MAX_BODY_BYTES, BODY_DEADLINE).await
}

/// The text of a form body. What is not UTF-8 is read as replacement characters, which known parameters do not contain.
pub async fn form(from: Body) -> Result<String, BodyError> {
    let bytes = body(from).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Why a body could not be used. If the `Content-Type` says that it is something else, the answer says so: a form
/// sent as JSON lacks every parameter, and looking for one of them would lead nowhere. A body that could be used is
/// used whatever its `Content-Type` says.
pub(super) fn unusable(problem: OAuthError, headers: &HeaderMap, expected: &'static str) -> OAuthError {
    let said = headers
        .get(CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or(""));
    let is_expected = |said: &str| {
        let media_type = said.split(';').next().unwrap_or("").trim();
        media_type.eq_ignore_ascii_case(expected)
    };
    if said.is_none_or(is_expected) {
        return problem;
    }
    OAuthError::new(
        ErrorCode::InvalidRequest,
        format!(
            "The body could not be read. Send it as {expected}; the header Content-Type says something else."
        ),
    )
}

/// The `Authorization` header, when it is text.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

/// Answers a preflight (Fetch standard, CORS protocol). Nothing here depends on cookies, so any origin may ask.
pub(super) async fn preflight() -> Response {
    let allow = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        // `*` does not cover Authorization.
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, MCP-Protocol-Version, *",
        ),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, allow).into_response()
}

/// Lets scripts of any origin read the answer.
pub(super) async fn open_to_any_origin(request: Request, next: Next) -> Response {
    open(next.run(request).await)
}

/// The answer, readable by scripts of any origin.
pub(super) fn open(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("WWW-Authenticate, Retry-After");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

fn json_headers(cache: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static(cache)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}
