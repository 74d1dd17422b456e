//! Listening to what a server announces: the GET stream of a session (2025-11-25 basic/transports, "Listening for Messages from
//! the Server"), or `subscriptions/listen` of a stateless one (2026-07-28 basic/patterns/subscriptions).

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep_until};

use super::{
    announced::{Announced, Told},
    answer_events::EVENT_MAX,
    back::Back,
    caller::Caller,
    net::Net,
    session::{UpstreamSession, session_headers},
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    wanted::Wanted,
};
use crate::wire::{
    envelope::{self, Limits, Message, Notification},
    listing::ListKind,
    media_type::{MediaType, media_type},
    sse::Decoder,
    version::Era,
};

/// A stream on which nothing arrives for this long, not even a comment, is opened again.
const SILENCE_MAX: Duration = Duration::from_mins(30);
/// Requests of the server that are answered on one stream, pings above all; later ones are not.
const REPLIES_MAX: usize = 64;
/// Events of what is listened to are small; a stream with a larger one ends.
const ANNOUNCED_MAX: usize = 64 * 1024;
const _: () = assert!(ANNOUNCED_MAX < EVENT_MAX);

/// The outcome of listening to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listened {
    /// The server announces nothing.
    Never,
    /// It refused for now.
    Refused,
    /// Its stream has ended.
    Ended,
}

/// What is listened for.
#[derive(Clone, Copy)]
pub(crate) struct Ear<'a> {
    /// Whether some change may have been missed.
    pub(crate) missed: bool,
    /// The resources whose changes are wanted.
    pub(crate) wanted: &'a Wanted,
    /// The receiver.
    pub(crate) told: &'a Told<'a>,
}

/// A stream that announces.
pub(super) struct Heard<B> {
    head: HeaderMap,
    body: B,
    decoder: Decoder,
    /// The change of what is wanted by which it was asked for.
    asked: u64,
    /// How many resources it reports.
    resources: usize,
}

impl<B> Heard<B> {
    /// The answer of a server that was asked for this many resources.
    pub(super) fn new(answer: Response<B>, asked: u64, resources: usize) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            head: head.headers,
            body,
            decoder: Decoder::new(ANNOUNCED_MAX),
            asked,
            resources,
        }
    }
}

/// What a server is asked for while it is listened to: in a session, what remains to be asked is done then; a stateless one
/// answers with another stream.
type Adjusting<'a, B> = Pin<Box<dyn Future<Output = Option<Heard<B>>> + Send + 'a>>;

impl<T: Transport> Net<T> {
    /// Listens to a server until its stream ends. The receiver learns which lists and resources have changed: all of them
    /// once the stream is open, if some may have been missed.
    pub(super) async fn hear(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        ear: Ear<'_>,
    ) -> Result<Listened, Unavailable> {
        let (answer, session) = match self.era_of(upstream, caller).await? {
            // What is wanted is asked for once it is known that the server can be listened to at all.
            Era::Modern => (self.subscription(upstream, caller, &[]).await?, None),
            Era::Legacy => {
                let session = self.session(upstream, caller).await?;
                let request = in_session(upstream, caller, &session).await?;
                let sent = self.transport.send(request, upstream.config.timeout).await;
                (sent.map_err(|_| upstream.unreachable())?, Some(session))
            }
        };
        if let Some(refused) = refused(upstream, caller, &answer, session.as_ref()) {
            return Ok(refused);
        }
        let mut heard = Heard::new(answer, 0, 0);
        let mut changes = ear.wanted.changes();
        changes.mark_changed();
        let mut adjusting: Option<Adjusting<'_, T::Body>> = None;
        let mut announced = Announced::new(ear.told, ear.missed);
        if ear.missed {
            announced.note_resources(ear.wanted.now().1);
        }
        let mut replies = 0;
        loop {
            let due = announced.due();
            let data = tokio::select! {
                data = next_data(&mut heard.body) => data,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    announced.tell();
                    continue;
                }
                _ = changes.changed(), if adjusting.is_none() => {
                    adjusting = Some(match &session {
                        None => {
                            let told = (heard.asked, heard.resources);
                            Box::pin(self.subscription_of_wanted(upstream, caller, ear.wanted, told))
                        }
                        Some(session) => {
                            Box::pin(self.subscribe_to_wanted(upstream, caller, session, ear.wanted))
                        }
                    });
                    continue;
                }
                adjusted = adjusted(&mut adjusting), if adjusting.is_some() => {
                    adjusting = None;
                    if let Some(next) = adjusted {
                        heard = next;
                    }
                    continue;
                }
            };
            let Some(data) = data else {
                return Ok(Listened::Ended);
            };
            heard.decoder.push(data);
            loop {
                let event = match heard.decoder.next_event() {
                    Ok(Some(event)) => event,
                    Ok(None) => break,
                    Err(_) => return Ok(Listened::Ended),
                };
                match envelope::parse(&event.data, &Limits::default()) {
                    Ok(Message::Notification(notification)) => {
                        if &*notification.method.value == "notifications/progress" {
                            report(session.as_deref(), &notification, &event.data);
                        } else {
                            note(&mut announced, ear.wanted, heard.asked, &notification);
                        }
                    }
                    Ok(Message::Request(request)) if session.is_some() && replies < REPLIES_MAX => {
                        replies += 1;
                        let back = Back {
                            net: &**self,
                            upstream,
                            caller,
                            session: session.as_deref(),
                        };
                        back.reply(&heard.head, &request).await;
                    }
                    Ok(Message::Response(_)) => return Ok(Listened::Ended),
                    Ok(Message::Request(_)) | Err(_) => {}
                }
            }
        }
    }
}

/// Why there is nothing to listen to; `None` if there is.
fn refused<B>(
    upstream: &Upstream,
    caller: Caller<'_>,
    answer: &Response<B>,
    session: Option<&Arc<UpstreamSession>>,
) -> Option<Listened> {
    if answer.status().is_success() {
        let is_stream = media_type(answer.headers()) == MediaType::EventStream;
        return (!is_stream).then_some(Listened::Never);
    }
    Some(match (answer.status(), session) {
        (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED, _)
        | (StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST, None) => Listened::Never,
        // The session has ended (2025-11-25 basic/transports, "Session Management"): another one begins.
        (StatusCode::NOT_FOUND, Some(session)) => {
            upstream.sessions.slot(caller.slot()).forget(session);
            session.is_over();
            Listened::Refused
        }
        // A proxy that has enough for now, or a server that has not noticed that an earlier stream broke.
        _ => Listened::Refused,
    })
}

fn note(announced: &mut Announced<'_>, wanted: &Wanted, asked: u64, notification: &Notification<'_>) {
    match &*notification.method.value {
        "notifications/resources/updated" => {
            let params = notification.params.as_ref();
            if let Some(uri) = params.and_then(|params| params.uri.as_ref()) {
                announced.note_resources(wanted.touched_by(&uri.value));
            }
        }
        "notifications/subscriptions/acknowledged" => wanted.note_heard(asked),
        method => {
            if let Some(kind) = changed_list(method) {
                announced.note_list(kind);
            }
        }
    }
}

/// Passes on progress of a call, whose stream it is not on.
fn report(session: Option<&UpstreamSession>, notification: &Notification<'_>, message: &Bytes) {
    let params = notification.params.as_ref();
    let token = params.and_then(|params| params.progress_token);
    if let (Some(session), Some(token)) = (session, token) {
        session.calls.report(token.raw, message);
    }
}

/// The outcome of what a server is asked for, if it is asked.
async fn adjusted<B>(adjusting: &mut Option<Adjusting<'_, B>>) -> Option<Heard<B>> {
    match adjusting {
        Some(adjusting) => adjusting.as_mut().await,
        None => None,
    }
}

/// The next bytes of a stream, unless it ends or nothing comes for too long.
pub(super) async fn next_data<B>(body: &mut B) -> Option<Bytes>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await;
    let frame = frame.ok()??.ok()?;
    Some(frame.into_data().unwrap_or_default())
}

/// The list that a notification says has changed.
pub(crate) fn changed_list(method: &str) -> Option<ListKind> {
    match method {
        "notifications/tools/list_changed" => Some(ListKind::Tools),
        "notifications/prompts/list_changed" => Some(ListKind::Prompts),
        "notifications/resources/list_changed" => Some(ListKind::Resources),
        _ => None,
    }
}

async fn in_session(
    upstream: &Upstream,
    caller: Caller<'_>,
    session: &UpstreamSession,
) -> Result<Request<Bytes>, Unavailable> {
    let mut request = upstream.request(Method::GET, caller, Bytes::new()).await?;
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    request.headers_mut().remove(CONTENT_TYPE);
    session_headers(&mut request, session);
    Ok(request)
}
