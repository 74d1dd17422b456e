//! Requests of our own to a server: finding out its era, beginning sessions, reading lists
//! (2026-07-28 basic/transports/streamable-http, backward compatibility; 2025-11-25 basic/lifecycle).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{Clock, Timestamp};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::{
    budget::Budget,
    caller::Caller,
    envelope::{self, Limits, Message, Outcome, RequestId},
    headers,
    inspection::About,
    jsonrpc::{self, ErrorCode},
    meta::{self, ClientFacts},
    upstream::{Unavailable, Upstream},
    upstream_era::{self, denies_modern, lost_session, may_be_other_era},
    upstream_read::{Whole, whole},
    upstream_session::UpstreamSession,
    upstream_transport::{Transport, TransportError},
    version::{Era, ProtocolVersion},
};

/// No request of our own waits longer, however patient the server's own limit is: lists are waited for by people.
const OWN_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of an answer to `server/discover` or `initialize`, and of a refusal.
pub(crate) const SMALL_ANSWER: usize = 1024 * 1024;
/// Bytes of one page of a list.
pub(crate) const PAGE_ANSWER: usize = 16 * 1024 * 1024;
/// What we call ourselves towards servers.
pub(crate) const CLIENT_INFO: &str = concat!(
    r#"{"name":"gatewright","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

/// What sends and what tells the time.
#[derive(Debug)]
pub(crate) struct Net<T> {
    pub(crate) transport: T,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: Arc<Budget>,
}

/// Why a request of our own has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AskError {
    /// No usable answer came.
    Unavailable(Unavailable),
    /// The server answered with an error.
    Refused(ErrorCode),
}

/// What an attempt in one era led to.
enum Attempt {
    Result(Bytes),
    Refused(ErrorCode),
    /// The server speaks the other era after all, or anew.
    WrongEra,
    /// The session is gone.
    SessionLost,
}

impl<T: Transport> Net<T> {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends a request, again where it surely was not processed, and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        upstream: &Upstream,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<T::Body>, Unavailable> {
        let mut left = upstream.config.retries;
        let mut kept = Some(request);
        loop {
            // The copy leaves the original for a further attempt; its body is shared, not copied.
            let attempt = if left > 0 { kept.clone() } else { kept.take() };
            let attempt = attempt.expect("the original is given away with the last attempt only");
            match self.transport.send(attempt, head_deadline).await {
                Err(TransportError::Unreachable(reason)) if left > 0 => {
                    tracing::info!(
                        server = upstream.slug(),
                        reason,
                        left,
                        "a server cannot be reached; trying again"
                    );
                    left -= 1;
                }
                other => return self.head(upstream, other),
            }
        }
    }

    fn head(
        &self,
        upstream: &Upstream,
        sent: Result<Response<T::Body>, TransportError>,
    ) -> Result<Response<T::Body>, Unavailable> {
        let error = match sent {
            Ok(answer) => {
                upstream.note_success();
                return Ok(answer);
            }
            Err(error) => error,
        };
        tracing::info!(server = upstream.slug(), %error, "a server gave no answer");
        let why = match error {
            TransportError::Unreachable(_) => upstream.unreachable(),
            TransportError::Lost(_) => upstream.lost(),
            TransportError::Timeout(_) => upstream.timed_out(),
        };
        // A call that takes too long says nothing of the server: one user's slow tool is nobody else's affair.
        if matches!(why, Unavailable::Unreachable { .. }) {
            upstream.note_failure(&why, self.now());
        }
        Err(why)
    }

    /// The era of a server, found out where it is not known.
    pub(crate) async fn era(&self, upstream: &Upstream, caller: Caller<'_>) -> Result<Era, Unavailable> {
        if let Some(problem) = &upstream.config.problem {
            return Err(Unavailable::Misconfigured {
                server: upstream.slug().to_owned(),
                problem: problem.clone(),
            });
        }
        if let Some(era) = upstream.era() {
            return Ok(era);
        }
        // Boxed because it is rare and large: without, every call would carry the room for it.
        Box::pin(self.find_era(upstream, caller)).await
    }

    async fn find_era(&self, upstream: &Upstream, caller: Caller<'_>) -> Result<Era, Unavailable> {
        let failures = upstream.failures();
        let _probing = upstream.probing.lock().await;
        if let Some(era) = upstream.era() {
            return Ok(era);
        }
        // Who waited here has waited for the same answer; a queue in front of a hung server moves at once.
        if let Some(why) = upstream.failed_since(failures) {
            return Err(why);
        }
        if self.speaks_modern(upstream, caller).await? {
            upstream.set_era(Era::Modern);
            return Ok(Era::Modern);
        }
        // `initialize` is the proof of the other era, and its session will be needed anyway.
        self.begin_session(upstream, caller).await?;
        upstream.set_era(Era::Legacy);
        Ok(Era::Legacy)
    }

    /// Whether `server/discover` is answered as a server of the stateless era answers it.
    async fn speaks_modern(&self, upstream: &Upstream, caller: Caller<'_>) -> Result<bool, Unavailable> {
        let request = modern_request(upstream, caller, "server/discover", "")?;
        let answer = self.ask_once(upstream, request, SMALL_ANSWER).await?;
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(upstream.bad_status(answer.status));
        }
        let Some(body) = &answer.response else {
            // A server that fails altogether is neither; only a refusal means the other era.
            if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
                return Err(upstream.bad_status(answer.status));
            }
            return Ok(false);
        };
        let Ok(Message::Response(response)) = envelope::parse(body, &Limits::default()) else {
            return Ok(false);
        };
        match response.outcome {
            Outcome::Result(result) => {
                let is_modern = upstream_era::lists_modern_version(body, result.span, "supportedVersions");
                if is_modern {
                    upstream.note_about(About::read(body, result.span));
                }
                Ok(is_modern)
            }
            Outcome::Error(error) if error.code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => {
                // It is modern, and speaks no modern version we speak: the older era may still be shared.
                Ok(error
                    .data
                    .is_some_and(|data| upstream_era::lists_modern_version(body, data, "supported")))
            }
            Outcome::Error(error) => Ok(error.code.proves_modern()),
        }
    }

    /// The session of a user with a server, begun where there is none.
    pub(crate) async fn session(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Arc<UpstreamSession>, Unavailable> {
        let slot = upstream.sessions.slot(caller.key);
        match slot.get() {
            Some(session) => Ok(session),
            // Boxed because it is rare and large.
            None => Box::pin(self.begin_session(upstream, caller)).await,
        }
    }

    async fn begin_session(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Arc<UpstreamSession>, Unavailable> {
        let slot = upstream.sessions.slot(caller.key);
        let failures = upstream.failures();
        let _beginning = slot.beginning.lock().await;
        if let Some(session) = slot.get() {
            return Ok(session);
        }
        if let Some(why) = upstream.failed_since(failures) {
            return Err(why);
        }
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{CLIENT_INFO}}}"#,
            ProtocolVersion::LATEST_LEGACY
        );
        let body = jsonrpc::write_request(&RequestId::Integer(0), "initialize", Some(params.as_bytes()));
        let request = upstream.request(Method::POST, caller, body)?;
        let answer = self.ask_once(upstream, request, SMALL_ANSWER).await?;
        let Some(body) = &answer.response else {
            return Err(upstream.bad_status(answer.status));
        };
        let Ok(Message::Response(response)) = envelope::parse(body, &Limits::default()) else {
            return Err(upstream.not_mcp("no response to `initialize`"));
        };
        let Outcome::Result(result) = response.outcome else {
            return Err(upstream.not_mcp("`initialize` was refused"));
        };
        let version = upstream_era::text_member(body, result.span, "protocolVersion")
            .as_deref()
            .and_then(ProtocolVersion::parse)
            .filter(|version| version.era() == Era::Legacy)
            .ok_or_else(|| upstream.not_mcp("a protocol version Gatewright does not speak"))?;
        upstream.note_about(About::read(body, result.span));
        let id = answer.headers.get(headers::SESSION_ID).cloned();
        let session = Arc::new(UpstreamSession::new(id, version));
        let done = jsonrpc::write_notification("notifications/initialized", None);
        let mut request = upstream.request(Method::POST, caller, done)?;
        session_headers(&mut request, &session);
        // Its answer has no content; a server that refuses it will say so at the next request.
        self.ask_once(upstream, request, SMALL_ANSWER).await?;
        slot.set(Arc::clone(&session));
        Ok(session)
    }

    /// Asks for a result, in whatever era the server speaks. `members` are further members of `params` as JSON text
    /// without braces, like `"cursor":"x"`.
    pub(crate) async fn ask(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
        method: &str,
        members: &str,
    ) -> Result<Bytes, AskError> {
        let mut second = false;
        loop {
            let attempt = match self.era(upstream, caller).await.map_err(AskError::Unavailable)? {
                Era::Modern => self.ask_modern(upstream, caller, method, members).await,
                Era::Legacy => self.ask_legacy(upstream, caller, method, members).await,
            };
            match attempt.map_err(AskError::Unavailable)? {
                Attempt::Result(result) => return Ok(result),
                Attempt::Refused(code) => return Err(AskError::Refused(code)),
                Attempt::WrongEra | Attempt::SessionLost if second => {
                    return Err(AskError::Unavailable(upstream.not_mcp("neither era of MCP")));
                }
                Attempt::WrongEra | Attempt::SessionLost => second = true,
            }
        }
    }

    async fn ask_modern(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
        method: &str,
        members: &str,
    ) -> Result<Attempt, Unavailable> {
        let request = modern_request(upstream, caller, method, members)?;
        let answer = self.ask_once(upstream, request, PAGE_ANSWER).await?;
        let Some(body) = &answer.response else {
            if may_be_other_era(answer.status) {
                upstream.forget_era(Era::Modern);
                return Ok(Attempt::WrongEra);
            }
            return Err(upstream.bad_status(answer.status));
        };
        let attempt = outcome(upstream, body)?;
        if let Attempt::Refused(code) = attempt
            && denies_modern(answer.status, code)
        {
            upstream.forget_era(Era::Modern);
            return Ok(Attempt::WrongEra);
        }
        Ok(attempt)
    }

    async fn ask_legacy(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
        method: &str,
        members: &str,
    ) -> Result<Attempt, Unavailable> {
        let session = self.session(upstream, caller).await?;
        let id = RequestId::Integer(i64::try_from(session.next_id()).unwrap_or(i64::MAX));
        let params = format!("{{{members}}}");
        let body = jsonrpc::write_request(&id, method, Some(params.as_bytes()));
        let mut request = upstream.request(Method::POST, caller, body)?;
        session_headers(&mut request, &session);
        let answer = self.ask_once(upstream, request, PAGE_ANSWER).await?;
        if lost_session(answer.status, &session, answer.error_code()) {
            upstream.sessions.slot(caller.key).forget(&session);
            upstream.forget_era(Era::Legacy);
            return Ok(Attempt::SessionLost);
        }
        let Some(body) = &answer.response else {
            if may_be_other_era(answer.status) {
                upstream.forget_era(Era::Legacy);
                return Ok(Attempt::WrongEra);
            }
            return Err(upstream.bad_status(answer.status));
        };
        let attempt = outcome(upstream, body)?;
        if let Attempt::Refused(code) = attempt
            && code.proves_modern()
        {
            upstream.sessions.slot(caller.key).forget(&session);
            upstream.forget_era(Era::Legacy);
            return Ok(Attempt::WrongEra);
        }
        Ok(attempt)
    }

    /// Sends a request of our own and reads the whole answer within its deadline.
    async fn ask_once(
        &self,
        upstream: &Upstream,
        request: Request<Bytes>,
        cap: usize,
    ) -> Result<Whole, Unavailable> {
        let deadline = upstream.config.timeout.min(OWN_DEADLINE);
        let reading = async {
            let answer = self.send(upstream, request, deadline).await?;
            whole(upstream, answer, cap).await
        };
        let outcome = tokio::time::timeout(deadline, reading)
            .await
            .unwrap_or_else(|_| Err(upstream.timed_out()));
        if let Err(why) = &outcome {
            upstream.note_failure(why, self.now());
        }
        outcome
    }
}

/// Writes the headers of a request within a session.
pub(crate) fn session_headers<B>(request: &mut Request<B>, session: &UpstreamSession) {
    let map = request.headers_mut();
    if session.version.has_version_header() {
        map.insert(
            headers::PROTOCOL_VERSION,
            HeaderValue::from_static(session.version.as_str()),
        );
    }
    if let Some(id) = &session.id {
        map.insert(headers::SESSION_ID, id.clone());
    }
}

/// A request of our own in the stateless era; it claims no capability of a client.
fn modern_request(
    upstream: &Upstream,
    caller: Caller<'_>,
    method: &str,
    members: &str,
) -> Result<Request<Bytes>, Unavailable> {
    let meta = meta::modern_meta(&ClientFacts {
        version: ProtocolVersion::LATEST_MODERN,
        client_info: Some(CLIENT_INFO),
        client_capabilities: "{}",
        log_level: None,
    });
    let comma = if members.is_empty() { "" } else { "," };
    let params = format!(r#"{{{members}{comma}"_meta":{meta}}}"#);
    let body = jsonrpc::write_request(&RequestId::Integer(0), method, Some(params.as_bytes()));
    let mut request = upstream.request(Method::POST, caller, body)?;
    headers::write(
        request.headers_mut(),
        ProtocolVersion::LATEST_MODERN,
        method,
        None,
    );
    Ok(request)
}

fn outcome(upstream: &Upstream, body: &Bytes) -> Result<Attempt, Unavailable> {
    match envelope::parse(body, &Limits::default()) {
        Ok(Message::Response(response)) => Ok(match response.outcome {
            Outcome::Result(result) => Attempt::Result(body.slice(result.span.start..result.span.end)),
            Outcome::Error(error) => Attempt::Refused(error.code),
        }),
        _ => Err(upstream.not_mcp("no JSON-RPC response")),
    }
}
