//! The MCP endpoint of a gateway towards clients of both eras, once the edge knows who asks: which message it is, which
//! era it speaks, and what answers it (2026-07-28 and 2025-11-25 basic/transports).

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::id::GatewayId;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ALLOW, RETRY_AFTER},
};

use tokio_util::sync::CancellationToken;

use super::{answer::Answer, listen::Listening, reply, session::Session};
use crate::{
    federation::{
        catalogs::Freshness,
        merge,
        outgoing::{Call, CallError, Client},
        plan::Plan,
        servers::Federation,
    },
    peer::{
        caller::{Busy, Caller, Runs},
        transport::Transport,
        upstream::Upstream,
    },
    wire::{
        envelope::{self, Limits, Message, Notification, Request},
        headers,
        id::RequestId,
        json::json_string,
        jsonrpc::{ErrorCode, Refusal},
        media_type::{MediaType, media_type},
        meta::{self, Dialect},
        meta_keys,
        scan::{self, Kind},
        version::{Era, ProtocolVersion},
    },
};

/// How long clients may keep what `server/discover` says, milliseconds.
const DISCOVER_TTL_MS: u32 = 60_000;

/// What became of a request upstream, for the request log and metrics.
#[derive(Debug, Default)]
pub struct Reached {
    /// The server it went to.
    pub server: Option<Arc<Upstream>>,
    /// Why there was no usable answer, in a word.
    pub failure: Option<&'static str>,
}

/// What is served to clients. Prompts, resources, completions and logging will stand beside these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feature {
    Discover,
    Ping,
    ListTools,
    CallTool,
}

impl Feature {
    /// The methods of each era.
    const TABLE: [(&'static str, Era, Self); 6] = [
        ("tools/call", Era::Modern, Self::CallTool),
        ("tools/list", Era::Modern, Self::ListTools),
        ("server/discover", Era::Modern, Self::Discover),
        ("tools/call", Era::Legacy, Self::CallTool),
        ("tools/list", Era::Legacy, Self::ListTools),
        ("ping", Era::Legacy, Self::Ping),
    ];

    fn find(method: &str, era: Era) -> Option<Self> {
        Self::TABLE
            .into_iter()
            .find(|(name, of, _)| *name == method && *of == era)
            .map(|(_, _, feature)| feature)
    }
}

/// The answer to what is refused.
pub type Refused<T> = Box<Response<Answer<<T as Transport>::Body>>>;

impl<T: Transport> Federation<T> {
    /// Answers a POST. `reached` is told what became of the request upstream.
    pub async fn post(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &Bytes,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        if media_type(headers) != MediaType::Json {
            let refusal = Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "The body must be one JSON-RPC message with Content-Type: application/json.",
            );
            return reply::refusal(
                &refusal.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
                None,
                Era::Modern,
            );
        }
        match envelope::parse(body, &Limits::default()) {
            Err(error) => {
                let era = header_era(headers);
                reply::refusal(&Refusal::from(&error), error.id.as_ref(), era)
            }
            Ok(Message::Request(request)) => {
                self.request(plan, caller, headers, body, &request, reached).await
            }
            Ok(Message::Notification(notification)) => {
                self.notification(plan, caller, headers, &notification)
            }
            Ok(Message::Response(_)) => match self.session_of(plan.gateway_id, caller, headers) {
                // No request of ours is open, so nobody waits for it.
                Ok(_) => reply::bare(StatusCode::ACCEPTED),
                Err(refusal) => reply::refusal(&refusal, None, Era::Legacy),
            },
        }
    }

    /// Answers a GET: a stream that lasts while `alive` says so, until the session ends or the process stops.
    pub fn get(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
        shutdown: CancellationToken,
        alive: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Response<Answer<T::Body>> {
        match self.session_for_method(gateway_id, caller, headers) {
            Err(refusal) => not_for_method(&refusal, headers),
            Ok(session) => {
                if let Err(busy) = caller.identity.admit(Runs::Stream) {
                    return busy_now(busy, None, header_era(headers));
                }
                let Some(place) = self.sessions.listen(&session) else {
                    let refusal = Refusal::new(
                        ErrorCode::INVALID_REQUEST,
                        "Too many streams are listening already; close some of them first.",
                    );
                    return not_for_method(&refusal.with_status(StatusCode::TOO_MANY_REQUESTS), headers);
                };
                let sessions = Arc::clone(&self.sessions);
                let listening = Listening::new(shutdown, move || {
                    // Held for as long as the stream lasts.
                    let _place = &place;
                    !sessions.has_ended(&session) && alive()
                });
                reply::events(Answer::listening(listening))
            }
        }
    }

    /// The session that a DELETE is to end, or the refusal. It goes on until [`Federation::end`].
    pub fn ending(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refused<T>> {
        self.session_for_method(gateway_id, caller, headers)
            .map_err(|refusal| Box::new(not_for_method(&refusal, headers)))
    }

    /// Answers a DELETE: the session ends here, after all other replicas can know of it.
    pub fn end(&self, session: &Session) -> Response<Answer<T::Body>> {
        self.sessions.end(session);
        reply::bare(StatusCode::NO_CONTENT)
    }

    async fn request(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
        body: &Bytes,
        request: &Request<'_>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let refuse = |refusal: &Refusal, era| reply::refusal(refusal, Some(&request.id.to_owned()), era);
        let client = match meta::dialect(headers, request) {
            Err(refusal) => return refuse(&refusal, header_era(headers)),
            Ok(Dialect::Modern(meta)) => {
                if let Err(mismatch) = headers::check(headers, request) {
                    return refuse(&Refusal::from(&mismatch), Era::Modern);
                }
                Client::Modern(meta)
            }
            Ok(Dialect::Legacy(_)) if request.method.value == "initialize" => {
                return self.initialize(plan, caller, body, request);
            }
            Ok(Dialect::Legacy(_)) => match self.session_of(plan.gateway_id, caller, headers) {
                Ok(session) => Client::Legacy(session),
                Err(refusal) => return refuse(&refusal, Era::Legacy),
            },
        };
        let era = client.era();
        let Some(feature) = Feature::find(&request.method.value, era) else {
            let refusal = Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found.");
            return refuse(&refusal, era);
        };
        if matches!(feature, Feature::ListTools | Feature::CallTool)
            && let Err(busy) = caller.identity.admit(Runs::Request)
        {
            return busy_now(busy, Some(&request.id.to_owned()), era);
        }
        match feature {
            Feature::Discover => reply::result(request.id.raw, discover(plan)),
            Feature::Ping => reply::result(request.id.raw, Bytes::from_static(b"{}")),
            Feature::ListTools => self.list_tools(plan, caller, era, request, reached).await,
            Feature::CallTool => {
                let call = Call {
                    plan,
                    caller,
                    client,
                    headers,
                    body,
                    request,
                };
                match self.call(&call, &mut reached.server).await {
                    Ok(answer) => answer,
                    // Nothing is sent for a cancelled request; a stream without a message says just that.
                    Err(CallError::Cancelled) => reply::events(Answer::empty()),
                    Err(error) => {
                        if let CallError::Unavailable(why) | CallError::Unanswered(why) = &error {
                            reached.failure = Some(why.reason());
                        }
                        refuse(&Refusal::from(&error), era)
                    }
                }
            }
        }
    }

    async fn list_tools(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        era: Era,
        request: &Request<'_>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let refuse = |refusal: &Refusal| reply::refusal(refusal, Some(&request.id.to_owned()), era);
        let cursor = request.params.as_ref().and_then(|params| params.cursor.as_ref());
        let page = cursor.map_or(Some(0), |cursor| merge::page_of_cursor(&cursor.value));
        let unknown = || {
            Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "Unknown cursor; list again from the beginning.",
            )
        };
        let Some(page) = page else {
            return refuse(&unknown());
        };
        match self.view(plan, caller, Freshness::Fresh, None).await {
            Err(why) => {
                reached.failure = Some(why.reason());
                refuse(&Refusal::new(ErrorCode::INTERNAL_ERROR, why.to_string()))
            }
            Ok(view) => match view.result(era, page, self.net.now()) {
                Some(result) => reply::result(request.id.raw, result),
                None => refuse(&unknown()),
            },
        }
    }

    fn initialize(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        body: &Bytes,
        request: &Request<'_>,
    ) -> Response<Answer<T::Body>> {
        let object = request.params.as_ref().map(|params| params.span);
        let [requested, capabilities] = object
            .and_then(|object| scan::pick(body, object, ["protocolVersion", "capabilities"]).ok())
            .unwrap_or_default();
        let Some(requested) = requested.filter(|member| member.kind == Kind::String) else {
            let refusal = Refusal::new(
                ErrorCode::INVALID_PARAMS,
                "params.protocolVersion is missing; give the newest version the client supports.",
            );
            return reply::refusal(&refusal, Some(&request.id.to_owned()), Era::Legacy);
        };
        let requested = scan::decode_string(requested.value.of(body)).unwrap_or_default();
        let version = ProtocolVersion::negotiate_initialize(&requested);
        let capabilities = capabilities
            .filter(|member| member.kind == Kind::Object)
            .and_then(|member| std::str::from_utf8(member.value.of(body)).ok());
        let id = self
            .sessions
            .begin(plan.gateway_id, caller.key, version, capabilities);
        let mut result = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}},"serverInfo":{}"#,
            plan.server_info
        );
        push_instructions(&mut result, plan);
        result.push('}');
        let mut response = reply::result(request.id.raw, result.into());
        response.headers_mut().insert(headers::SESSION_ID, id);
        response
    }

    fn notification(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        headers: &HeaderMap,
        notification: &Notification<'_>,
    ) -> Response<Answer<T::Body>> {
        match meta::header_version(headers) {
            Err(refusal) => return reply::refusal(&refusal, None, Era::Modern),
            // The stateless era defines none; a client that sends one all the same loses nothing.
            Ok(Some(version)) if version.era() == Era::Modern => return reply::bare(StatusCode::ACCEPTED),
            Ok(_) => {}
        }
        match self.session_of(plan.gateway_id, caller, headers) {
            Err(refusal) => reply::refusal(&refusal, None, Era::Legacy),
            Ok(session) => {
                if notification.method.value == "notifications/cancelled"
                    && let Some(id) = notification.params.as_ref().and_then(|params| params.request_id)
                {
                    session.cancel(id.to_owned().to_json().as_bytes());
                }
                reply::bare(StatusCode::ACCEPTED)
            }
        }
    }

    /// The session a request of the session-based era names.
    fn session_of(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refusal> {
        let id = headers::single(headers, &headers::SESSION_ID)
            .ok()
            .flatten()
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| {
                Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "Mcp-Session-Id is missing; begin with `initialize` and send the id it answers with.",
                )
                .with_status(StatusCode::BAD_REQUEST)
            })?;
        self.sessions.open(id, gateway_id, caller.key).map_err(|_| {
            Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "This session is unknown or has ended; begin a new one with `initialize`.",
            )
            .with_status(StatusCode::NOT_FOUND)
        })
    }

    /// The same for GET and DELETE, which exist in the session-based era only.
    fn session_for_method(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refusal> {
        if header_era(headers) == Era::Modern {
            let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, "This version of MCP uses POST only.");
            return Err(refusal.with_status(StatusCode::METHOD_NOT_ALLOWED));
        }
        self.session_of(gateway_id, caller, headers)
    }
}

/// A refusal of what may run later (RFC 6585 section 4).
fn busy_now<B>(busy: Busy, id: Option<&RequestId>, era: Era) -> Response<Answer<B>> {
    let refusal = Refusal::new(ErrorCode::INTERNAL_ERROR, busy.to_string());
    let mut response = reply::refusal(&refusal.with_status(StatusCode::TOO_MANY_REQUESTS), id, era);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A refusal of GET or DELETE, in the words of the era whose header stands there.
fn not_for_method<B>(refusal: &Refusal, request: &HeaderMap) -> Response<Answer<B>> {
    let mut response = reply::refusal(refusal, None, header_era(request));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// The era by the version header alone, for answers to what could not be read further.
pub fn header_era(headers: &HeaderMap) -> Era {
    match meta::header_version(headers) {
        Ok(Some(version)) => version.era(),
        Ok(None) => Era::Legacy,
        Err(_) => Era::Modern,
    }
}

/// The result of `server/discover`. Its versions are those that -32022 names.
fn discover(plan: &Plan) -> Bytes {
    let versions = ProtocolVersion::ALL.map(ProtocolVersion::as_str);
    let mut result = format!(
        r#"{{"resultType":"complete","supportedVersions":["{}"],"capabilities":{{"tools":{{}}}}"#,
        versions.join(r#"",""#)
    );
    push_instructions(&mut result, plan);
    let rest = format!(
        r#","ttlMs":{DISCOVER_TTL_MS},"cacheScope":"public","_meta":{{"{}":{}}}}}"#,
        meta_keys::SERVER_INFO,
        plan.server_info
    );
    result.push_str(&rest);
    result.into()
}

fn push_instructions(result: &mut String, plan: &Plan) {
    if !plan.instructions.is_empty() {
        result.push_str(",\"instructions\":");
        result.push_str(&json_string(&plan.instructions));
    }
}
