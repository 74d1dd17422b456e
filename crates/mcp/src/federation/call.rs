//! `tools/call`: found in the gateway's selection, sent to its server in the server's era, streamed back in the client's.

use std::sync::Arc;

use bytes::BytesMut;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use tokio_util::sync::CancellationToken;

use super::{
    catalog_read::catalog,
    catalogs::Freshness,
    outgoing::{Call, CallError, Client, Outgoing, check_headers, modern, within_session},
    server::Server,
    servers::Federation,
    view::View,
};
use crate::{
    endpoint::{answer::Answer, reply},
    peer::{
        answer_error::AnswerError,
        answer_events::{EVENT_MAX, EventsAnswer},
        answer_json::JsonAnswer,
        call_guard::{CallGuard, Lists},
        caller::Caller,
        era::{SaidError, SessionLoss, denies_modern, may_be_other_era, session_loss},
        exchange::SMALL_ANSWER,
        net::Net,
        session::UpstreamSession,
        transport::Transport,
        unavailable::Unavailable,
        upstream::Upstream,
        watch::Watch,
        whole::{refuse_encoded, whole},
    },
    wire::{
        bridge::{Bridge, Step},
        bridge_splice::{Changes, ResultType, Splicer},
        envelope::{self, Limits, Message, Outcome},
        jsonrpc::ErrorCode,
        media_type::{MediaType, media_type},
        version::Era,
    },
};

/// An error of a server that says that a session is over is no longer than this, bytes.
const SMALL_ERROR: usize = 4 * 1024;

/// What one attempt led to.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and a box would be an allocation for every call"
)]
enum Attempt<B> {
    Answer(Response<Answer<B>>),
    /// By the standard nothing was done, and the call may be sent once more. Why it was refused.
    Again(CallGuard, Unavailable),
}

impl<T: Transport> Federation<T> {
    /// Makes a call. `noted` is told the server once it is known.
    pub(crate) async fn call(
        &self,
        call: &Call<'_>,
        noted: &mut Option<Arc<Upstream>>,
    ) -> Result<Response<Answer<T::Body>>, CallError> {
        let name = call
            .request
            .params
            .as_ref()
            .and_then(|params| params.name.as_ref())
            .ok_or(CallError::NoName)?;
        let mut view = self
            .view(call.plan, call.caller, Freshness::Any, Some(&name.value))
            .await?
            .view;
        if view.target(&call.plan.servers, &name.value).is_none() {
            view = Box::pin(self.look_again(call, &name.value)).await?;
        }
        match &call.client {
            Client::Modern(_) => {
                let guard = CallGuard::new(call.caller.key, None);
                self.attempts(call, &name.value, view, noted, guard, None).await
            }
            Client::Legacy(session) => {
                let running = session.run(call.request.id.to_owned().to_json().into_owned().into());
                let token = running.token.clone();
                let guard = CallGuard::new(call.caller.key, Some(running));
                // Dropping the attempts drops the guard, which tells the server.
                tokio::select! {
                    biased;
                    () = token.cancelled() => Err(CallError::Cancelled),
                    answer = self.attempts(call, &name.value, view, noted, guard, Some(&token)) => answer,
                }
            }
        }
    }

    /// Asks again what tools there are, because none of this name was known.
    async fn look_again(&self, call: &Call<'_>, name: &str) -> Result<Arc<View>, CallError> {
        let view = self
            .view(call.plan, call.caller, Freshness::LookAgain, Some(name))
            .await?
            .view;
        if view.target(&call.plan.servers, name).is_some() {
            return Ok(view);
        }
        match view.missing_server(call.plan.naming, &call.plan.servers, name) {
            Some(upstream) => {
                let why = upstream.failure(self.net.now());
                Err(why
                    .map_or_else(|| upstream.unreachable(), |why| Unavailable::clone(&why))
                    .into())
            }
            None => Err(CallError::UnknownTool(name.to_owned())),
        }
    }

    async fn attempts(
        &self,
        call: &Call<'_>,
        name: &str,
        mut view: Arc<View>,
        noted: &mut Option<Arc<Upstream>>,
        mut guard: CallGuard,
        cancelled: Option<&CancellationToken>,
    ) -> Result<Response<Answer<T::Body>>, CallError> {
        // Where nothing is to be sent twice, not even what surely did nothing is.
        let mut repeats = true;
        let mut may_repeat =
            |upstream: &Upstream| std::mem::take(&mut repeats) && upstream.config.retries > 0;
        loop {
            let offered = view
                .target(&call.plan.servers, name)
                .ok_or_else(|| CallError::UnknownTool(name.to_owned()))?;
            let server = Arc::clone(&offered.server);
            let upstream = Arc::clone(&server.upstream);
            *noted = Some(Arc::clone(&upstream));
            let era = self.net.era(&upstream, call.caller).await?;
            let outgoing = match era {
                Era::Modern => modern(call, name, &view, &upstream)?,
                Era::Legacy => {
                    let session = self.net.session(&upstream, call.caller).await?;
                    within_session(&self.net, call, name, &view, &upstream, session, &mut guard)?
                }
            };
            let Outgoing {
                request,
                bridge,
                session,
                mirrored,
            } = outgoing;
            let answer = match self.net.send(&upstream, request, upstream.config.timeout).await {
                Ok(answer) => answer,
                Err(why) => {
                    if matches!(why, Unavailable::Unreachable { .. }) {
                        guard.unwatch();
                    }
                    return Err(CallError::Unanswered(why));
                }
            };
            let sent = Sent {
                server,
                bridge,
                session,
                mirrored,
            };
            let attempt = if answer.status().is_success() {
                let streamed = stream(&self.net, answer, sent, call.caller, guard, cancelled);
                Attempt::Answer(streamed.await?)
            } else {
                // Boxed because it is rare and large.
                Box::pin(self.refused(answer, sent, call, name, guard)).await?
            };
            match attempt {
                Attempt::Answer(answer) => return Ok(answer),
                Attempt::Again(_, why) if !may_repeat(&upstream) => return Err(CallError::Unanswered(why)),
                Attempt::Again(kept, _) => {
                    guard = kept;
                    view = self
                        .view(call.plan, call.caller, Freshness::Any, Some(name))
                        .await?
                        .view;
                }
            }
        }
    }

    /// A status that is no success: what it means for the call, which may have been carried out all the same. Two things
    /// only are known to have done nothing: a session that is over, told with 404 and not as the answer to the call, and
    /// mirrored headers that differ from what the server's list asks for now.
    async fn refused(
        &self,
        answer: Response<T::Body>,
        sent: Sent,
        call: &Call<'_>,
        name: &str,
        mut guard: CallGuard,
    ) -> Result<Attempt<T::Body>, CallError> {
        let Sent {
            server,
            bridge,
            session,
            mirrored,
        } = &sent;
        let upstream = &server.upstream;
        let session = session.as_ref();
        // A refusal is a whole answer: there is nothing left to cancel.
        guard.unwatch();
        let reading = whole::<T>(upstream, answer, SMALL_ANSWER, None);
        let answer = tokio::time::timeout(upstream.config.timeout, reading)
            .await
            .unwrap_or_else(|_| Err(upstream.timed_out()))
            .map_err(CallError::Unanswered)?;
        let id = bridge.server_id.as_ref().unwrap_or(&bridge.client_id);
        let (error, is_ours) = answer.error(id).unzip();
        let loss = session.map_or(SessionLoss::No, |session| answer.session_loss(session, id));
        if let Some(session) = session
            && loss != SessionLoss::No
        {
            upstream.sessions.slot(call.caller.key).forget(session);
            if may_be_other_era(answer.status) {
                // A server that has moved to the other era refuses sessions too; the next request finds out.
                upstream.forget_era(Era::Legacy);
            }
            if loss == SessionLoss::Surely {
                session.is_over();
                return Ok(Attempt::Again(guard, upstream.session_ended(answer.status)));
            }
            if is_ours != Some(true) {
                return Err(CallError::Unanswered(upstream.lost_in_session(answer.status)));
            }
        }
        let Some(error) = error else {
            if may_be_other_era(answer.status) {
                upstream.forget_era(bridge.server_era);
            }
            let why = upstream.bad_status(answer.status, &answer.headers);
            return Err(CallError::Unanswered(why));
        };
        match (bridge.server_era, error.code) {
            (Era::Modern, ErrorCode::HEADER_MISMATCH) => {
                // The tool's mirrored parameters may have changed since its list was read.
                server.have_changed(call.caller.key);
                catalog(&self.lists, server, call.caller, Freshness::Fresh).await?;
                let view = self
                    .view(call.plan, call.caller, Freshness::Any, Some(name))
                    .await?
                    .view;
                let why = upstream.not_mcp("it refuses the headers that its own list asks for");
                if answer.status == StatusCode::BAD_REQUEST && check_headers(call, name, &view)? != *mirrored
                {
                    return Ok(Attempt::Again(guard, why));
                }
                Err(CallError::Unanswered(why))
            }
            (Era::Modern, ErrorCode::UNSUPPORTED_PROTOCOL_VERSION) => {
                upstream.forget_era(Era::Modern);
                Err(CallError::Unanswered(upstream.other_version()))
            }
            (Era::Legacy, code) if code.proves_modern() => {
                if let Some(session) = session {
                    upstream.sessions.slot(call.caller.key).forget(session);
                }
                upstream.forget_era(Era::Legacy);
                Err(CallError::Unanswered(upstream.other_version()))
            }
            (era, code) => {
                if era == Era::Modern && denies_modern(answer.status, code) {
                    upstream.forget_era(Era::Modern);
                }
                let status = code.relayed_status(bridge.client_era);
                let body = bridge.error(answer.error_object());
                Ok(Attempt::Answer(reply::json(status, Answer::full(body))))
            }
        }
    }
}

/// A call that was sent and answered.
struct Sent {
    server: Arc<Server>,
    bridge: Bridge,
    session: Option<Arc<UpstreamSession>>,
    /// The mirrored parameters it was sent with.
    mirrored: Vec<(HeaderName, HeaderValue)>,
}

/// A success as it streams to the client.
async fn stream<T: Transport>(
    net: &Net<T>,
    answer: Response<T::Body>,
    sent: Sent,
    caller: Caller<'_>,
    guard: CallGuard,
    cancelled: Option<&CancellationToken>,
) -> Result<Response<Answer<T::Body>>, CallError> {
    let Sent {
        server,
        bridge,
        session,
        ..
    } = sent;
    let upstream = Arc::clone(&server.upstream);
    refuse_encoded(&upstream, answer.headers()).map_err(CallError::Unanswered)?;
    let kind = media_type(answer.headers());
    let watch = Watch::new(upstream.config.timeout, caller.identity.alive());
    let body = answer.into_body();
    match kind {
        MediaType::Json if bridge.client_era == Era::Legacy && bridge.server_era == Era::Modern => {
            let json = JsonAnswer::new(body, None, watch, guard);
            Box::pin(translated(net, json, &bridge, &upstream)).await
        }
        MediaType::Json => {
            let ours = bridge.server_id.unwrap_or_else(|| bridge.client_id.clone());
            let changes = Changes {
                id: Some((ours, bridge.client_id)),
                result_type: match (bridge.client_era, bridge.server_era) {
                    (_, Era::Modern) => ResultType::Keep,
                    (Era::Modern, Era::Legacy) => ResultType::Complete,
                    (Era::Legacy, Era::Legacy) => ResultType::Remove,
                },
            };
            let mut json = JsonAnswer::new(body, Some(Splicer::new(changes)), watch, guard);
            // An answer that is not ours is refused while that can still be said.
            let first = json.look_at_first().await;
            first.map_err(|why| not_passed_on(&upstream, &why))?;
            if let Some(session) = &session
                && ends_session(json.first(), session)
            {
                upstream.sessions.slot(caller.key).forget(session);
            }
            Ok(reply::json(StatusCode::OK, Answer::json(json)))
        }
        MediaType::EventStream => {
            let events = EventsAnswer::new(
                body,
                bridge,
                upstream,
                server,
                watch,
                net.budget.share(),
                cancelled.cloned(),
                guard,
            );
            Ok(reply::events(Answer::events(events)))
        }
        MediaType::Other => Err(CallError::Unanswered(
            upstream.not_mcp("neither JSON nor a stream of events"),
        )),
    }
}

/// Whether an answer that is here as a whole already is an error that means that the session is over.
fn ends_session(first: &[u8], session: &UpstreamSession) -> bool {
    if first.len() > SMALL_ERROR || memchr::memmem::find(first, b"\"error\"").is_none() {
        return false;
    }
    match envelope::parse(first, &Limits::default()) {
        Ok(Message::Response(response)) => match &response.outcome {
            Outcome::Error(error) => {
                let error = SaidError::of(error);
                session_loss(StatusCode::OK, session, Some(&error), true) != SessionLoss::No
            }
            Outcome::Result(_) => false,
        },
        _ => false,
    }
}

/// The JSON answer of a stateless server for a client with a session. It is read whole: what must not reach such a
/// client may stand at its end.
async fn translated<T: Transport>(
    net: &Net<T>,
    mut json: JsonAnswer<T::Body>,
    bridge: &Bridge,
    upstream: &Upstream,
) -> Result<Response<Answer<T::Body>>, CallError> {
    let mut share = net.budget.share();
    let mut whole = BytesMut::new();
    while let Some(piece) = json
        .next_piece()
        .await
        .map_err(|why| not_passed_on(upstream, &why))?
    {
        let bytes = whole.len() + piece.len();
        if bytes > EVENT_MAX {
            return Err(CallError::Unanswered(
                upstream.not_mcp("an answer that is too large"),
            ));
        }
        if !share.resize(bytes) {
            return Err(CallError::Busy);
        }
        whole.extend_from_slice(&piece);
    }
    match bridge.translate(&whole.freeze()) {
        Step::Last(body) => Ok(reply::json(StatusCode::OK, Answer::full(body))),
        _ => Err(CallError::Unanswered(
            upstream.not_mcp("an answer to another request"),
        )),
    }
}

/// Why an answer that had begun cannot be passed on.
fn not_passed_on(upstream: &Upstream, why: &AnswerError) -> CallError {
    match why {
        AnswerError::Broken => CallError::Unanswered(upstream.lost()),
        AnswerError::Timeout => CallError::Unanswered(upstream.timed_out()),
        AnswerError::NotOurs(what) => CallError::Unanswered(upstream.not_mcp(what.to_string())),
        AnswerError::NotAlive => CallError::Cancelled,
    }
}
