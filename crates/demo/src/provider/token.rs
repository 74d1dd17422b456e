//! The token endpoint (OpenID Connect Core 1.0, section 3.1.3).

use std::{sync::Arc, time::Instant};

use aws_lc_rs::{constant_time::verify_slices_are_equal, error::Unspecified};
use axum::{
    Form, Json,
    extract::{State, rejection::FormRejection},
    response::{IntoResponse, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Client, NO_STORE, Provider,
    codes::{Access, SignIn, TOKEN_LIFE},
    oauth_error, unix_seconds,
};
use crate::random;

/// How long an ID token is valid, in seconds: it is checked immediately.
const ID_TOKEN_SECONDS: u64 = 300;

/// A token request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// A parameter is missing, repeated or unreadable.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client credentials are missing or wrong.
    #[error("The client ID or the client secret is wrong.")]
    InvalidClient,
    /// The code is unknown, used, expired, or of another request.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// Not `authorization_code`.
    #[error("Only grant_type=authorization_code is supported.")]
    UnsupportedGrantType,
    /// The ID token could not be signed.
    #[error("The ID token could not be signed.")]
    Signing(#[from] Unspecified),
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let words = self.to_string();
        match self {
            Self::InvalidRequest(_) => oauth_error(StatusCode::BAD_REQUEST, "invalid_request", &words),
            Self::InvalidClient => {
                let mut response = oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", &words);
                response.headers_mut().insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"demo provider\""),
                );
                response
            }
            Self::InvalidGrant(_) => oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", &words),
            Self::UnsupportedGrantType => {
                oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type", &words)
            }
            Self::Signing(_) => oauth_error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", &words),
        }
    }
}

/// Exchanges a code.
pub(super) async fn exchange(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Result<Response, TokenError> {
    let Form(request) = form.map_err(|_| {
        TokenError::InvalidRequest("The body is not a form, or one of its fields is repeated.")
    })?;
    authenticate(&provider.client, &headers, &request)?;
    match request.grant_type.as_deref() {
        Some("authorization_code") => {}
        Some(_) => return Err(TokenError::UnsupportedGrantType),
        None => return Err(TokenError::InvalidRequest("The grant_type is missing.")),
    }
    let code = request
        .code
        .as_deref()
        .ok_or(TokenError::InvalidRequest("The code is missing."))?;
    let now = Instant::now();
    let sign_in = provider
        .issued
        .lock()
        .expect("no holder of this lock panics")
        .redeem(code, now)
        .ok_or(TokenError::InvalidGrant(
            "The code is unknown, was used, or is older than 60 seconds.",
        ))?;
    if request.redirect_uri.as_deref() != Some(&*provider.client.redirect_uri) {
        return Err(TokenError::InvalidGrant(
            "The redirect_uri differs from the one in the authentication request.",
        ));
    }
    let verifier = request.code_verifier.as_deref().unwrap_or_default();
    if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != sign_in.code_challenge {
        return Err(TokenError::InvalidGrant(
            "The code_verifier is missing or does not match the code_challenge.",
        ));
    }
    let access_token = random::token();
    let body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE.as_secs(),
        "scope": sign_in.scope,
        "id_token": id_token(&provider, &sign_in, &access_token)?,
    });
    let access = Access {
        person: sign_in.person,
        scope: sign_in.scope,
    };
    provider
        .issued
        .lock()
        .expect("no holder of this lock panics")
        .put_token(access_token, access, now);
    Ok((NO_STORE, Json(body)).into_response())
}

/// `client_secret_basic` with form-encoded parts, or `client_secret_post` (RFC 6749 section 2.3.1), never both.
fn authenticate(client: &Client, headers: &HeaderMap, request: &TokenRequest) -> Result<(), TokenError> {
    let (id, secret) = match headers.get(header::AUTHORIZATION) {
        Some(_) if request.client_secret.is_some() => {
            return Err(TokenError::InvalidRequest(
                "The client authenticates in two ways: use either the header or the form.",
            ));
        }
        Some(value) => basic(value).ok_or(TokenError::InvalidClient)?,
        None => (
            request.client_id.clone().unwrap_or_default(),
            request.client_secret.clone().unwrap_or_default(),
        ),
    };
    let right = verify_slices_are_equal(secret.as_bytes(), client.secret.as_bytes()).is_ok();
    if id == client.id && right {
        Ok(())
    } else {
        Err(TokenError::InvalidClient)
    }
}

fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        url::form_urlencoded::parse(format!("v={}", text.replace('&', "%26")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}

/// Core 1.0, sections 2 and 3.1.3.6.
fn id_token(provider: &Provider, sign_in: &SignIn, access_token: &str) -> Result<String, Unspecified> {
    let now = unix_seconds();
    let mut claims = sign_in.person.claims(&sign_in.scope);
    claims.insert("iss".into(), json!(provider.issuer));
    claims.insert("aud".into(), json!(provider.client.id));
    claims.insert("iat".into(), json!(now));
    claims.insert("exp".into(), json!(now + ID_TOKEN_SECONDS));
    claims.insert("auth_time".into(), json!(sign_in.auth_time));
    let left_half = &Sha256::digest(access_token)[..16];
    claims.insert("at_hash".into(), json!(URL_SAFE_NO_PAD.encode(left_half)));
    if let Some(nonce) = &sign_in.nonce {
        claims.insert("nonce".into(), json!(nonce));
    }
    provider.key.sign(&Value::Object(claims))
}
