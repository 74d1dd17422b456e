//! The authorization endpoint (OpenID Connect Core 1.0, section 3.1.2): choose who you are.

use std::{sync::Arc, time::Instant};

use axum::{
    Form,
    extract::{Query, State, rejection::FormRejection, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{NO_STORE, Provider, codes::SignIn, pages, person::Person, unix_seconds};
use crate::random;

/// Scopes with a meaning here; others are dropped (Core 1.0, section 3.1.2.1).
const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// An authentication request. It travels through the page as hidden fields, so it is both read and written.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct AuthenticationRequest {
    pub(super) client_id: Option<String>,
    pub(super) redirect_uri: Option<String>,
    pub(super) response_type: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: Option<String>,
    pub(super) code_challenge_method: Option<String>,
    /// The key or address of a person signs that person in immediately: how a program signs in without a browser.
    #[serde(skip_serializing)]
    login_hint: Option<String>,
    #[serde(skip_serializing)]
    prompt: Option<String>,
}

/// What the sign-in page sends: the request, and the button that was pressed.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    user: Option<String>,
    #[serde(flatten)]
    request: AuthenticationRequest,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
enum AuthorizeError {
    /// A parameter is repeated or unreadable.
    #[error("The request could not be read: a parameter is repeated or is not text.")]
    Unreadable,
    /// Another client ID than the configured one.
    #[error("The client ID is not the one this provider was started with.")]
    UnknownClient,
    /// Another redirect URI: no response may go there (RFC 6749 section 4.1.2.1).
    #[error("The redirect URI is not the one this provider was started with.")]
    ForeignRedirect,
    /// Returned to the client: error, description, and the client's `state`.
    #[error("{1}")]
    ToClient(&'static str, &'static str, Option<String>),
}

/// A request with the right client and redirect URI: responses may be sent to the client.
struct Verified {
    request: AuthenticationRequest,
    scope: String,
    code_challenge: String,
}

/// Shows the sign-in page, or signs in the person in `login_hint`.
pub(super) async fn show(
    State(provider): State<Arc<Provider>>,
    query: Result<Query<AuthenticationRequest>, QueryRejection>,
) -> Response {
    let checked = query
        .map_err(|_| AuthorizeError::Unreadable)
        .and_then(|Query(request)| verify(&provider, request));
    match checked {
        Ok(verified) => {
            let hint = verified.request.login_hint.as_deref().unwrap_or_default();
            match Person::find(hint) {
                Some(person) => sign_in(&provider, verified, person),
                None => pages::sign_in(&verified.request),
            }
        }
        Err(error) => refuse(&provider, error),
    }
}

/// Accepts the choice made on the page.
pub(super) async fn choose(
    State(provider): State<Arc<Provider>>,
    form: Result<Form<Choice>, FormRejection>,
) -> Response {
    let checked = form
        .map_err(|_| AuthorizeError::Unreadable)
        .and_then(|Form(choice)| {
            let verified = verify(&provider, choice.request)?;
            match choice.user.as_deref().and_then(Person::find) {
                Some(person) => Ok((verified, person)),
                None => Err(AuthorizeError::ToClient(
                    "access_denied",
                    "No one was chosen on the sign-in page.",
                    verified.request.state,
                )),
            }
        });
    match checked {
        Ok((verified, person)) => sign_in(&provider, verified, person),
        Err(error) => refuse(&provider, error),
    }
}

fn verify(provider: &Provider, request: AuthenticationRequest) -> Result<Verified, AuthorizeError> {
    if request.client_id.as_deref() != Some(&*provider.client.id) {
        return Err(AuthorizeError::UnknownClient);
    }
    if request.redirect_uri.as_deref() != Some(&*provider.client.redirect_uri) {
        return Err(AuthorizeError::ForeignRedirect);
    }
    let refuse = |error, why| Err(AuthorizeError::ToClient(error, why, request.state.clone()));
    if request.response_type.as_deref() != Some("code") {
        return refuse(
            "unsupported_response_type",
            "Only response_type=code is supported.",
        );
    }
    let scope: Vec<&str> = request
        .scope
        .as_deref()
        .unwrap_or_default()
        .split(' ')
        .filter(|scope| SCOPES.contains(scope))
        .collect();
    if !scope.contains(&"openid") {
        return refuse("invalid_scope", "The scope openid is missing.");
    }
    if request.code_challenge_method.as_deref() != Some("S256") {
        return refuse(
            "invalid_request",
            "PKCE with code_challenge_method=S256 is required.",
        );
    }
    // A SHA-256 in base64url: 43 characters (RFC 7636 section 4.2).
    let Some(code_challenge) = request.code_challenge.clone().filter(|text| text.len() == 43) else {
        return refuse(
            "invalid_request",
            "The code_challenge is missing or does not have 43 characters.",
        );
    };
    if request.prompt.as_deref() == Some("none") {
        return refuse(
            "login_required",
            "This provider keeps no one signed in between two requests.",
        );
    }
    let scope = scope.join(" ");
    Ok(Verified {
        request,
        scope,
        code_challenge,
    })
}

fn sign_in(provider: &Provider, verified: Verified, person: &'static Person) -> Response {
    let code = random::token();
    let sign_in = SignIn {
        person,
        scope: verified.scope,
        nonce: verified.request.nonce,
        code_challenge: verified.code_challenge,
        auth_time: unix_seconds(),
    };
    provider
        .issued
        .lock()
        .expect("no holder of this lock panics")
        .put_code(code.clone(), sign_in, Instant::now());
    answer(provider, verified.request.state, &[("code", &code)])
}

fn refuse(provider: &Provider, error: AuthorizeError) -> Response {
    let words = error.to_string();
    match error {
        AuthorizeError::Unreadable | AuthorizeError::UnknownClient | AuthorizeError::ForeignRedirect => {
            pages::problem(StatusCode::BAD_REQUEST, "This sign-in cannot start", &words)
        }
        AuthorizeError::ToClient(code, description, state) => {
            let parameters = [("error", code), ("error_description", description)];
            answer(provider, state, &parameters)
        }
    }
}

/// Sends the browser back with `state` and `iss` (RFC 9207).
fn answer(provider: &Provider, state: Option<String>, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut location) = Url::parse(&provider.client.redirect_uri) else {
        return pages::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This sign-in cannot be completed",
            "The redirect URI this provider was started with is not a URL.",
        );
    };
    location
        .query_pairs_mut()
        .extend_pairs(parameters)
        .extend_pairs(state.map(|state| ("state", state)))
        .append_pair("iss", &provider.issuer);
    let headers = [(header::LOCATION, location.to_string())];
    (StatusCode::SEE_OTHER, NO_STORE, headers).into_response()
}
