//! Trying a gateway out: a tool is called for someone who looks at its pages, by the way that clients' requests go: the
//! same plan of servers and tools, the same signing of who is calling, the same limits. What differs is who vouches for the
//! caller (a session or a key of an administrator, and no token), and that what the server received is kept to be shown.

mod outcome;
mod recorded;
mod report;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_core::running::Place;
use gatewright_domain::{id::ServerId, principal::Principal};
use gatewright_mcp::{
    caller::{Alive, Busy, Caller, Identify, RuleClass, Runs},
    credentials::{Asked, Credentials, Granted},
    endpoint::Reached,
    listing::ListKind,
    own_client::{OfferedItem, OwnRequest},
    upstream::{Unavailable, UpstreamConfig},
};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

pub use self::{outcome::Outcome, report::Report};
use super::{
    ResourceServer,
    assertion::Identity,
    authenticate::{Authenticated, Good},
    plan::plan,
};
use crate::directory::{GatewayEntry, ServerEntry};

/// Reports that are kept of one call.
pub const REPORTS_MAX: usize = 100;
/// No one looks at a page for longer while nothing happens. The server's own timeout may be shorter.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// No trial lasts longer, whatever its server reports.
pub const LONGEST: Duration = Duration::from_mins(10);

/// Hears what a server reports, as it comes. It must not block.
pub type Heard<'a> = &'a (dyn Fn(&Report) + Send + Sync);

/// The result of a call.
#[derive(Debug)]
pub struct Tried {
    /// The server it went to; nothing when it went to none.
    pub server: Option<Arc<ServerEntry>>,
    /// What that server received about the caller.
    pub told: Told,
    /// What it answered.
    pub outcome: Outcome,
    /// What it reported before that, the first [`REPORTS_MAX`] reports.
    pub reports: Vec<Report>,
    /// How long it took, as the person waited for it.
    pub duration: Duration,
}

/// What a server received about the caller.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Told {
    /// The claims of the identity assertion, for a server that gets one.
    pub claims: Option<Map<String, Value>>,
    /// The headers we added, by name: their values may be secrets.
    pub headers: Vec<String>,
}

/// The assertions that were handed out in a trial, by server.
type HandedOut = Mutex<Vec<(ServerId, HeaderValue)>>;

/// The caller of a trial, whose assertions are kept as they are handed out.
struct Recording<'a> {
    identity: Identity<'a>,
    handed_out: Arc<HandedOut>,
}

/// The same for work that outlives the trial.
struct KeptRecording {
    identity: Arc<dyn Identify>,
    handed_out: Arc<HandedOut>,
}

/// Notes what is handed out to a server.
fn note(handed_out: &HandedOut, server: ServerId, granted: &Granted) {
    let Ok(Credentials {
        assertion: Some(assertion),
    }) = granted
    else {
        return;
    };
    let mut handed_out = handed_out.lock().unwrap_or_else(PoisonError::into_inner);
    handed_out.retain(|(id, _)| *id != server);
    handed_out.push((server, assertion.clone()));
}

/// What is asked for, noted once it is here.
fn noting<'a>(handed_out: &'a HandedOut, server: ServerId, asked: Asked<'a>) -> Asked<'a> {
    match asked {
        Asked::Known(granted) => {
            note(handed_out, server, &granted);
            Asked::Known(granted)
        }
        Asked::Awaited(waiting) => Asked::Awaited(Box::pin(async move {
            let granted = waiting.await;
            note(handed_out, server, &granted);
            granted
        })),
    }
}

impl Identify for KeptRecording {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        noting(&self.handed_out, server.id, self.identity.credentials(server))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(Self {
            identity: Arc::clone(&self.identity),
            handed_out: Arc::clone(&self.handed_out),
        })
    }

    fn alive(&self) -> Alive {
        self.identity.alive()
    }
}

impl Identify for Recording<'_> {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        noting(&self.handed_out, server.id, self.identity.credentials(server))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(KeptRecording {
            identity: self.identity.kept(),
            handed_out: Arc::clone(&self.handed_out),
        })
    }

    fn alive(&self) -> Alive {
        self.identity.alive()
    }

    fn admit(&self, what: Runs) -> Result<(), Busy> {
        self.identity.admit(what)
    }
}

impl<'a> Recording<'a> {
    fn new(app: &'a Arc<ResourceServer>, caller: &'a Arc<Authenticated>, place: &'a OnceLock<Place>) -> Self {
        Self {
            identity: Identity {
                app,
                caller,
                gateway_id: caller.principal.gateway_id,
                place,
                record: None,
            },
            handed_out: Arc::default(),
        }
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            key: self.identity.caller.key,
            class: RuleClass::EVERYONE,
            identity: self,
            conversation: None,
        }
    }

    /// What a server received with the last request.
    fn told(&self, server: &ServerEntry) -> Told {
        let handed_out = self.handed_out.lock().unwrap_or_else(PoisonError::into_inner);
        let assertion = handed_out.iter().find(|(id, _)| *id == server.server.id);
        let claims = assertion.and_then(|(_, value)| claims_of(value.to_str().ok()?));
        drop(handed_out);
        let mut headers: Vec<_> = server.headers.iter().map(|(name, _)| name.to_string()).collect();
        if claims.is_some() {
            headers.push("gatewright-assertion".to_owned());
        }
        headers.sort_unstable();
        headers.dedup();
        Told { claims, headers }
    }
}

/// The claims of a token of ours, which no one needs to verify here.
fn claims_of(token: &str) -> Option<Map<String, Value>> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn authenticated(app: &ResourceServer, principal: Principal) -> Arc<Authenticated> {
    Arc::new(Authenticated::new(app, principal, "", Good::Trial))
}

/// What a gateway offers of a kind to anyone who tries it out.
pub async fn offered(
    app: &Arc<ResourceServer>,
    entry: &GatewayEntry,
    principal: Principal,
    kind: ListKind,
) -> Result<Vec<OfferedItem>, Unavailable> {
    let caller = authenticated(app, principal);
    let place = OnceLock::new();
    let recording = Recording::new(app, &caller, &place);
    let federation = &app.federation;
    let plan = plan(app, entry);
    federation.offered(plan, kind, recording.caller()).await
}

/// Makes a request: calls a tool, gets a prompt or reads a resource. What its server reports is heard as it comes. Dropping
/// this gives the request up, and its server learns so.
pub async fn ask(
    app: &Arc<ResourceServer>,
    entry: &GatewayEntry,
    principal: Principal,
    asked: OwnRequest<'_>,
    heard: Heard<'_>,
) -> Tried {
    let caller = authenticated(app, principal);
    let place = OnceLock::new();
    let recording = Recording::new(app, &caller, &place);
    let federation = &app.federation;
    let plan = plan(app, entry);
    let mut reached = Reached::default();
    let begun = Instant::now();
    let asking = federation.ask(plan, recording.caller(), asked, &mut reached);
    let (outcome, reports) = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(response) => outcome::read(response, begun + LONGEST, heard).await,
        Err(_) => (Outcome::Late, Vec::new()),
    };
    let duration = begun.elapsed();
    recorded::record(app, &caller, entry.gateway.id, &mut reached, &outcome, duration);
    if let Some(reason) = reached.failure {
        let server = reached.server.as_ref().map(|upstream| upstream.config.id);
        app.telemetry.count_upstream_error(server, reason);
    }
    let server = reached.server.and_then(|upstream| {
        let mut servers = entry.servers.iter();
        servers
            .find(|server| server.server.id == upstream.config.id)
            .cloned()
    });
    Tried {
        told: server
            .as_ref()
            .map(|server| recording.told(server))
            .unwrap_or_default(),
        server,
        outcome,
        reports,
        duration,
    }
}
