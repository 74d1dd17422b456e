//! `/mcp/{slug}`: the HTTP edge of a gateway.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_core::telemetry::{AskedFor, Sending};
use gatewright_domain::{
    activity::RequestKind,
    id::GatewayId,
    trace_context::{NamedTrace, TraceContext, trace_state},
};
use gatewright_mcp::{
    caller::{Alive, Caller, CallerKey, Identify as _, RuleClass},
    endpoint::{Lasting, PlanNow, Reached, header_era},
    headers::SESSION_ID,
    http_sse::HttpSseBody,
    version::ProtocolVersion,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header::ORIGIN};
use http_body::Body;
use hyper::body::Incoming;

use super::ResourceServer;
use super::{
    assertion::Identity,
    authenticate::{Authenticated, authenticate},
    plan::plan,
    refusal::Refusal,
    session_notes, sessions,
};
use crate::{
    config::Config,
    directory::GatewayEntry,
    request::{BodyError, read_body, throw_away},
    telemetry::RequestRecord,
};

/// Bytes of one message of a client: arguments of a tool may hold a document, not a film.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// The headers that name a trace (W3C Trace Context, sections 3.2 and 3.3).
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// What is read of a message that is too large, and for how long; nothing of it is kept. Who sends it has signed in.
const THROWN_AWAY_MAX: u64 = 16 * 1024 * 1024;
const THROWN_AWAY_DEADLINE: Duration = Duration::from_secs(10);

/// The body of an answer: a server's, as it comes, or what is in memory.
pub(crate) type Answer = gatewright_mcp::answer::Answer<HttpSseBody<Incoming>>;

/// Answers a request to the gateway of a slug. Which methods exist is no business of who is not known, so all of them
/// come here.
pub(crate) async fn answer<B>(
    app: &Arc<ResourceServer>,
    slug: &str,
    record: &RequestRecord,
    request: Request<B>,
) -> Response<Answer>
where
    B: Body<Data = Bytes> + Unpin,
{
    let entry = match find(app, slug) {
        Ok(entry) => entry,
        Err(refusal) => return refusal.into_response(&app.config, None),
    };
    record.set_gateway(entry.gateway.id);
    let notes = record.notes();
    let _ = notes.project.set(entry.gateway.project_id);
    match answer_of(app, &entry, record, request).await {
        Ok(response) => response,
        Err(refusal) => {
            let _ = notes.decided.set(refusal.decided());
            refusal.into_response(&app.config, Some(&entry))
        }
    }
}

/// The gateway of a slug, while the configuration is known to be current.
fn find(app: &ResourceServer, slug: &str) -> Result<Arc<GatewayEntry>, Refusal> {
    let directory = app.directory.current().map_err(|_| Refusal::Unchecked)?;
    directory.gateway(slug).cloned().ok_or(Refusal::NoGateway)
}

async fn answer_of<B>(
    app: &Arc<ResourceServer>,
    entry: &Arc<GatewayEntry>,
    record: &RequestRecord,
    request: Request<B>,
) -> Result<Response<Answer>, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    check_origin(&app.config, &head.headers)?;
    let authenticated = authenticate(app, entry, &head.headers, app.now()).await?;
    record.set_principal(&authenticated.principal);
    let notes = record.notes();
    let _ = notes.caller.set(Arc::clone(&authenticated.recorded));
    if let Some(named) = named_by(&head.headers) {
        let _ = notes.named.set(named);
    }
    if !matches!(head.method, Method::POST | Method::GET | Method::DELETE) {
        return Err(Refusal::Method);
    }
    let identity = Identity {
        app,
        caller: &authenticated,
        gateway_id: entry.gateway.id,
        place: record.place(),
        record: Some(record),
    };
    let caller = Caller {
        key: authenticated.key,
        class: RuleClass::EVERYONE,
        identity: &identity,
        conversation: None,
    };
    let federation = &app.federation;
    let gateway_id = entry.gateway.id;
    let plan_now = || plan_now(Arc::clone(app), gateway_id, identity.alive());
    if let Some(session) = unfamiliar(app, entry, &head.headers, authenticated.key)
        && let Err(error) = session_notes::recall(app, session).await
    {
        // The session goes on: its client may ask again.
        tracing::warn!(request_id = %record.id(), error = &error as &dyn std::error::Error, "what a client asked for in its session could not be read");
    }
    let lasting = Lasting {
        shutdown: &app.shutdown,
        plan_now: &plan_now,
    };
    Ok(match head.method {
        Method::GET => {
            let _ = notes.asked.set(AskedFor::listening());
            federation.get(plan(app, entry), caller, &head.headers, &lasting)
        }
        Method::DELETE => match federation.ending(entry.gateway.id, caller, &head.headers) {
            Ok(session) => {
                // First where the other replicas read it: what fails here is tried again, and what is known here only
                // would go on there.
                sessions::tell_others(app, session.ending()).await.map_err(|error| {
                    tracing::error!(request_id = %record.id(), error = &error as &dyn std::error::Error, "a session could not be ended");
                    Refusal::Unchecked
                })?;
                federation.end(&session)
            }
            Err(refused) => *refused,
        },
        _ => {
            let body = message(app, &authenticated, &head.headers, body).await?;
            let _ = notes.bytes_in.set(body.len() as u64);
            if let Some(redaction) = &entry.redaction
                && let Some(held) = app.activity.hold(&body, redaction, &app.telemetry)
            {
                let _ = notes.body.set(Arc::new(held));
            }
            let plan = plan(app, entry);
            let mut noting = Noting {
                app,
                entry,
                record,
                reached: Reached::default(),
            };
            federation
                .post(
                    plan,
                    caller,
                    &head.headers,
                    &body,
                    Some(&lasting),
                    &mut noting.reached,
                )
                .await
        }
    })
}

/// The session that a request names, where this replica sees it for the first time.
fn unfamiliar(
    app: &ResourceServer,
    entry: &GatewayEntry,
    headers: &HeaderMap,
    caller: CallerKey,
) -> Option<[u8; 16]> {
    let id = headers.get(SESSION_ID)?.to_str().ok()?;
    app.federation.sessions.unfamiliar(id, entry.gateway.id, caller)
}

/// Looks up the plan of a gateway as it is then, while its user may go on.
fn plan_now(app: Arc<ResourceServer>, gateway_id: GatewayId, alive: Alive) -> PlanNow {
    Box::new(move || {
        if !alive() {
            return None;
        }
        let directory = app.directory.current().ok()?;
        let entry = directory.gateway_by_id(gateway_id)?;
        Some(Arc::clone(plan(&app, entry)))
    })
}

/// The message in a body, which has a place among those on their way until it has arrived. The rest of one that is too large
/// is read and thrown away before it is refused: clients that still send when the connection closes see a reset and never
/// the refusal.
async fn message<B>(
    app: &ResourceServer,
    caller: &Authenticated,
    headers: &HeaderMap,
    mut body: B,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let running = &app.running;
    let place = running.admit_message(&caller.counted);
    let _place = place.map_err(|busy| Refusal::Busy(busy, header_era(headers)))?;
    let read = read_body(&mut body, BODY_MAX, BODY_DEADLINE).await;
    if matches!(read, Err(BodyError::TooLarge)) {
        throw_away(&mut body, THROWN_AWAY_MAX, THROWN_AWAY_DEADLINE).await;
    }
    read.map_err(|error| Refusal::Body(error, header_era(headers)))
}

/// Notes what became of a request upstream when it is over, also when its client has given it up.
struct Noting<'a> {
    app: &'a ResourceServer,
    entry: &'a GatewayEntry,
    record: &'a RequestRecord,
    reached: Reached,
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.note(&self.reached);
        let notes = self.record.notes();
        if self.reached.batch.is_empty() {
            let _ = notes.asked.set(asked_for(&mut self.reached));
        } else {
            let batch = self.reached.batch.iter_mut().map(asked_for).collect();
            let _ = notes.batch.set(batch);
        }
        for (reached, number) in self.reached.batch.iter().zip(1_u32..) {
            self.note(reached);
            tracing::info!(
                request_id = %self.record.id(),
                number,
                server = reached.server.as_ref().map(|upstream| upstream.slug()),
                failure = reached.failure,
                "a request of a batch"
            );
        }
    }
}

impl Noting<'_> {
    fn note(&self, reached: &Reached) {
        if let Some(reason) = reached.failure {
            let server = reached.server.as_ref();
            let id = server.map(|upstream| upstream.config.id);
            self.app.telemetry.count_upstream_error(id, reason);
            // What the connection said is in its own line, which no request can be told from.
            tracing::info!(
                request_id = %self.record.id(),
                server = server.map(|upstream| upstream.slug()),
                reason,
                "a request to a server failed"
            );
        }
        if let Some(upstream) = &reached.server {
            let mut servers = self.entry.servers.iter();
            if let Some(server) = servers.find(|server| server.server.id == upstream.config.id) {
                self.record.set_server(server);
            }
        }
    }
}

/// The trace that headers name. Two parents, or one that is not valid, are none (section 3.2.2).
fn named_by(headers: &HeaderMap) -> Option<NamedTrace> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (parent, None) = (parents.next()?, parents.next()) else {
        return None;
    };
    Some(NamedTrace {
        context: TraceContext::parse(parent.as_bytes())?,
        state: trace_state(headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes)),
    })
}

/// What the activity is told of a request.
fn asked_for(reached: &mut Reached) -> AskedFor {
    AskedFor {
        kind: reached.kind.unwrap_or(RequestKind::Other),
        item: reached.item.take(),
        server: reached.server.as_ref().map(|upstream| upstream.config.id),
        decided: reached.decided,
        sent_at: reached.sent_at,
        session: reached.session,
        named: reached.named.take(),
        id: reached.id.take(),
        sending: Sending {
            method: reached.method,
            version: reached.version.map(ProtocolVersion::as_str),
            failure: reached.failure,
            span: reached.span,
        },
    }
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
