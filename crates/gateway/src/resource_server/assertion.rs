//! The signed identity assertion: how a server receives the identity of the user.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use gatewright_core::running::Place;
use gatewright_domain::{
    Timestamp,
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
    principal::Principal,
    trace_context::{NamedTrace, SpanId},
};
use gatewright_mcp::{
    caller::{self, Alive, Busy, CallerKey, Identify, Runs},
    carried::Carried,
    credentials::{Asked, Credentials, Granted, NoCredentials},
    upstream::UpstreamConfig,
};
use http::HeaderValue;
use moka::sync::Cache;
use serde::Serialize;

use super::ResourceServer;
use super::authenticate::{Authenticated, is_still_good};
use crate::{request::RequestId, telemetry::RequestRecord};

/// An assertion lives this long.
const LIFE: Duration = Duration::from_mins(1);
/// One assertion serves a user's calls to a server this long, so that no call gets one that is about to expire.
const REUSED_FOR: Duration = Duration::from_secs(30);
/// Assertions kept; about a kilobyte each.
const KEPT_MAX: u64 = 10_000;

/// What a server receives.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    /// Inside which project all of this means something: a server must check it.
    project: ProjectId,
    sub: String,
    iat: i64,
    exp: i64,
    /// The raw value that names the user: of the subject claim or the user id header, or a member's account id.
    subject: &'a str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_source: Option<UserSourceId>,
    gateway: GatewayId,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
}

/// Who acts for the user, where it is not the user's own client (RFC 8693 section 4.1).
#[derive(Debug, Serialize)]
struct Actor {
    sub: String,
}

#[derive(Debug)]
struct Signed {
    /// Whom it was signed for: a server that moved gets a new one at once.
    audience: String,
    /// Whom it speaks of; a changed name or address makes a new one necessary.
    principal: Arc<Principal>,
    at: Timestamp,
    value: HeaderValue,
}

/// Assertions signed a moment ago.
#[derive(Debug)]
pub(super) struct Assertions {
    signed: Cache<(CallerKey, ServerId), Arc<Signed>>,
}

impl Default for Assertions {
    fn default() -> Self {
        Self {
            signed: Cache::builder()
                .max_capacity(KEPT_MAX)
                .time_to_live(REUSED_FOR)
                .build(),
        }
    }
}

/// The user of one request, for the servers that receive it.
pub(super) struct Identity<'a> {
    pub(super) app: &'a Arc<ResourceServer>,
    pub(super) caller: &'a Arc<Authenticated>,
    pub(super) gateway_id: GatewayId,
    /// Holds the place among what runs at once until the answer has ended.
    pub(super) place: &'a OnceLock<Place>,
    /// The request, where it came over HTTP.
    pub(super) record: Option<&'a RequestRecord>,
}

impl Identify for Identity<'_> {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        Asked::Known(credentials(self.app, self.caller, server))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(KeptIdentity {
            app: Arc::clone(self.app),
            caller: Arc::clone(self.caller),
            gateway_id: self.gateway_id,
        })
    }

    fn alive(&self) -> Alive {
        alive(self.app, self.caller, self.gateway_id)
    }

    /// A trace that is recorded goes on with a span of the attempt. Otherwise the server learns what the client's headers say.
    fn carries(&self, named: Option<&NamedTrace>) -> Option<Carried> {
        let record = self.record?;
        let in_headers = record.notes().named.get();
        let named = named.or(in_headers);
        let traced = self.app.otlp.tracer().map(|tracer| {
            let context = named.map(|named| named.context);
            tracer.request(record.id().number(), context).own
        });
        let Some(own) = traced.filter(|own| own.is_sampled()) else {
            return in_headers.map(|named| Carried {
                context: named.context,
                state: named.state.clone(),
                span: None,
            });
        };
        let span = SpanId::of_number(RequestId::next().number());
        Some(Carried {
            context: own.within(span),
            state: named.and_then(|named| named.state.clone()),
            span: Some(span),
        })
    }

    fn admit(&self, what: Runs) -> Result<(), Busy> {
        let running = &self.app.running;
        let place = running.admit(&self.caller.counted, what)?;
        // One request asks once.
        let _ = self.place.set(place);
        Ok(())
    }

    fn place(&self, what: Runs) -> Result<caller::Place, Busy> {
        Ok(Box::new(self.app.running.admit(&self.caller.counted, what)?))
    }
}

/// The user of a request that may be over: what goes on for them takes no place among what runs.
struct KeptIdentity {
    app: Arc<ResourceServer>,
    caller: Arc<Authenticated>,
    gateway_id: GatewayId,
}

impl Identify for KeptIdentity {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        Asked::Known(credentials(&self.app, &self.caller, server))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(Self {
            app: Arc::clone(&self.app),
            caller: Arc::clone(&self.caller),
            gateway_id: self.gateway_id,
        })
    }

    fn alive(&self) -> Alive {
        alive(&self.app, &self.caller, self.gateway_id)
    }
}

fn alive(app: &Arc<ResourceServer>, caller: &Arc<Authenticated>, gateway_id: GatewayId) -> Alive {
    let (app, caller) = (Arc::clone(app), Arc::clone(caller));
    Box::new(move || is_still_good(&app, gateway_id, &caller))
}

/// What a server receives about a user: an assertion signed a moment ago, or a new one.
fn credentials(app: &ResourceServer, caller: &Authenticated, server: &UpstreamConfig) -> Granted {
    let signed = &app.assertions.signed;
    let now = app.now();
    if let Some(known) = signed.get(&(caller.key, server.id))
        && now.since(known.at) < REUSED_FOR
        && known.audience == server.audience
        && says_the_same(&known.principal, &caller.principal)
    {
        return Ok(Credentials {
            assertion: Some(known.value.clone()),
        });
    }
    let value = sign(app, &caller.principal, server, now).ok_or(NoCredentials::NotSigned)?;
    let fresh = Signed {
        audience: server.audience.clone(),
        principal: Arc::clone(&caller.principal),
        at: now,
        value: value.clone(),
    };
    signed.insert((caller.key, server.id), Arc::new(fresh));
    Ok(Credentials {
        assertion: Some(value),
    })
}

/// Whether a server receives the same about two principals of one key: two clients of one user are.
fn says_the_same(one: &Principal, other: &Principal) -> bool {
    one.subject == other.subject
        && one.user_source_id() == other.user_source_id()
        && one.email == other.email
        && one.display_name == other.display_name
        && one.actor() == other.actor()
}

fn sign(
    app: &ResourceServer,
    principal: &Principal,
    server: &UpstreamConfig,
    now: Timestamp,
) -> Option<HeaderValue> {
    let claims = Claims {
        iss: app.config.public_url(),
        aud: &server.audience,
        project: principal.project_id,
        sub: principal.assertion_subject(),
        iat: now.as_seconds(),
        exp: now.plus(LIFE).as_seconds(),
        subject: &principal.subject,
        mode: principal.mode().as_str(),
        user_source: principal.user_source_id(),
        gateway: principal.gateway_id,
        email: principal.email.as_deref(),
        name: principal.display_name.as_deref(),
        act: principal.actor().map(|actor| Actor {
            sub: actor.to_string(),
        }),
    };
    let mut value = HeaderValue::from_str(&app.signing.sign_assertion(&claims)).ok()?;
    value.set_sensitive(true);
    Some(value)
}
