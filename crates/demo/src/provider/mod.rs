//! The demo identity provider: a small OpenID provider with two people and no passwords.
//!
//! It supports OpenID Connect Core 1.0 (code flow), Discovery 1.0, PKCE (RFC 7636, S256) and RFC 9207, for exactly one client with one
//! redirect URI. Its state is in memory, is bounded, and is lost when the process exits.

mod authorize;
mod codes;
mod pages;
mod person;
mod signing;
mod token;
mod userinfo;

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use person::Person;

use codes::Issued;
use signing::SigningKey;

/// The one client the provider knows.
#[derive(Clone)]
pub struct Client {
    /// Its client ID.
    pub id: String,
    /// Its client secret.
    pub secret: String,
    /// The only redirect URI accepted, compared byte for byte.
    pub redirect_uri: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("secret", &"[redacted]")
            .field("redirect_uri", &self.redirect_uri)
            .finish()
    }
}

/// The provider.
pub struct Provider {
    issuer: String,
    client: Client,
    key: SigningKey,
    issued: Mutex<Issued>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("issuer", &self.issuer)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Provider {
    /// Creates a provider whose issuer is `issuer` (no trailing slash), with a new RSA key.
    pub fn new(issuer: impl Into<String>, client: Client) -> anyhow::Result<Self> {
        Ok(Self {
            issuer: issuer.into(),
            client,
            key: SigningKey::generate()?,
            issued: Mutex::default(),
        })
    }

    /// The provider for a listener: its issuer is the listener's own address.
    pub fn on(listener: &TcpListener, client: Client) -> anyhow::Result<Self> {
        let address = listener
            .local_addr()
            .context("the provider's socket has no address")?;
        anyhow::ensure!(
            address.ip().is_loopback(),
            "the demo identity provider signs anyone in, so it listens on loopback only, not on {address}"
        );
        Self::new(format!("http://{address}"), client)
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(pages::home))
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize::show).post(authorize::choose))
            .route("/token", post(token::exchange))
            .route("/userinfo", get(userinfo::answer).post(userinfo::answer))
            .fallback(pages::not_found)
            .with_state(Arc::new(self))
    }

    /// Serves until `stop` is cancelled.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        axum::serve(listener, self.router())
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }
}

/// `Cache-Control: no-store`, on everything that contains a code, a token or a person (RFC 6749 section 5.1).
const NO_STORE: [(HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// Seconds since the epoch.
// The demo crate has no clock to pass around: expiry is tested through `codes`, which takes the time as a parameter.
#[allow(clippy::disallowed_methods)]
fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// An OAuth error as JSON (RFC 6749 section 5.2).
fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    (status, NO_STORE, Json(body)).into_response()
}

/// OpenID Connect Discovery 1.0, section 3.
async fn discovery(State(provider): State<Arc<Provider>>) -> Json<serde_json::Value> {
    let issuer = &provider.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "email"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash",
            "name", "given_name", "family_name", "preferred_username", "email", "email_verified",
        ],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "claims_parameter_supported": false,
    }))
}

async fn jwks(State(provider): State<Arc<Provider>>) -> Json<serde_json::Value> {
    Json(provider.key.jwks())
}

#[cfg(test)]
mod tests;
