//! The authorization server towards MCP clients: one per gateway in User Source mode, whose issuer is the gateway's URL
//! (OAuth 2.1; MCP 2026-07-28, authorization).

mod answer;
mod arrivals;
mod authorize;
mod client;
mod client_keys;
pub(crate) mod code;
mod code_grant;
pub(crate) mod connections;
mod consent;
mod departure;
mod failed_proofs;
mod gateway;
pub mod known_clients;
mod known_documents;
mod limits;
mod members;
mod metadata;
mod metadata_document;
mod often;
mod opening;
mod refresh_grant;
mod refresh_text;
mod register;
mod reuse;
mod revoke;
mod root;
#[cfg(any(test, feature = "testing"))]
#[allow(missing_docs, clippy::unwrap_used, reason = "for tests")]
pub mod testing;
#[cfg(test)]
mod tests;
mod token;

pub use answer::form;
pub(crate) use answer::{redirect, retry_later};
pub use arrivals::Carried;
pub(crate) use authorize::{show, unavailable_page};
pub(crate) use consent::decide;
#[cfg(test)]
pub(crate) use departure::fits;
pub(crate) use departure::{Departure, Outcome, carried, no_departure_page};
pub(crate) use limits::TOO_MANY_ADVICE;
pub(crate) use metadata::first_asked;
pub(crate) use root::authorize as show_at_root;

use std::{ops::Deref, sync::Arc};

use axum::{
    Router, middleware,
    response::Response,
    routing::{MethodRouter, get, post},
};

use gatewright_core::Core;
use gatewright_domain::id::GatewayId;
use gatewright_oauth::metadata::{
    AuthorizationServerMetadata, OpenIdConfiguration, ProtectedResourceMetadata,
};
use gatewright_store::StoreError;

use crate::{
    admission::{Admission, Overloaded},
    request::RequestContext,
    resource_server::ResourceServer,
    sign_in_trace::SignInTrace,
};

/// State: metadata documents and keys fetched lately, and how often who has been here or came back; and the parts it uses.
#[derive(Debug)]
pub struct AuthorizationServer {
    core: Arc<Core>,
    admission: Arc<Admission>,
    sign_in_trace: Arc<SignInTrace>,
    resource_server: Arc<ResourceServer>,
    documents: metadata_document::Documents,
    client_keys: client_keys::ClientKeys,
    limits: limits::Limits,
    consent_uses: often::ConsentUses,
    arrivals: arrivals::Arrivals,
}

impl Deref for AuthorizationServer {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl AuthorizationServer {
    /// Nothing is known yet of clients.
    pub(crate) fn new(
        core: Arc<Core>,
        admission: Arc<Admission>,
        sign_in_trace: Arc<SignInTrace>,
        resource_server: Arc<ResourceServer>,
    ) -> Self {
        Self {
            core,
            admission,
            sign_in_trace,
            resource_server,
            documents: metadata_document::Documents::default(),
            client_keys: client_keys::ClientKeys::default(),
            limits: limits::Limits::default(),
            consent_uses: often::ConsentUses::default(),
            arrivals: arrivals::Arrivals::default(),
        }
    }

    /// Reads what is new in the directory, after a committed change.
    async fn refresh_directory(&self) -> Result<(), StoreError> {
        self.resource_server.refresh_directory().await
    }

    /// The page for a browser that comes back from an identity provider when too many from its network do; `None` when
    /// it may go on. One that carries the sign-in it comes back for does not wait behind those that carry none, nor behind
    /// one sign-in that comes back again and again, nor behind those of another gateway.
    pub fn refuse_return(&self, context: &RequestContext, carried: Option<Carried>) -> Option<Response> {
        let (action, gateway) = match carried {
            Some(carried) if self.arrivals.count(carried.state) => (limits::Action::Return, carried.gateway),
            _ => (limits::Action::ReturnAstray, None),
        };
        let limited = self.limits.check(action, context, gateway).err()?;
        Some(authorize::limited_page(limited, context.id.reference()))
    }

    /// The page for a browser that cannot be served now because there is more to do than this process can.
    pub(crate) fn overloaded_page(overloaded: Overloaded, context: &RequestContext) -> Response {
        authorize::limited_page(overloaded.into(), context.id.reference())
    }

    /// The page for a browser that is about to begin a sign-in which ends in no code, at this gateway if it is at one, when too
    /// many do.
    pub(crate) fn refuse_begin(
        &self,
        context: &RequestContext,
        gateway: Option<GatewayId>,
    ) -> Option<Response> {
        let limited = self
            .limits
            .check(limits::Action::BeginSignIn, context, gateway)
            .err()?;
        Some(authorize::limited_page(limited, context.id.reference()))
    }

    /// Leaves a network no returns for the next hour.
    #[cfg(any(test, feature = "testing"))]
    pub fn use_up_returns(&self, context: &RequestContext) {
        self.limits.use_up(limits::Action::Return, context);
    }
}

/// Routes for programs, also in browsers: they answer any origin. What people see never does; that is the authorization
/// endpoint, which has its own routes.
pub(crate) fn routes() -> Router<Arc<AuthorizationServer>> {
    open().layer(middleware::from_fn(answer::open_to_any_origin))
}

fn open() -> Router<Arc<AuthorizationServer>> {
    Router::new()
        .route("/mcp/{slug}/oauth2/token", to_programs(post(token::exchange)))
        .route(
            "/mcp/{slug}/oauth2/register",
            to_programs(post(register::at_gateway)),
        )
        .route("/mcp/{slug}/oauth2/revoke", to_programs(post(revoke::revoke)))
        .route("/token", to_programs(post(root::token)))
        .route("/register", to_programs(post(register::at_root)))
        .route("/revoke", to_programs(post(root::revoke)))
        .merge(well_known())
}

/// A route that scripts of any origin may call: it answers their preflight.
fn to_programs(route: MethodRouter<Arc<AuthorizationServer>>) -> MethodRouter<Arc<AuthorizationServer>> {
    route.options(answer::preflight)
}

/// Clients look for metadata in all of these places, some with the trailing slash that was entered.
fn well_known() -> Router<Arc<AuthorizationServer>> {
    let mut router = Router::new()
        .route("/.well-known/jwks.json", to_programs(get(metadata::keys)))
        .route("/.well-known/{*rest}", to_programs(get(metadata::unknown)))
        .route(
            "/mcp/{slug}/.well-known/{*rest}",
            to_programs(get(metadata::unknown)),
        );
    for slash in ["", "/"] {
        let inserted = |name: &str| format!("/.well-known/{name}/mcp/{{slug}}{slash}");
        let appended = |name: &str| format!("/mcp/{{slug}}/.well-known/{name}{slash}");
        for position in [&inserted as &dyn Fn(&str) -> String, &appended] {
            router = router
                .route(
                    &position("oauth-protected-resource"),
                    to_programs(get(metadata::show::<ProtectedResourceMetadata>)),
                )
                .route(
                    &position("oauth-authorization-server"),
                    to_programs(get(metadata::show::<AuthorizationServerMetadata>)),
                )
                .route(
                    &position("openid-configuration"),
                    to_programs(get(metadata::show::<OpenIdConfiguration>)),
                );
        }
    }
    router
}
