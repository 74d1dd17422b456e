//! Listening to what a server announces: the GET stream of a session (2025-11-25 basic/transports, "Listening for Messages from
//! the Server"), or `subscriptions/listen` of a stateless one (2026-07-28 basic/patterns/subscriptions).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;

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
/// Events of what is listened to are small; a stream with a larger one ends.
const ANNOUNCED_MAX: usize = 64 * 1024;
const _: () = assert!(ANNOUNCED_MAX < EVENT_MAX);

/// What became of listening to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listened {
    /// The server announces nothing.
    Never,
    /// Its stream has ended.
    Ended,
}

impl<T: Transport> Net<T> {
    /// Listens to a server until its stream ends. `changed` is told which lists have changed.
    pub(super) async fn hear(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
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
            // The session may be over, which the next request in it finds out.
            let again = session.is_some() && answer.status() == StatusCode::NOT_FOUND
                || answer.status().is_server_error();
            return Ok(if again { Listened::Ended } else { Listened::Never });
        }
        if media_type(answer.headers()) != MediaType::EventStream {
            return Ok(Listened::Never);
        }
        let (head, mut body) = answer.into_parts();
        let mut decoder = Decoder::new(ANNOUNCED_MAX);
        while let Some(data) = next_data(&mut body).await {
            decoder.push(data);
            while let Ok(Some(event)) = decoder.next_event() {
                match envelope::parse(&event.data, &Limits::default()) {
                    Ok(Message::Notification(notification)) => {
                        if let Some(kind) = changed_list(&notification.method.value) {
                            changed(kind);
                        }
                    }
                    Ok(Message::Request(request)) if session.is_some() => {
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
        Ok(Listened::Ended)
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
