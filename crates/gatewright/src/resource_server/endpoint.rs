//! `/mcp/{slug}`: the HTTP edge of a gateway.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
};
use gatewright_mcp::caller::Caller;
use http::{HeaderMap, Method, header::ORIGIN};

use super::{
    assertion::Identity,
    authenticate::{Authenticated, authenticate, is_still_good},
    plan::plan,
    refusal::Refusal,
};
use crate::{
    app::App, config::Config, directory::GatewayEntry, request::read_body, telemetry::RequestRecord,
};

/// Bytes of one message of a client: arguments of a tool may hold a document, not a film.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// Answers a request to a gateway.
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    slug: Result<Path<String>, PathRejection>,
    Extension(record): Extension<Arc<RequestRecord>>,
    request: Request,
) -> Response {
    let entry = match find(&app, slug.ok().as_deref()) {
        Ok(entry) => entry,
        Err(refusal) => return refusal.into_response(&app.config, None),
    };
    record.set_gateway(entry.gateway.id);
    match answer(&app, &entry, &record, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&app.config, Some(&entry)),
    }
}

/// The gateway of a slug, while the configuration is known to be current.
fn find(app: &App, slug: Option<&String>) -> Result<Arc<GatewayEntry>, Refusal> {
    let directory = app.directory.current(app.now()).map_err(|_| Refusal::Unchecked)?;
    slug.and_then(|slug| directory.gateway(slug))
        .cloned()
        .ok_or(Refusal::NoGateway)
}

async fn answer(
    app: &Arc<App>,
    entry: &Arc<GatewayEntry>,
    record: &RequestRecord,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    check_origin(&app.config, &head.headers)?;
    if !matches!(head.method, Method::POST | Method::GET | Method::DELETE) {
        return Err(Refusal::Method);
    }
    let authenticated = authenticate(app, entry, &head.headers, app.now()).await?;
    record.set_principal(&authenticated.principal);
    let identity = Identity {
        app,
        principal: &authenticated.principal,
        key: authenticated.key,
    };
    let caller = Caller {
        key: authenticated.key,
        identity: &identity,
    };
    let federation = &app.resource_server.federation;
    let response = match head.method {
        Method::GET => {
            let alive = still_alive(app, entry, &authenticated);
            federation.get(
                entry.gateway.id,
                caller,
                &head.headers,
                app.shutdown.clone(),
                alive,
            )
        }
        Method::DELETE => federation.delete(entry.gateway.id, caller, &head.headers),
        _ => {
            let body = read_body(body, BODY_MAX, BODY_DEADLINE).await?;
            let plan = plan(&app.resource_server, entry);
            let mut reached = None;
            let response = federation
                .post(plan, caller, &head.headers, &body, &mut reached)
                .await;
            let server = reached.and_then(|upstream| {
                entry
                    .servers
                    .iter()
                    .find(|server| server.server.id == upstream.config.id)
            });
            if let Some(server) = server {
                record.set_server(server);
            }
            response
        }
    };
    // axum wants every body in the same box.
    Ok(response.map(Body::new))
}

fn still_alive(
    app: &Arc<App>,
    entry: &GatewayEntry,
    caller: &Arc<Authenticated>,
) -> impl Fn() -> bool + Send + Sync + use<> {
    let (app, caller, gateway_id) = (Arc::clone(app), Arc::clone(caller), entry.gateway.id);
    move || is_still_good(&app, gateway_id, &caller)
}

/// Refuses web pages of other origins, whatever they know (2026-07-28 basic/transports/streamable-http, security).
fn check_origin(config: &Config, headers: &HeaderMap) -> Result<(), Refusal> {
    let ours = config.public_url().as_bytes();
    if headers
        .get_all(ORIGIN)
        .iter()
        .all(|origin| origin.as_bytes() == ours)
    {
        Ok(())
    } else {
        Err(Refusal::ForeignOrigin)
    }
}
