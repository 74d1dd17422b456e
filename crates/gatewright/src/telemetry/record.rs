//! What the one log line of a request says. Handlers add what they learn: `Extension<Arc<RequestRecord>>`.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::extract::MatchedPath;
use gatewright_domain::{
    id::GatewayId,
    principal::{Principal, Proof},
};
use http::Method;

use crate::directory::ServerEntry;

/// The target of request lines, for `log.level`.
const TARGET: &str = "gatewright::request";

/// Facts for the log line. Setting a field twice keeps the first value; all setters are cheap and take no lock.
#[derive(Debug)]
pub struct RequestRecord {
    id: String,
    method: Method,
    peer: IpAddr,
    started: Instant,
    route: OnceLock<MatchedPath>,
    gateway: OnceLock<GatewayId>,
    principal: OnceLock<Arc<Principal>>,
    client: OnceLock<String>,
    server: OnceLock<Arc<ServerEntry>>,
}

impl RequestRecord {
    /// The record of a request that begins now.
    pub fn new(id: String, method: Method, peer: IpAddr) -> Self {
        Self {
            id,
            method,
            peer,
            started: Instant::now(),
            route: OnceLock::new(),
            gateway: OnceLock::new(),
            principal: OnceLock::new(),
            client: OnceLock::new(),
            server: OnceLock::new(),
        }
    }

    /// Who is at the other end of the connection: the client or a proxy.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The template of the route, like `/mcp/{slug}`.
    pub fn set_route(&self, route: &MatchedPath) {
        let _ = self.route.set(route.clone());
    }

    /// The gateway the request is for.
    pub fn set_gateway(&self, gateway: GatewayId) {
        let _ = self.gateway.set(gateway);
    }

    /// Who makes the request.
    pub fn set_principal(&self, principal: &Arc<Principal>) {
        let _ = self.principal.set(Arc::clone(principal));
    }

    /// The OAuth client, in the short form grants carry, where no principal tells it.
    pub fn set_client(&self, client: impl Into<String>) {
        let _ = self.client.set(client.into());
    }

    /// The server the request went to.
    pub fn set_server(&self, server: &Arc<ServerEntry>) {
        let _ = self.server.set(Arc::clone(server));
    }

    /// The template of the route; `unmatched` when none fits, so that made-up paths stay out of logs and metrics.
    pub fn route(&self) -> &str {
        self.route.get().map_or("unmatched", MatchedPath::as_str)
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Writes the line. `status` is nothing when the client went away before there was an answer.
    pub fn log(&self, status: Option<u16>) {
        let principal = self.principal.get();
        let user = principal.map(|principal| principal.assertion_subject());
        let source = principal.and_then(|principal| match &principal.proof {
            Proof::Grant { user_source_id, .. } => Some(tracing::field::display(*user_source_id)),
            Proof::Key(_) => None,
        });
        let client = self.client.get().map(String::as_str).or_else(|| {
            principal.and_then(|principal| match &principal.proof {
                Proof::Grant { client_id, .. } => Some(client_id.as_str()),
                Proof::Key(_) => None,
            })
        });
        let elapsed = self.started.elapsed();
        // Microseconds in milliseconds: enough digits, and none that mean nothing.
        let duration_ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    request_id = self.id,
                    method = self.method.as_str(),
                    route = self.route(),
                    status,
                    duration_ms,
                    gateway = self.gateway.get().map(tracing::field::display),
                    user,
                    source,
                    // The provider's own value: written in quotes, so that it cannot look like another field or line.
                    subject = principal.map(|principal| tracing::field::debug(&principal.subject)),
                    client,
                    server = self.server.get().map(|entry| entry.server.slug.as_str()),
                    "request"
                )
            };
        }
        // Probes come every few seconds for ever and say nothing.
        match self.route() {
            "/healthz" | "/readyz" | "/metrics" => line!(tracing::Level::DEBUG),
            _ => line!(tracing::Level::INFO),
        }
    }
}
