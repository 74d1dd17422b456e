//! `tools/call`: found in the gateway's selection, sent to its server in the server's era, streamed back in the client's.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::{Answer, AnswerError},
    answer_events::{EVENT_MAX, EventsAnswer},
    answer_json::JsonAnswer,
    answer_watch::Watch,
    bridge::{Bridge, Step},
    bridge_splice::{Changes, Splicer},
    call_guard::CallGuard,
    call_outgoing::{Call, CallError, Client, Outgoing, modern, within_session},
    caller::Caller,
    catalog::{Freshness, catalog},
    envelope::{self, Limits, Message, Outcome},
    federation::Federation,
    federation_list::View,
    jsonrpc::ErrorCode,
    reply,
    upstream::{Unavailable, Upstream},
    upstream_ask::{Net, SMALL_ANSWER},
    upstream_era::{denies_modern, lost_session, may_be_other_era},
    upstream_read::{MediaType, media_type, refuse_encoded, whole},
    upstream_session::UpstreamSession,
    upstream_transport::Transport,
    version::Era,
};

/// What one attempt led to.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment on the stack; a box would cost every call"
)]
enum Attempt<B> {
    Answer(Response<Answer<B>>),
    /// The server's tools, era or session are not what they were thought to be; nothing was done there.
    Again(CallGuard),
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
        if view.target(call.plan, &name.value).is_none() {
            view = Box::pin(self.look_again(call, &name.value)).await?;
        }
        match &call.client {
            Client::Modern(_) => {
                let guard = CallGuard::new(call.caller.key, None);
                self.attempts(call, &name.value, view, noted, guard, None).await
            }
            Client::Legacy(session) => {
                let running = session.run(Bytes::copy_from_slice(call.request.id.raw.as_bytes()));
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
        if view.target(call.plan, name).is_some() {
            return Ok(view);
        }
        match view.missing_server(call.plan, name) {
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
        let mut second = false;
        loop {
            let offered = view
                .target(call.plan, name)
                .ok_or_else(|| CallError::UnknownTool(name.to_owned()))?;
            let upstream = Arc::clone(&offered.upstream);
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
            } = outgoing;
            let answer = match self.net.send(&upstream, request, upstream.config.timeout).await {
                Ok(answer) => answer,
                Err(why) => {
                    if matches!(why, Unavailable::Unreachable { .. }) {
                        guard.unwatch();
                    }
                    return Err(why.into());
                }
            };
            let attempt = if answer.status().is_success() {
                let streamed = stream(
                    &self.net,
                    answer,
                    bridge,
                    &upstream,
                    call.caller,
                    guard,
                    cancelled,
                );
                Attempt::Answer(streamed.await?)
            } else {
                // Boxed because it is rare and large.
                Box::pin(self.refused(answer, &bridge, &upstream, call.caller, session, guard)).await?
            };
            match attempt {
                Attempt::Answer(answer) => return Ok(answer),
                Attempt::Again(_) if second => {
                    return Err(upstream.not_mcp("refusals of every form of the call").into());
                }
                Attempt::Again(kept) => {
                    guard = kept;
                    second = true;
                    view = self
                        .view(call.plan, call.caller, Freshness::Any, Some(name))
                        .await?
                        .view;
                }
            }
        }
    }

    /// A status that is no success: what it means for the call.
    async fn refused(
        &self,
        answer: Response<T::Body>,
        bridge: &Bridge,
        upstream: &Arc<Upstream>,
        caller: Caller<'_>,
        session: Option<Arc<UpstreamSession>>,
        mut guard: CallGuard,
    ) -> Result<Attempt<T::Body>, CallError> {
        // A refusal is a whole answer: there is nothing left to cancel.
        guard.unwatch();
        let reading = whole(upstream, answer, SMALL_ANSWER);
        let answer = tokio::time::timeout(upstream.config.timeout, reading)
            .await
            .unwrap_or_else(|_| Err(upstream.timed_out()))?;
        if let Some(session) = &session
            && lost_session(answer.status, session, answer.error_code())
        {
            upstream.sessions.slot(caller.key).forget(session);
            // A server that has moved to the other era refuses sessions too; the next attempt finds out.
            upstream.forget_era(Era::Legacy);
            return Ok(Attempt::Again(guard));
        }
        let Some(body) = &answer.response else {
            if may_be_other_era(answer.status) {
                upstream.forget_era(bridge.server_era);
                return Ok(Attempt::Again(guard));
            }
            return Err(upstream.bad_status(answer.status).into());
        };
        let Ok(Message::Response(response)) = envelope::parse(body, &Limits::default()) else {
            return Err(upstream.bad_status(answer.status).into());
        };
        let Outcome::Error(error) = &response.outcome else {
            return Err(upstream.bad_status(answer.status).into());
        };
        match (bridge.server_era, error.code) {
            (Era::Modern, ErrorCode::HEADER_MISMATCH) => {
                // The tool's mirrored parameters have changed since its list was read.
                upstream.catalogs.invalidate(upstream, caller.key);
                catalog(&self.net, upstream, caller, Freshness::Fresh).await?;
                Ok(Attempt::Again(guard))
            }
            (Era::Modern, code) if denies_modern(answer.status, code) => {
                upstream.forget_era(Era::Modern);
                Ok(Attempt::Again(guard))
            }
            (Era::Legacy, code) if code.proves_modern() => {
                if let Some(session) = &session {
                    upstream.sessions.slot(caller.key).forget(session);
                }
                upstream.forget_era(Era::Legacy);
                Ok(Attempt::Again(guard))
            }
            (_, code) => {
                let status = code.relayed_status(bridge.client_era);
                let body = bridge.error(error.span.of(body));
                Ok(Attempt::Answer(reply::json(status, Answer::full(body))))
            }
        }
    }
}

/// A success as it streams to the client.
async fn stream<T: Transport>(
    net: &Net<T>,
    answer: Response<T::Body>,
    bridge: Bridge,
    upstream: &Arc<Upstream>,
    caller: Caller<'_>,
    guard: CallGuard,
    cancelled: Option<&CancellationToken>,
) -> Result<Response<Answer<T::Body>>, CallError> {
    refuse_encoded(upstream, answer.headers())?;
    let kind = media_type(answer.headers());
    let watch = Watch::new(upstream.config.timeout, caller.identity.alive());
    let body = answer.into_body();
    match kind {
        MediaType::Json if bridge.client_era == Era::Legacy && bridge.server_era == Era::Modern => {
            let json = JsonAnswer::new(body, None, watch, guard);
            Box::pin(translated(net, json, &bridge, upstream)).await
        }
        MediaType::Json => {
            let changes = Changes {
                id: bridge.server_id.map(|ours| (ours, bridge.client_id)),
                result_type: bridge.client_era == Era::Modern && bridge.server_era == Era::Legacy,
            };
            let splicer = (!changes.is_empty()).then(|| Splicer::new(changes));
            let is_looked_at = splicer.is_some();
            let mut json = JsonAnswer::new(body, splicer, watch, guard);
            if is_looked_at {
                // An answer that is not ours is refused while that can still be said.
                let first = json.look_at_first().await;
                first.map_err(|why| not_passed_on(upstream, &why))?;
            }
            Ok(reply::json(StatusCode::OK, Answer::json(json)))
        }
        MediaType::EventStream => {
            let events = EventsAnswer::new(
                body,
                bridge,
                Arc::clone(upstream),
                watch,
                net.budget.share(),
                cancelled.cloned(),
                guard,
            );
            Ok(reply::events(Answer::events(events)))
        }
        MediaType::Other => Err(upstream.not_mcp("neither JSON nor a stream of events").into()),
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
            return Err(upstream.not_mcp("an answer that is too large").into());
        }
        if !share.resize(bytes) {
            return Err(CallError::Busy);
        }
        whole.extend_from_slice(&piece);
    }
    match bridge.translate(&whole.freeze()) {
        Step::Last(body) => Ok(reply::json(StatusCode::OK, Answer::full(body))),
        _ => Err(upstream.not_mcp("an answer to another request").into()),
    }
}

/// Why an answer that had begun cannot be passed on.
fn not_passed_on(upstream: &Upstream, why: &AnswerError) -> CallError {
    match why {
        AnswerError::Broken => upstream.lost().into(),
        AnswerError::Timeout => upstream.timed_out().into(),
        AnswerError::NotOurs(what) => upstream.not_mcp(what.to_string()).into(),
        AnswerError::NotAlive => CallError::Cancelled,
    }
}
