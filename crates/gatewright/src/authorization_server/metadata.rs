//! Discovery: protected resource metadata (RFC 9728), authorization server metadata (RFC 8414) in both of its forms and
//! positions, and the key set.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use gatewright_oauth::metadata::{
    AuthorizationServerMetadata, Facts, OpenIdConfiguration, ProtectedResourceMetadata,
};
use serde::Serialize;

use super::{
    answer,
    gateway::{self, GatewayError},
};
use crate::app::App;

/// `oauth-protected-resource`.
pub(super) async fn protected_resource(State(app): State<Arc<App>>, Path(slug): Path<String>) -> Response {
    document(&app, &slug, ProtectedResourceMetadata::new)
}

/// `oauth-authorization-server`.
pub(super) async fn authorization_server(State(app): State<Arc<App>>, Path(slug): Path<String>) -> Response {
    document(&app, &slug, AuthorizationServerMetadata::new)
}

/// `openid-configuration`.
pub(super) async fn openid_configuration(State(app): State<Arc<App>>, Path(slug): Path<String>) -> Response {
    document(&app, &slug, OpenIdConfiguration::new)
}

/// The public keys of the instance, for access tokens and identity assertions (RFC 7517 section 5).
pub(super) async fn keys(State(app): State<Arc<App>>) -> Response {
    answer::ready_metadata(app.signing.jwks())
}

/// Any other well-known path: clients that probe go on after a 404 and may give up on anything else.
pub(super) async fn unknown() -> Response {
    answer::not_found()
}

fn document<D: Serialize>(app: &App, slug: &str, build: fn(&Facts<'_>) -> D) -> Response {
    let entry = match gateway::by_slug(app, slug) {
        Ok(entry) => entry,
        Err(GatewayError::NotFound) => return answer::not_found(),
        Err(GatewayError::Stale(_)) => return answer::unavailable(),
    };
    let jwks_uri = format!("{}/.well-known/jwks.json", app.config.public_url());
    answer::metadata(&build(&Facts {
        issuer: &entry.url,
        name: &entry.gateway.name,
        jwks_uri: &jwks_uri,
        dynamic_registration: entry.gateway.settings.dynamic_registration,
        metadata_documents: entry.gateway.settings.metadata_documents,
    }))
}
