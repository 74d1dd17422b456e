//! Listening to what a server announces: the GET stream of a session (2025-11-25 basic/transports, "Listening for Messages from
//! the Server"), or `subscriptions/listen` of a stateless one (2026-07-28 basic/patterns/subscriptions).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep_until};

use super::{
    answer_events::EVENT_MAX,
    back::Back,
    caller::Caller,
    exchange::modern_request,
    net::Net,
    session::{UpstreamSession, session_headers},
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
};
use crate::wire::{
    envelope::{self, Limits, Message},
    listing::ListKind,
    media_type::{MediaType, media_type},
    sse::Decoder,
    version::Era,
};

/// What a stateless server is asked for.
const FILTER: &str =
    r#""notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;
/// A stream on which nothing comes for so long, not even a comment, is opened again.
const SILENCE_MAX: Duration = Duration::from_mins(30);
/// The lists that change apart: templates change with the resources.
pub(crate) const ANNOUNCED: [ListKind; 3] = [ListKind::Tools, ListKind::Prompts, ListKind::Resources];
/// A list is said to have changed no more often.
const QUIET: Duration = Duration::from_secs(1);
/// Requests of the server that are answered on one stream, pings above all; later ones are not.
const REPLIES_MAX: usize = 64;
/// Events of what is listened to are small; a stream with a larger one ends.
const ANNOUNCED_MAX: usize = 64 * 1024;
const _: () = assert!(ANNOUNCED_MAX < EVENT_MAX);

/// What became of listening to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listened {
    /// The server announces nothing.
    Never,
    /// It refused for now.
    Refused,
    /// Its stream has ended.
    Ended,
}

/// Which lists have changed, each told at most once a second, however often the server says it: what is told makes every
/// list of the server be read again.
struct Announced<'a> {
    changed: &'a (dyn Fn(ListKind) + Send + Sync),
    waiting: [bool; ANNOUNCED.len()],
    told: Option<Instant>,
}

impl Announced<'_> {
    fn note(&mut self, kind: ListKind) {
        if let Some(at) = ANNOUNCED.iter().position(|announced| *announced == kind) {
            self.waiting[at] = true;
        }
    }

    /// When what waits is to be told; nothing while nothing waits.
    fn due(&self) -> Option<Instant> {
        let waits = self.waiting.contains(&true);
        waits.then(|| self.told.map_or_else(Instant::now, |told| told + QUIET))
    }

    fn tell(&mut self) {
        self.told = Some(Instant::now());
        for (kind, waiting) in ANNOUNCED.into_iter().zip(std::mem::take(&mut self.waiting)) {
            if waiting {
                (self.changed)(kind);
            }
        }
    }
}

impl<T: Transport> Net<T> {
    /// Listens to a server until its stream ends. `changed` is told which lists have changed: all of them once the stream is
    /// open, where some may have been `missed`.
    pub(super) async fn hear(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        missed: bool,
        changed: &(dyn Fn(ListKind) + Send + Sync),
    ) -> Result<Listened, Unavailable> {
        let (request, session) = match self.era_of(upstream, caller).await? {
            Era::Modern => {
                let request = modern_request(upstream, caller, "subscriptions/listen", FILTER).await?;
                (request, None)
            }
            Era::Legacy => {
                let session = self.session(upstream, caller).await?;
                (in_session(upstream, caller, &session).await?, Some(session))
            }
        };
        let sent = self.transport.send(request, upstream.config.timeout).await;
        let Ok(answer) = sent else {
            return Err(upstream.unreachable());
        };
        if !answer.status().is_success() {
            return Ok(match (answer.status(), &session) {
                (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED, _)
                | (StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST, None) => Listened::Never,
                // The session is over (2025-11-25 basic/transports, "Session Management"): another one begins.
                (StatusCode::NOT_FOUND, Some(session)) => {
                    upstream.sessions.slot(caller.key).forget(session);
                    session.is_over();
                    Listened::Refused
                }
                // A proxy that has enough for now, or a server that has not noticed that an earlier stream broke.
                _ => Listened::Refused,
            });
        }
        if media_type(answer.headers()) != MediaType::EventStream {
            return Ok(Listened::Never);
        }
        let (head, mut body) = answer.into_parts();
        let mut decoder = Decoder::new(ANNOUNCED_MAX);
        let mut announced = Announced {
            changed,
            waiting: [missed; ANNOUNCED.len()],
            told: None,
        };
        let mut replies = 0;
        loop {
            let due = announced.due();
            let data = tokio::select! {
                data = next_data(&mut body) => data,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    announced.tell();
                    continue;
                }
            };
            let Some(data) = data else {
                return Ok(Listened::Ended);
            };
            decoder.push(data);
            loop {
                let event = match decoder.next_event() {
                    Ok(Some(event)) => event,
                    Ok(None) => break,
                    Err(_) => return Ok(Listened::Ended),
                };
                match envelope::parse(&event.data, &Limits::default()) {
                    Ok(Message::Notification(notification)) => {
                        if let Some(kind) = changed_list(&notification.method.value) {
                            announced.note(kind);
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
                        back.reply(&head.headers, &request).await;
                    }
                    Ok(Message::Response(_)) => return Ok(Listened::Ended),
                    Ok(Message::Request(_)) | Err(_) => {}
                }
            }
        }
    }
}

/// The next bytes of a stream, unless it ends or nothing comes for too long.
async fn next_data<B>(body: &mut B) -> Option<Bytes>
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
