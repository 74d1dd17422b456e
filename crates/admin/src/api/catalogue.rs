//! `/provider-presets` and `/known-clients`: what this program knows about providers and clients of others.

use std::sync::Arc;

use axum::extract::State;
use gatewright_store::Page;

use super::{authenticate::Caller, list::List};
use gatewright_gateway::known_clients::{KNOWN_CLIENTS, KnownClient};

use crate::{
    Admin,
    service::provider_presets::{self, ProviderPreset},
};

/// List how to connect each kind of identity provider
#[utoipa::path(get, path = "/api/v1/provider-presets", tag = "Catalogue", responses((status = 200, body = List<ProviderPreset>, description = "All of them, on one page.")))]
pub(super) async fn list_provider_presets(
    _caller: Caller,
    State(app): State<Arc<Admin>>,
) -> List<ProviderPreset> {
    whole(provider_presets::list(&app))
}

/// List the clients that can be trusted by name
#[utoipa::path(get, path = "/api/v1/known-clients", tag = "Catalogue", responses((status = 200, body = List<KnownClient>, description = "All of them, on one page.")))]
pub(super) async fn list_known_clients(_caller: Caller) -> List<KnownClient> {
    whole(KNOWN_CLIENTS.to_vec())
}

/// A list short enough for one page.
fn whole<T>(items: Vec<T>) -> List<T> {
    List::of(Page { items, next: None }, |item| item)
}
