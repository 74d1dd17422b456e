//! What the one log line of a request says. Handlers add what they learn through
//! [`RequestContext::record`](crate::request::RequestContext::record).

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::extract::MatchedPath;
use gatewright_domain::{
    grant::Person,
    id::GatewayId,
    principal::{Principal, Proof},
};
use http::Method;

use super::notes::Notes;
use crate::{directory::ServerEntry, request_id::RequestId, running::Place};

/// The target of request lines, for `log.level`.
pub(super) const TARGET: &str = "gatewright::request";

/// The template of a route.
#[derive(Debug)]
pub enum Route {
    /// Found by hand.
    Known(&'static str),
    /// Found by the router.
    Matched(MatchedPath),
}

/// Facts for the log line. Setting a field twice keeps the first value; all setters are cheap and take no lock.
#[derive(Debug)]
pub struct RequestRecord {
    id: RequestId,
    method: Method,
    peer: IpAddr,
    started: Instant,
    route: OnceLock<Route>,
    gateway: OnceLock<GatewayId>,
    principal: OnceLock<Arc<Principal>>,
    client: OnceLock<String>,
    server: OnceLock<Arc<ServerEntry>>,
    place: OnceLock<Place>,
    notes: Notes,
}

impl RequestRecord {
    /// The record of a request that begins now.
    pub fn new(id: RequestId, method: Method, peer: IpAddr) -> Self {
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
            place: OnceLock::new(),
            notes: Notes::default(),
        }
    }

    /// Its id, as it stands in log lines and problems.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Who is at the other end of the connection: the client or a proxy.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The template of the route, like `/mcp/{slug}`.
    pub fn set_route(&self, route: Route) {
        let _ = self.route.set(route);
    }

    /// The gateway the request is for.
    pub fn set_gateway(&self, gateway: GatewayId) {
        let _ = self.gateway.set(gateway);
    }

    /// Who makes the request.
    pub fn set_principal(&self, principal: &Arc<Principal>) {
        let _ = self.principal.set(Arc::clone(principal));
    }

    /// The OAuth client, in the short form that grants carry. Without it, the line names the client of the principal.
    pub fn set_client(&self, client: impl Into<String>) {
        let _ = self.client.set(client.into());
    }

    /// The server the request went to.
    pub fn set_server(&self, server: &Arc<ServerEntry>) {
        let _ = self.server.set(Arc::clone(server));
    }

    /// The server the request went to.
    pub fn server(&self) -> Option<&ServerEntry> {
        self.server.get().map(Arc::as_ref)
    }

    /// The same, to be kept.
    pub fn server_entry(&self) -> Option<&Arc<ServerEntry>> {
        self.server.get()
    }

    /// The place of the request among what runs at once: it is returned with the record, after the last byte of the
    /// answer.
    pub fn place(&self) -> &OnceLock<Place> {
        &self.place
    }

    /// The gateway the request is for.
    pub fn gateway(&self) -> Option<GatewayId> {
        self.gateway.get().copied()
    }

    /// What it leaves for the activity.
    pub const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The template of the route; `unmatched` when none fits, so that made-up paths stay out of logs and metrics.
    pub fn route(&self) -> &str {
        match self.route.get() {
            Some(Route::Known(template)) => template,
            Some(Route::Matched(path)) => path.as_str(),
            None => "unmatched",
        }
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Writes the line. `status` is nothing when the client went away before there was an answer.
    pub fn log(&self, status: Option<u16>) {
        macro_rules! line {
            ($level:expr) => {
                // One field that writes the whole line: a dozen of them cost more than all the rest of a line.
                tracing::event!(target: TARGET, $level, line = tracing::field::display(Line { record: self, status }))
            };
        }
        // Probes come every few seconds forever and say nothing.
        match self.route() {
            "/healthz" | "/readyz" | "/metrics" => line!(tracing::Level::DEBUG),
            _ => line!(tracing::Level::INFO),
        }
    }
}

/// The fields of a line: ` name=value` each, or in the alternate form members of a JSON object, each after a comma.
struct Line<'a> {
    record: &'a RequestRecord,
    status: Option<u16>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        let mut fields = Fields {
            json: f.alternate(),
            f,
        };
        fields.id("request_id", record.id)?;
        fields.text("method", record.method.as_str())?;
        fields.text("route", record.route())?;
        if let Some(status) = self.status {
            fields.bare("status", format_args!("{status}"))?;
        }
        // Microseconds in milliseconds: enough digits, and none that mean nothing.
        let micros = record.started.elapsed().as_micros();
        fields.bare(
            "duration_ms",
            format_args!("{}.{:03}", micros / 1_000, micros % 1_000),
        )?;
        if let Some(gateway) = record.gateway.get() {
            fields.id("gateway", *gateway)?;
        }
        let principal = record.principal.get();
        if let Some(principal) = principal {
            match &principal.proof {
                Proof::Grant { person, .. } => match person {
                    Person::User {
                        user_id,
                        user_source_id,
                        ..
                    } => {
                        fields.id("user", *user_id)?;
                        fields.id("source", *user_source_id)?;
                    }
                    Person::Member(account_id) => fields.id("user", *account_id)?,
                },
                Proof::Key(_) | Proof::Trial(_) => fields.text("user", &principal.assertion_subject())?,
            }
            fields.text("subject", &principal.subject)?;
        }
        let of_grant = principal.and_then(|principal| match &principal.proof {
            Proof::Grant { client_id, .. } => Some(client_id),
            Proof::Key(_) | Proof::Trial(_) => None,
        });
        if let Some(client) = record.client.get().or(of_grant) {
            fields.text("client", client)?;
        }
        if let Some(entry) = record.server.get() {
            fields.text("server", &entry.server.slug)?;
        }
        if let Some(trace) = record.notes.trace.get() {
            fields.id("trace_id", *trace)?;
        }
        Ok(())
    }
}

struct Fields<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    json: bool,
}

impl Fields<'_, '_> {
    fn name(&mut self, name: &str) -> fmt::Result {
        let [before, after] = if self.json { [",\"", "\":"] } else { [" ", "="] };
        self.f.write_str(before)?;
        self.f.write_str(name)?;
        self.f.write_str(after)
    }

    /// A number, already in digits.
    fn bare(&mut self, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        self.name(name)?;
        self.f.write_fmt(value)
    }

    /// An id of ours, which has no character that means anything in a line.
    fn id(&mut self, name: &str, id: impl fmt::Display) -> fmt::Result {
        self.bare(name, format_args!("\"{id}\""))
    }

    /// Any text, in quotes and escaped: what a provider or a client says cannot look like another field or line.
    fn text(&mut self, name: &str, text: &str) -> fmt::Result {
        self.name(name)?;
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if text.bytes().all(plain) {
            self.f.write_str("\"")?;
            self.f.write_str(text)?;
            self.f.write_str("\"")
        } else if self.json {
            let quoted = serde_json::to_string(text).map_err(|_| fmt::Error)?;
            self.f.write_str(&quoted)
        } else {
            // Without the alternate form of the line, or the text would take it over.
            self.f.write_fmt(format_args!("{text:?}"))
        }
    }
}
