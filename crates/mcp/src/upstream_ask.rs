//! Requests of our own to a server, in whatever era it speaks; lists are read so. How the era is found out and sessions
//! begin is in [`crate::upstream_handshake`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{Clock, Timestamp};
use http::{HeaderValue, Method, Request, Response};
use tokio::sync::Semaphore;

use crate::{
    budget::Budget,
    caller::Caller,
    list_behind::Behind,
    list_memory::ListMemory,
    upstream::{Unavailable, Upstream},
    upstream_back::Back,
    upstream_era::{SessionLoss, denies_modern, may_be_other_era},
    upstream_read::{Whole, whole},
    upstream_session::UpstreamSession,
    upstream_transport::{Transport, TransportError},
    wire::{
        envelope::{self, Limits, Message, Outcome},
        headers,
        id::RequestId,
        jsonrpc::{self, ErrorCode},
        meta::{self, ClientFacts},
        version::{Era, ProtocolVersion},
    },
};

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
    /// How many sessions are ended at once.
    pub(crate) farewells: Arc<Semaphore>,
    /// What lists hold.
    pub(crate) lists: Arc<ListMemory>,
    /// Lists that are read on after those who waited have gone.
    pub(crate) behind: Arc<Behind>,
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
    /// The server speaks the other era after all, or the session is over: asked once more it may answer. Why it did not.
    Again(Unavailable),
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
    pub(crate) async fn era(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
    ) -> Result<Era, Unavailable> {
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

    /// Asks for a result, in whatever era the server speaks. What is asked so changes nothing at the server, so it is asked
    /// once more where the first answer shows another era or a session that is over. `members` are further members of
    /// `params` as JSON text without braces, like `"cursor":"x"`.
    pub(crate) async fn ask(
        self: &Arc<Self>,
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
                Attempt::Again(why) if second => {
                    upstream.note_refusal(&why, self.now());
                    return Err(AskError::Unavailable(why));
                }
                Attempt::Again(_) => second = true,
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
        let answer = self.ask_once(upstream, request, PAGE_ANSWER, None).await?;
        let Some(body) = &answer.response else {
            let why = upstream.bad_status(answer.status, &answer.headers);
            if may_be_other_era(answer.status) {
                upstream.forget_era(Era::Modern);
                return Ok(Attempt::Again(why));
            }
            upstream.note_refusal(&why, self.now());
            return Err(why);
        };
        let attempt = outcome(upstream, body)?;
        if let Attempt::Refused(code) = attempt
            && denies_modern(answer.status, code)
        {
            upstream.forget_era(Era::Modern);
            return Ok(Attempt::Again(upstream.not_mcp(format!("error {}", code.0))));
        }
        Ok(attempt)
    }

    async fn ask_legacy(
        self: &Arc<Self>,
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
        let back = Back {
            net: self,
            upstream,
            caller,
            session: Some(&session),
        };
        let answer = self.ask_once(upstream, request, PAGE_ANSWER, Some(&back)).await?;
        let loss = answer.session_loss(&session, id.to_json().as_bytes());
        if loss != SessionLoss::No {
            upstream.sessions.slot(caller.key).forget(&session);
            if loss == SessionLoss::Surely {
                session.is_over();
            }
            if may_be_other_era(answer.status) {
                // A server that has moved to the other era refuses sessions too; the next attempt finds out.
                upstream.forget_era(Era::Legacy);
            }
            return Ok(Attempt::Again(upstream.lost_in_session(answer.status)));
        }
        let Some(body) = &answer.response else {
            let why = upstream.bad_status(answer.status, &answer.headers);
            if may_be_other_era(answer.status) {
                upstream.forget_era(Era::Legacy);
                return Ok(Attempt::Again(why));
            }
            upstream.note_refusal(&why, self.now());
            return Err(why);
        };
        let attempt = outcome(upstream, body)?;
        if let Attempt::Refused(code) = attempt
            && code.proves_modern()
        {
            upstream.sessions.slot(caller.key).forget(&session);
            upstream.forget_era(Era::Legacy);
            return Ok(Attempt::Again(upstream.other_version()));
        }
        Ok(attempt)
    }

    /// Sends a request of our own and reads the whole answer within the time limit of the server.
    pub(crate) async fn ask_once(
        &self,
        upstream: &Upstream,
        request: Request<Bytes>,
        cap: usize,
        back: Option<&Back<'_, T>>,
    ) -> Result<Whole, Unavailable> {
        let deadline = upstream.config.timeout;
        let reading = async {
            let answer = self.send(upstream, request, deadline).await?;
            whole(upstream, answer, cap, back).await
        };
        let outcome = tokio::time::timeout(deadline, reading)
            .await
            .unwrap_or_else(|_| Err(upstream.timed_out()));
        if let Err(why) = &outcome
            && !self.transport.has_cut_off()
        {
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
pub(crate) fn modern_request(
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
