//! The answer of a server to a call, on its way to the client in the client's era.

use std::{fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    answer_error::AnswerError,
    answer_events::{Asks, EVENT_MAX, EventsAnswer, asking},
    answer_json::JsonAnswer,
    budget::{Owner, Share},
    call_guard::{CallGuard, Held},
    client_streams::Purpose,
    era::{SaidError, SessionLoss, session_loss},
    held::Retry,
    late::{Opening, rest, whole_of},
    net::Net,
    outgoing::{Call, CallError, To},
    progress::Progress,
    questions::{Client, Questions},
    replies::{InSession, KeptUser},
    resume::Resume,
    rounds::{Again as _, Repeated, Rounds},
    seals::Nonce,
    session::UpstreamSession,
    states::States,
    tasks::OfTasks,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    watch::Watch,
    whole::refuse_encoded,
};
use crate::wire::{
    batch::is_batch,
    bridge::{Bridge, Step, Tasks},
    bridge_splice::{Changes, ResultType, Splicer},
    envelope::{self, Limits, Message, Outcome},
    media_type::{MediaType, media_type},
    version::Era,
};

/// The maximum size of an error that says that a session has ended, in bytes.
const SMALL_ERROR: usize = 4 * 1024;

/// The maximum size of an answer that begins a task, in bytes.
const NEW_TASK_MAX: usize = 64 * 1024;

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
    /// The rounds of a call whose server asks for input, and what is held for as long as they last.
    Rounds(Box<Rounds>, Option<Held>),
    /// A message that is here as a whole, its status, and what it takes of the memory for answers.
    Whole(StatusCode, Bytes, Option<Share>),
}

/// A call that was sent.
pub(super) struct Sent {
    pub(super) bridge: Bridge,
    pub(super) session: Option<Arc<UpstreamSession>>,
    /// The message as it was sent, if it may have to be sent again with the client's answer.
    pub(super) body: Option<Bytes>,
    /// The progress that is reported elsewhere.
    pub(super) progress: Option<Progress>,
    /// When the client gets a sign of life, if it accepts a stream.
    pub(super) until: Option<Instant>,
}

/// A success as it streams to the client.
pub(super) async fn stream<T: Transport>(
    net: &Arc<Net<T>>,
    answer: Response<T::Body>,
    sent: Sent,
    call: &Call<'_>,
    to: &To<'_>,
    guard: CallGuard,
    cancelled: Option<&CancellationToken>,
) -> Result<Answered<T::Body>, CallError> {
    let upstream = to.upstream;
    refuse_encoded(upstream, answer.headers()).map_err(CallError::Unanswered)?;
    let kind = media_type(answer.headers());
    let watch = Watch::new(upstream.config.timeout, call.caller.identity.alive());
    let body = answer.into_body();
    let eras = (sent.bridge.client_era, sent.bridge.server_era);
    match kind {
        MediaType::Json if eras == (Era::Legacy, Era::Modern) => {
            let translated = translated(net, (body, watch), sent, call, to, guard, cancelled);
            Box::pin(translated).await
        }
        MediaType::Json => {
            let mut json = JsonAnswer::new(body, None, watch, guard);
            let may_be_array = |session: &Arc<UpstreamSession>| session.version.may_have_batches();
            if sent.session.as_ref().is_some_and(may_be_array) {
                let first = json.look_before_splicing(sent.until).await;
                let has_come = first.map_err(|why| not_passed_on(upstream, &why))?;
                if !has_come || is_batch(json.first()) {
                    return Ok(together(net, json, sent, (call, to), cancelled));
                }
            }
            let Sent {
                bridge,
                session,
                until,
                ..
            } = sent;
            let ours = bridge
                .server_id
                .clone()
                .unwrap_or_else(|| bridge.client_id.clone());
            let changes = Changes {
                id: Some((ours, bridge.client_id.clone())),
                result_type: match eras {
                    (_, Era::Modern) => ResultType::Keep,
                    (Era::Modern, Era::Legacy) if bridge.is_cacheable => ResultType::CompleteOnce,
                    (Era::Modern, Era::Legacy) => ResultType::Complete,
                    (Era::Legacy, Era::Legacy) => ResultType::Remove,
                },
            };
            let seal = (eras == (Era::Modern, Era::Modern)).then(|| States::of(call, upstream));
            let spliced = json.splice(Splicer::with(changes, seal));
            spliced.map_err(|why| not_passed_on(upstream, &why))?;
            // An answer that is not ours is refused while that can still be said.
            let first = json.look_at_first(until, share_of(net, call, upstream)).await;
            if !first.map_err(|why| not_passed_on(upstream, &why))? {
                return Ok(late(net, call, to, cancelled, json, (bridge, None), None));
            }
            // An error is small, and here as a whole.
            if let Some(recoded) = bridge.recoded(json.first()) {
                return Ok(Answered::Whole(StatusCode::OK, recoded, None));
            }
            if let Some(session) = &session
                && ends_session(json.first(), session)
            {
                upstream.sessions.slot(call.slot()).forget(session);
            }
            match &bridge.tasks {
                None => Ok(Answered::Json(json)),
                Some(tasks) => {
                    Box::pin(with_tasks(share_of(net, call, upstream), upstream, json, tasks)).await
                }
            }
        }
        MediaType::EventStream => {
            let events = as_events(net, Ok(body), sent, (call, to), (watch, guard), cancelled);
            Ok(Answered::Events(events))
        }
        MediaType::Other => Err(CallError::Unanswered(
            upstream.not_mcp("neither JSON nor a stream of events"),
        )),
    }
}

/// A JSON answer that may name a task. One that begins a task is short, and what is longer passes as it comes.
async fn with_tasks<B>(
    mut share: Share,
    upstream: &Upstream,
    mut json: JsonAnswer<B>,
    tasks: &Tasks,
) -> Result<Answered<B>, CallError>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let most = if tasks.asks_for_task {
        EVENT_MAX
    } else {
        NEW_TASK_MAX
    };
    let gathered = json.gather(most, &mut share).await;
    match gathered.map_err(|why| not_passed_on(upstream, &why))? {
        None => Err(CallError::Busy),
        Some(true) => {
            let body = tasks.in_response(json.first());
            Ok(Answered::Whole(StatusCode::OK, body, Some(share)))
        }
        Some(false) if tasks.asks_for_task => Err(CallError::Unanswered(
            upstream.not_mcp("an answer that is too large"),
        )),
        Some(false) => Ok(Answered::Json(json)),
    }
}

/// How the client is asked for what the server wants while it answers by events, which is known only after the call itself.
/// That costs an allocation or two, and only if the client declares that it can be asked.
fn asks<T: Transport>(net: &Arc<Net<T>>, sent: &Sent, call: &Call<'_>, to: &To<'_>) -> Option<Asks> {
    let client = &call.client;
    let (bridge, caller) = (&sent.bridge, call.caller);
    if (bridge.client_era, bridge.server_era) == (Era::Modern, Era::Modern) {
        return Some(Asks::Sealed(States::of(call, to.upstream)));
    }
    if client.can.is_empty() {
        return None;
    }
    let Some(session) = &sent.session else {
        let again = Repeated::of(net, call, to, bridge, sent.body.as_ref()?)?;
        return Some(Asks::Again(Box::new(again)));
    };
    let way = Arc::new(InSession {
        net: Arc::clone(net),
        upstream: Arc::clone(to.upstream),
        session: Arc::clone(session),
        user: KeptUser::of(caller),
    });
    let asked = match client.session {
        None => Client::stateless(client.bound(caller.key, call.request), KeptUser::of(caller)),
        Some(session) => {
            let stream = client.mailbox.open_stream(session, Purpose::Call);
            Client::in_session(session, Some(stream))
        }
    };
    let questions = Questions::new(
        way,
        client.mailbox,
        (client.project, caller.key),
        client.can,
        asked,
        OfTasks::new(client, caller.key, to.upstream),
    );
    Some(Asks::Questions(Box::new(questions)))
}

/// Goes on with a call that is held.
pub(super) fn resume<B>(retry: Retry<'_>, held: Nonce) -> Option<(Arc<Upstream>, Answered<B>)>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Send + Unpin + 'static,
{
    let (upstream, events) = asking::resume(retry, held)?;
    Some((upstream, Answered::Events(events)))
}

/// A JSON answer whose head has come and no more, as a stream. The second bridge is for one that must be translated.
fn late<T: Transport>(
    net: &Net<T>,
    call: &Call<'_>,
    to: &To<'_>,
    cancelled: Option<&CancellationToken>,
    json: JsonAnswer<T::Body>,
    (bridge, translating): (Bridge, Option<Bridge>),
    asks: Option<Asks>,
) -> Answered<T::Body> {
    let upstream = to.upstream;
    let tasks = bridge.tasks.clone();
    let opening = rest(
        json,
        share_of(net, call, upstream),
        Arc::clone(upstream),
        translating,
        tasks,
    );
    let events = EventsAnswer::new(
        Err(Box::pin(opening)),
        bridge,
        Arc::clone(upstream),
        Watch::new(upstream.config.timeout, call.caller.identity.alive()),
        share_of(net, call, upstream),
        cancelled.cloned(),
        // The answer has its own guard.
        CallGuard::new(call.slot(), None),
    );
    Answered::Events(Box::new(events.with_asks(asks)))
}

/// An answer that comes by events, or is waited for.
pub(super) fn as_events<T: Transport>(
    net: &Arc<Net<T>>,
    of: Result<T::Body, Opening<T::Body>>,
    sent: Sent,
    (call, to): (&Call<'_>, &To<'_>),
    (watch, guard): (Watch, CallGuard),
    cancelled: Option<&CancellationToken>,
) -> Box<EventsAnswer<T::Body>> {
    let upstream = to.upstream;
    let asks = asks(net, &sent, call, to);
    let (server, share) = (Arc::clone(upstream), share_of(net, call, upstream));
    let events = EventsAnswer::new(of, sent.bridge, server, watch, share, cancelled.cloned(), guard);
    let events = events.with_asks(asks);
    Box::new(match &sent.session {
        Some(session) => {
            let resume = Resume::new(net, upstream, session, call.caller, call.slot());
            events.within_session(resume, sent.progress)
        }
        None => events,
    })
}

/// A JSON answer that is an array, or may become one. It holds the answer and maybe other messages, so it becomes a stream.
fn together<T: Transport>(
    net: &Arc<Net<T>>,
    json: JsonAnswer<T::Body>,
    sent: Sent,
    (call, to): (&Call<'_>, &To<'_>),
    cancelled: Option<&CancellationToken>,
) -> Answered<T::Body> {
    let (first, body, guard) = json.into_rest();
    let (bridge, upstream) = (sent.bridge.clone(), Arc::clone(to.upstream));
    let share = share_of(net, call, &upstream);
    let opening = async move { whole_of(first, body, share, &bridge, &upstream).await };
    let watch = Watch::new(to.upstream.config.timeout, call.caller.identity.alive());
    let of = Err(Box::pin(opening) as Opening<_>);
    Answered::Events(as_events(net, of, sent, (call, to), (watch, guard), cancelled))
}

/// What an answer takes of the memory for answers, nothing yet.
pub(super) fn share_of<T>(net: &Net<T>, call: &Call<'_>, upstream: &Upstream) -> Share {
    net.budget.share(Owner {
        project: upstream.config.project,
        user: Some(call.caller.key),
    })
}

/// Whether an answer that has arrived completely is an error that means that the session has ended.
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
/// client may be at its end.
async fn translated<T: Transport>(
    net: &Arc<Net<T>>,
    (body, watch): (T::Body, Watch),
    sent: Sent,
    call: &Call<'_>,
    to: &To<'_>,
    mut guard: CallGuard,
    cancelled: Option<&CancellationToken>,
) -> Result<Answered<T::Body>, CallError> {
    let (upstream, bridge) = (to.upstream, &sent.bridge);
    // It lasts longer than this answer if that asks for another round.
    let held = guard.take_held();
    let mut json = JsonAnswer::new(body, None, watch, guard);
    let first = json
        .look_at_first(sent.until, share_of(net, call, upstream))
        .await;
    if !first.map_err(|why| not_passed_on(upstream, &why))? {
        let asks = asks(net, &sent, call, to);
        let bridges = (bridge.clone(), Some(bridge.clone()));
        let late = late(net, call, to, cancelled, json, bridges, asks);
        return Ok(match late {
            Answered::Events(events) => Answered::Events(Box::new(events.holding(held))),
            other => other,
        });
    }
    let mut share = share_of(net, call, upstream);
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
    let whole = whole.freeze();
    match bridge.translate(&whole) {
        Step::Last(body) => Ok(Answered::Whole(StatusCode::OK, body, Some(share))),
        Step::InputRequired => {
            let again = (!call.client.can.is_empty())
                .then(|| Repeated::of(net, call, to, bridge, sent.body.as_ref()?))
                .flatten();
            let Some(again) = again else {
                return Ok(Answered::Whole(StatusCode::OK, bridge.cannot_give_input(), None));
            };
            let watch = Watch::new(upstream.config.timeout, call.caller.identity.alive());
            let cancelled = cancelled.map(|token| Box::pin(token.clone().cancelled_owned()));
            let rounds = Box::new(again).begin(whole, watch, cancelled);
            Ok(Answered::Rounds(Box::new(rounds), held))
        }
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

/// The same, if the user may read why.
pub(super) fn unavailable(upstream: &Upstream, why: &AnswerError) -> Unavailable {
    match why {
        AnswerError::Broken | AnswerError::NotAlive => upstream.lost(),
        AnswerError::Timeout => upstream.timed_out(),
        AnswerError::NotOurs(what) => upstream.not_mcp(what.to_string()),
    }
}
