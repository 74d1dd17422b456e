//! The answer of a server to a call, on its way to the client in the client's era.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    answer_error::AnswerError,
    answer_events::{EVENT_MAX, EventsAnswer},
    answer_json::JsonAnswer,
    call_guard::CallGuard,
    caller::Caller,
    era::{SaidError, SessionLoss, session_loss},
    late::rest,
    net::Net,
    outgoing::CallError,
    progress::Progress,
    resume::Resume,
    session::UpstreamSession,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    watch::Watch,
    whole::refuse_encoded,
};
use crate::wire::{
    bridge::{Bridge, Step},
    bridge_splice::{Changes, ResultType, Splicer},
    envelope::{self, Limits, Message, Outcome},
    media_type::{MediaType, media_type},
    version::Era,
};

/// An error of a server that says that a session is over is no longer than this, bytes.
const SMALL_ERROR: usize = 4 * 1024;

/// The answer to a call, in the client's era.
#[expect(
    clippy::large_enum_variant,
    reason = "most answers are JSON, and each would cost an allocation if it were boxed"
)]
pub(crate) enum Answered<B> {
    /// JSON, as it arrives.
    Json(JsonAnswer<B>),
    /// Events, one by one.
    Events(Box<EventsAnswer<B>>),
    /// A message that is here as a whole, and its status.
    Whole(StatusCode, Bytes),
}

/// A call that was sent.
pub(super) struct Sent {
    pub(super) bridge: Bridge,
    pub(super) session: Option<Arc<UpstreamSession>>,
    /// The progress that is reported elsewhere.
    pub(super) progress: Option<Progress>,
    /// When the client gets a sign of life, where it takes a stream.
    pub(super) until: Option<Instant>,
}

/// A success as it streams to the client.
pub(super) async fn stream<T: Transport>(
    net: &Arc<Net<T>>,
    upstream: &Arc<Upstream>,
    answer: Response<T::Body>,
    sent: Sent,
    caller: Caller<'_>,
    guard: CallGuard,
    cancelled: Option<&CancellationToken>,
) -> Result<Answered<T::Body>, CallError> {
    let Sent {
        bridge,
        session,
        progress,
        until,
    } = sent;
    refuse_encoded(upstream, answer.headers()).map_err(CallError::Unanswered)?;
    let kind = media_type(answer.headers());
    let watch = Watch::new(upstream.config.timeout, caller.identity.alive());
    let body = answer.into_body();
    match kind {
        MediaType::Json if bridge.client_era == Era::Legacy && bridge.server_era == Era::Modern => {
            let mut json = JsonAnswer::new(body, None, watch, guard);
            let first = json.look_at_first(until).await;
            if !first.map_err(|why| not_passed_on(upstream, &why))? {
                return Ok(late(
                    net,
                    upstream,
                    caller,
                    cancelled,
                    json,
                    (bridge.clone(), Some(bridge)),
                ));
            }
            Box::pin(translated(net, json, &bridge, upstream)).await
        }
        MediaType::Json => {
            let ours = bridge
                .server_id
                .clone()
                .unwrap_or_else(|| bridge.client_id.clone());
            let changes = Changes {
                id: Some((ours, bridge.client_id.clone())),
                result_type: match (bridge.client_era, bridge.server_era) {
                    (_, Era::Modern) => ResultType::Keep,
                    (Era::Modern, Era::Legacy) if bridge.is_cacheable => ResultType::CompleteOnce,
                    (Era::Modern, Era::Legacy) => ResultType::Complete,
                    (Era::Legacy, Era::Legacy) => ResultType::Remove,
                },
            };
            let mut json = JsonAnswer::new(body, Some(Splicer::new(changes)), watch, guard);
            // An answer that is not ours is refused while that can still be said.
            let first = json.look_at_first(until).await;
            if !first.map_err(|why| not_passed_on(upstream, &why))? {
                return Ok(late(net, upstream, caller, cancelled, json, (bridge, None)));
            }
            if let Some(session) = &session
                && ends_session(json.first(), session)
            {
                upstream.sessions.slot(caller.key).forget(session);
            }
            Ok(Answered::Json(json))
        }
        MediaType::EventStream => {
            let events = EventsAnswer::new(
                Ok(body),
                bridge,
                Arc::clone(upstream),
                watch,
                net.budget.share(),
                cancelled.cloned(),
                guard,
            );
            let events = match &session {
                Some(session) => events.within_session(Resume::new(net, upstream, session, caller), progress),
                None => events,
            };
            Ok(Answered::Events(Box::new(events)))
        }
        MediaType::Other => Err(CallError::Unanswered(
            upstream.not_mcp("neither JSON nor a stream of events"),
        )),
    }
}

/// A JSON answer whose head has come and no more, as a stream. The second bridge is for one that must be translated.
fn late<T: Transport>(
    net: &Net<T>,
    upstream: &Arc<Upstream>,
    caller: Caller<'_>,
    cancelled: Option<&CancellationToken>,
    json: JsonAnswer<T::Body>,
    (bridge, translating): (Bridge, Option<Bridge>),
) -> Answered<T::Body> {
    let opening = rest(json, net.budget.share(), Arc::clone(upstream), translating);
    let events = EventsAnswer::new(
        Err(Box::pin(opening)),
        bridge,
        Arc::clone(upstream),
        Watch::new(upstream.config.timeout, caller.identity.alive()),
        net.budget.share(),
        cancelled.cloned(),
        // The answer has a guard of its own.
        CallGuard::new(caller.key, None),
    );
    Answered::Events(Box::new(events))
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
) -> Result<Answered<T::Body>, CallError> {
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
        Step::Last(body) => Ok(Answered::Whole(StatusCode::OK, body)),
        _ => Err(CallError::Unanswered(
            upstream.not_mcp("an answer to another request"),
        )),
    }
}

/// Why an answer that had begun cannot be passed on.
fn not_passed_on(upstream: &Upstream, why: &AnswerError) -> CallError {
    match why {
        AnswerError::NotAlive => CallError::Cancelled,
        why => CallError::Unanswered(unavailable(upstream, why)),
    }
}

/// The same, where the user may read why.
pub(super) fn unavailable(upstream: &Upstream, why: &AnswerError) -> Unavailable {
    match why {
        AnswerError::Broken | AnswerError::NotAlive => upstream.lost(),
        AnswerError::Timeout => upstream.timed_out(),
        AnswerError::NotOurs(what) => upstream.not_mcp(what.to_string()),
    }
}
