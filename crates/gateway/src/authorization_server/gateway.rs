//! Which gateway a request is for. Only an active gateway that people sign in to, at a User Source or as members, has an
//! authorization server; any other looks like one that does not exist. The log line of a request names the
//! gateway that is found here.

use std::sync::Arc;

use gatewright_domain::id::GatewayId;

use super::AuthorizationServer;
use crate::{
    directory::{GatewayEntry, Stale},
    request::RequestContext,
};

/// Why there is no gateway for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GatewayError {
    /// Unknown, inactive, or of another mode.
    #[error("no such gateway, or it does not sign users in with OAuth")]
    NotFound,
    /// The directory is out of date.
    #[error(transparent)]
    Stale(#[from] Stale),
}

/// The gateway of a slug.
pub(super) fn by_slug(
    app: &AuthorizationServer,
    context: &RequestContext,
    slug: &str,
) -> Result<Arc<GatewayEntry>, GatewayError> {
    let directory = app.directory.current()?;
    Ok(found(context, signs_in(directory.gateway(slug))?))
}

/// The gateway of an id.
pub(super) fn by_id(
    app: &AuthorizationServer,
    context: &RequestContext,
    id: GatewayId,
) -> Result<Arc<GatewayEntry>, GatewayError> {
    let directory = app.directory.current()?;
    Ok(found(context, signs_in(directory.gateway_by_id(id))?))
}

/// The gateway that a resource indicator names (RFC 8707), for requests to the root.
pub(super) fn by_resource(
    app: &AuthorizationServer,
    context: &RequestContext,
    resource: &str,
) -> Result<Arc<GatewayEntry>, GatewayError> {
    let path = resource.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    let slug = path.rsplit('/').next().unwrap_or_default();
    let directory = app.directory.current()?;
    let entry = signs_in(directory.gateway(slug))?;
    if gatewright_oauth::resource::names(resource, &entry.url) {
        Ok(found(context, entry))
    } else {
        Err(GatewayError::NotFound)
    }
}

/// Has the log line of the request name the gateway.
fn found(context: &RequestContext, entry: Arc<GatewayEntry>) -> Arc<GatewayEntry> {
    context.record().set_gateway(entry.gateway.id);
    entry
}

fn signs_in(entry: Option<&Arc<GatewayEntry>>) -> Result<Arc<GatewayEntry>, GatewayError> {
    entry
        .filter(|entry| entry.gateway.authentication.is_oauth())
        .cloned()
        .ok_or(GatewayError::NotFound)
}
