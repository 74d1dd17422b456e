//! Discovery: protected resource metadata (RFC 9728), authorization server metadata (RFC 8414) in both of its forms and
//! positions, and the key set.

use std::sync::{Arc, OnceLock};

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use bytes::Bytes;
use gatewright_oauth::metadata::{
    AuthorizationServerMetadata, Facts, OpenIdConfiguration, ProtectedResourceMetadata,
};
use serde::Serialize;

use super::AuthorizationServer;
use super::{
    answer,
    gateway::{self, GatewayError},
};
use crate::{directory::Documents, request::RequestContext};

/// The document at this path, with the template of its route, if it is the first that clients ask for: the well-known
/// name inserted before the gateway's path (RFC 8414 section 3.1, RFC 9728 section 3.1). Every client reads these before
/// anything else, and finding the way through the router costs more than the answer, so [`crate::front`] asks here before.
pub(crate) fn first_asked(
    app: &AuthorizationServer,
    context: &RequestContext,
    path: &str,
) -> Option<(&'static str, Response)> {
    let (name, slug) = path.strip_prefix("/.well-known/")?.split_once("/mcp/")?;
    // A slug needs no percent-encoding, and every other form of the path is the router's.
    if slug.is_empty() || slug.contains(['/', '%']) {
        return None;
    }
    let (route, answer) = match name {
        "oauth-protected-resource" => (
            "/.well-known/oauth-protected-resource/mcp/{slug}",
            document::<ProtectedResourceMetadata>(app, context, slug),
        ),
        "oauth-authorization-server" => (
            "/.well-known/oauth-authorization-server/mcp/{slug}",
            document::<AuthorizationServerMetadata>(app, context, slug),
        ),
        _ => return None,
    };
    Some((route, answer::open(answer)))
}

/// A document about a gateway.
pub(super) trait Document: Serialize {
    /// Where it is kept while the configuration stays the same.
    fn kept(documents: &Documents) -> &OnceLock<Bytes>;

    /// The document.
    fn new(facts: &Facts<'_>) -> Self;
}

macro_rules! documents {
    ($($document:ident: $place:ident),* $(,)?) => {$(
        impl Document for $document {
            fn kept(documents: &Documents) -> &OnceLock<Bytes> {
                &documents.$place
            }

            fn new(facts: &Facts<'_>) -> Self {
                Self::new(facts)
            }
        }
    )*};
}
documents!(
    ProtectedResourceMetadata: protected_resource,
    AuthorizationServerMetadata: authorization_server,
    OpenIdConfiguration: openid_configuration,
);

/// The handler of a document.
pub(super) async fn show<D: Document>(
    State(app): State<Arc<AuthorizationServer>>,
    Extension(context): Extension<RequestContext>,
    Path(slug): Path<String>,
) -> Response {
    document::<D>(&app, &context, &slug)
}

/// The public keys of the instance, for access tokens and identity assertions (RFC 7517 section 5).
pub(super) async fn keys(State(app): State<Arc<AuthorizationServer>>) -> Response {
    answer::metadata(app.signing.jwks())
}

/// Any other well-known path: clients that probe continue after a 404 and may give up on anything else.
pub(super) async fn unknown() -> Response {
    answer::not_found()
}

/// The document of a gateway, as it was written at the first request since the configuration changed.
fn document<D: Document>(app: &AuthorizationServer, context: &RequestContext, slug: &str) -> Response {
    let entry = match gateway::by_slug(app, context, slug) {
        Ok(entry) => entry,
        Err(GatewayError::NotFound) => return answer::not_found(),
        Err(GatewayError::Stale(_)) => return answer::unavailable(),
    };
    let document = D::kept(&entry.documents).get_or_init(|| {
        let jwks_uri = format!("{}/.well-known/jwks.json", app.config.public_url());
        let facts = Facts {
            issuer: &entry.url,
            name: &entry.gateway.name,
            jwks_uri: &jwks_uri,
            dynamic_registration: entry.gateway.settings.dynamic_registration,
            metadata_documents: entry.gateway.settings.metadata_documents,
        };
        let json = serde_json::to_vec(&<D as Document>::new(&facts));
        Bytes::from(json.expect("metadata is made of texts and lists of them"))
    });
    answer::metadata(document.clone())
}
