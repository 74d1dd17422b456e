//! The HTTP+SSE transport of MCP 2024-11-05, which is recognised so that it can be named, and not spoken
//! (2026-07-28 basic/transports/streamable-http, "HTTP+SSE Transport").

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header::ACCEPT};
use http_body_util::BodyExt as _;

use super::{caller::Caller, net::Net, transport::Transport, upstream::Upstream};
use crate::wire::{
    media_type::{MediaType, media_type},
    sse::Decoder,
};

/// How long the first event is waited for.
const DEADLINE: Duration = Duration::from_secs(3);
/// Bytes of the first event at most.
const FIRST_EVENT_MAX: usize = 16 * 1024;

/// Whether a server that refused both eras answers GET with a stream whose first event is `endpoint`, as servers of
/// 2024-11-05 do. Where that leads is not read.
pub(super) async fn speaks_old_transport<T: Transport>(
    net: &Net<T>,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> bool {
    let looking = async {
        let mut request = upstream.request(Method::GET, caller, Bytes::new()).await.ok()?;
        let map = request.headers_mut();
        map.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        map.remove(http::header::CONTENT_TYPE);
        let answer = net.transport.send(request, DEADLINE).await.ok()?;
        if !answer.status().is_success() || media_type(answer.headers()) != MediaType::EventStream {
            return None;
        }
        let mut body = answer.into_body();
        let mut decoder = Decoder::new(FIRST_EVENT_MAX);
        loop {
            let data = body.frame().await?.ok()?.into_data().unwrap_or_default();
            decoder.push(data);
            while let Some(event) = decoder.next_event().ok()? {
                if event.event.is_some() || !event.data.is_empty() {
                    return Some(event.event.as_deref() == Some(b"endpoint"));
                }
            }
        }
    };
    let deadline = DEADLINE.min(upstream.config.timeout);
    matches!(tokio::time::timeout(deadline, looking).await, Ok(Some(true)))
}
