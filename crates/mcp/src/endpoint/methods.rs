//! The MCP endpoint of a gateway towards clients of both eras, once the edge knows who asks: which message it is, which
//! era it speaks, and what answers it (2026-07-28 and 2025-11-25 basic/transports).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::{
    answer::Answer,
    reply,
    service::{Endpoint, Reached},
    session::Session,
};
use crate::{
    federation::{
        call::{Call, CallError},
        catalogs::Freshness,
        merge,
        plan::Plan,
    },
    peer::{
        call_guard::CallGuard,
        caller::{Caller, Runs},
        incoming::Answered,
        outgoing,
        transport::Transport,
        upstream::Upstream,
    },
    wire::{
        envelope::{self, Limits, Message, Notification, Request},
        headers,
        json::json_string,
        jsonrpc::{ErrorCode, Refusal},
        listing::ListKind,
        media_type::{MediaType, media_type},
        meta::{self, Dialect, ModernMeta, header_era},
        meta_keys,
        scan::{self, Kind},
        version::{Era, ProtocolVersion},
    },
};

/// How long clients may keep what `server/discover` says, milliseconds.
const DISCOVER_TTL_MS: u32 = 60_000;

/// How a client speaks.
enum Client {
    /// Stateless; what its `_meta` says.
    Modern(ModernMeta),
    /// Within a session.
    Legacy(Arc<Session>),
}

impl Client {
    const fn era(&self) -> Era {
        match self {
            Self::Modern(_) => Era::Modern,
            Self::Legacy(_) => Era::Legacy,
        }
    }

    const fn wants_logs(&self) -> bool {
        match self {
            Self::Modern(meta) => meta.log_level.is_some(),
            // The `logging` capability is not offered to sessions.
            Self::Legacy(_) => false,
        }
    }
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

impl<T: Transport> Endpoint<T> {
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
            return reply::busy(busy, Some(&request.id.to_owned()), era);
        }
        match feature {
            Feature::Discover => reply::result(request.id.raw, discover(plan)),
            Feature::Ping => reply::result(request.id.raw, Bytes::from_static(b"{}")),
            Feature::ListTools => self.list_tools(plan, caller, era, request, reached).await,
            Feature::CallTool => {
                let call = Call {
                    plan,
                    headers,
                    message: outgoing::Call {
                        caller,
                        client_era: era,
                        wants_logs: client.wants_logs(),
                        body,
                        request,
                    },
                };
                match self.call(&call, &client, &mut reached.server).await {
                    Ok(answer) => reply::answered(answer),
                    // Nothing is sent for a cancelled request; a stream without a message says just that.
                    Err(error) if error.is_cancelled() => reply::events(Answer::empty()),
                    Err(error) => {
                        if let Some(why) = error.unavailable() {
                            reached.failure = Some(why.reason());
                        }
                        refuse(&Refusal::from(&error), era)
                    }
                }
            }
        }
    }

    /// Makes a call. That of a client with a session can be cancelled from when it is known where it leads.
    async fn call(
        &self,
        call: &Call<'_>,
        client: &Client,
        noted: &mut Option<Arc<Upstream>>,
    ) -> Result<Answered<T::Body>, CallError> {
        let found = self.federation.find(call).await?;
        let caller = call.message.caller.key;
        match client {
            Client::Modern(_) => {
                let guard = CallGuard::new(caller, None);
                self.federation.call(call, found, noted, guard, None).await
            }
            Client::Legacy(session) => {
                let id = call.message.request.id.to_owned();
                let running = session.run(id.to_json().into_owned().into());
                let token = running.token.clone();
                let guard = CallGuard::new(caller, Some(Box::new(running)));
                // Dropping the call drops the guard, which tells the server.
                tokio::select! {
                    biased;
                    () = token.cancelled() => Err(CallError::cancelled()),
                    answer = self.federation.call(call, found, noted, guard, Some(&token)) => answer,
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
        match self
            .federation
            .view(plan, ListKind::Tools, caller, Freshness::Fresh, None)
            .await
        {
            Err(why) => {
                reached.failure = Some(why.reason());
                refuse(&Refusal::new(ErrorCode::INTERNAL_ERROR, why.to_string()))
            }
            Ok(view) => match view.result(era, page, self.federation.now()) {
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
