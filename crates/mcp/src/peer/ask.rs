//! Our own requests to a server, in the era it supports; lists are read like this. How the era is found out and sessions
//! begin is in [`super::handshake`].

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::Timestamp;
use http::{Method, Request};

use super::{
    back::Back,
    caller::Caller,
    era::{SessionLoss, denies_modern, may_be_other_era},
    exchange::modern_request,
    net::Net,
    session::session_headers,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    whole::Whole,
};
use crate::wire::{
    envelope::{self, Limits, Message, Outcome},
    id::RequestId,
    jsonrpc::{self, ErrorCode},
    listing::ListKind,
    version::Era,
};

/// Bytes of one page of a list.
pub(super) const PAGE_ANSWER: usize = 16 * 1024 * 1024;

/// Why our own request has no result.
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
    /// The server supports the other era after all, or the session has ended: a second attempt may succeed. Why it failed.
    Again(Unavailable),
}

/// What is asked of which server.
#[derive(Clone, Copy)]
struct Asking<'a> {
    upstream: &'a Upstream,
    method: &'a str,
}

impl Asking<'_> {
    /// Whether a server that fails at it cannot be used. One that fails at its prompts or resources has tools all the same,
    /// and the part that keeps its lists remembers which of them failed.
    fn speaks_for_server(self) -> bool {
        self.method == ListKind::Tools.method()
    }

    fn note_refusal(self, why: &Unavailable, now: Timestamp) {
        if self.speaks_for_server() {
            self.upstream.note_refusal(why, now);
        }
    }
}

impl<T: Transport> Net<T> {
    /// Asks for a result, in the era the server supports. Such requests change nothing at the server, so a request is repeated
    /// once if the first answer shows another era or an ended session. `members` are further members of
    /// `params` as JSON text without braces, like `"cursor":"x"`.
    pub(super) async fn ask_for(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        method: &str,
        members: &str,
    ) -> Result<Bytes, AskError> {
        let mut second = false;
        loop {
            let attempt = match self
                .era_of(upstream, caller)
                .await
                .map_err(AskError::Unavailable)?
            {
                Era::Modern => self.ask_modern(upstream, caller, method, members).await,
                Era::Legacy => self.ask_legacy(upstream, caller, method, members).await,
            };
            match attempt.map_err(AskError::Unavailable)? {
                Attempt::Result(result) => return Ok(result),
                Attempt::Refused(code) => return Err(AskError::Refused(code)),
                Attempt::Again(why) if second => {
                    Asking { upstream, method }.note_refusal(&why, self.now());
                    return Err(AskError::Unavailable(why));
                }
                Attempt::Again(_) => second = true,
            }
        }
    }

    async fn ask_page(
        &self,
        asking: Asking<'_>,
        request: Request<Bytes>,
        back: Option<&Back<'_, T>>,
    ) -> Result<Whole, Unavailable> {
        if asking.speaks_for_server() {
            self.ask_once(asking.upstream, request, PAGE_ANSWER, back).await
        } else {
            self.ask_quietly(asking.upstream, request, PAGE_ANSWER, back)
                .await
        }
    }

    async fn ask_modern(
        &self,
        upstream: &Upstream,
        caller: Caller<'_>,
        method: &str,
        members: &str,
    ) -> Result<Attempt, Unavailable> {
        let request = modern_request(upstream, caller, method, members).await?;
        let asking = Asking { upstream, method };
        let answer = self.ask_page(asking, request, None).await?;
        let Some(body) = &answer.response else {
            let why = upstream.bad_status(answer.status, &answer.headers);
            if may_be_other_era(answer.status) {
                upstream.forget_era(Era::Modern);
                return Ok(Attempt::Again(why));
            }
            asking.note_refusal(&why, self.now());
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
        let mut request = upstream.request(Method::POST, caller, body).await?;
        session_headers(&mut request, &session);
        let back = Back {
            net: self,
            upstream,
            caller,
            session: Some(&session),
        };
        let asking = Asking { upstream, method };
        let answer = self.ask_page(asking, request, Some(&back)).await?;
        let loss = answer.session_loss(&session, id.to_json().as_bytes());
        if loss != SessionLoss::No {
            upstream.sessions.slot(caller.slot()).forget(&session);
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
            asking.note_refusal(&why, self.now());
            return Err(why);
        };
        let attempt = outcome(upstream, body)?;
        if let Attempt::Refused(code) = attempt
            && code.proves_modern()
        {
            upstream.sessions.slot(caller.slot()).forget(&session);
            upstream.forget_era(Era::Legacy);
            return Ok(Attempt::Again(upstream.other_version()));
        }
        Ok(attempt)
    }
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
