//! Reading the whole answer to a small request of ours: `server/discover`, `initialize`, pages of lists, and the
//! bodies of refusals. Calls of users stream instead.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, header::CONTENT_ENCODING};
use http_body_util::BodyExt as _;

use super::{
    back::{Back, REPLIES_MAX},
    era::{SaidError, SessionLoss, session_loss},
    session::UpstreamSession,
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
};
use crate::wire::{
    batch,
    envelope::{self, Limits, Message, Outcome},
    id::same_id,
    media_type::{MediaType, media_type},
    sse::Decoder,
};

/// How long a server may take to end its stream after its answer before the connection is given up.
pub(super) const DRAIN_MAX: Duration = Duration::from_millis(200);

/// Messages in a body, at most.
const BATCH_MAX: usize = 1_024;

/// Refuses an answer in an encoding: none was asked for, and its bytes must be read here.
pub(super) fn refuse_encoded(upstream: &Upstream, headers: &HeaderMap) -> Result<(), Unavailable> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(upstream.not_mcp("a compressed answer that was not asked for"))
        }
        _ => Ok(()),
    }
}

/// An answer read to its end.
#[derive(Debug)]
pub(super) struct Whole {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// The JSON-RPC response in it, when there is one.
    pub(super) response: Option<Bytes>,
}

impl Whole {
    /// The JSON-RPC error in it, when it is one, and whether it bears this id, JSON text.
    pub(super) fn error(&self, id: &[u8]) -> Option<(SaidError, bool)> {
        let Ok(Message::Response(response)) = envelope::parse(self.response.as_ref()?, &Limits::default())
        else {
            return None;
        };
        match &response.outcome {
            Outcome::Error(error) => {
                let is_ours = response.id.is_some_and(|theirs| same_id(theirs.raw, id));
                Some((SaidError::of(error), is_ours))
            }
            Outcome::Result(_) => None,
        }
    }

    /// The `error` object in it as JSON text; empty if there is none.
    pub(super) fn error_object(&self) -> &[u8] {
        let Some(body) = &self.response else {
            return &[];
        };
        match envelope::parse(body, &Limits::default()) {
            Ok(Message::Response(response)) => match response.outcome {
                Outcome::Error(error) => error.span.of(body),
                Outcome::Result(_) => &[],
            },
            _ => &[],
        }
    }

    /// What it says about the session its request, which had this id, was sent in.
    pub(super) fn session_loss(&self, session: &UpstreamSession, id: &[u8]) -> SessionLoss {
        let (error, is_ours) = match self.error(id) {
            Some((error, is_ours)) => (Some(error), is_ours),
            // A result is an answer to the request, whatever its status.
            None => (None, self.response.is_some()),
        };
        session_loss(self.status, session, error.as_ref(), is_ours)
    }
}

/// Reads the JSON-RPC response out of an answer: the body, or the first response in a stream of events. A body that is
/// not a JSON-RPC response yields `None`. `cap` bounds the bytes read. With `back` the server's own requests that come before
/// are answered.
pub(super) async fn whole<T: Transport>(
    upstream: &Upstream,
    answer: Response<T::Body>,
    cap: usize,
    back: Option<&Back<'_, T>>,
) -> Result<Whole, Unavailable> {
    let (head, mut body) = answer.into_parts();
    let mut whole = Whole {
        status: head.status,
        headers: head.headers,
        response: None,
    };
    refuse_encoded(upstream, &whole.headers)?;
    if media_type(&whole.headers) == MediaType::EventStream {
        let mut decoder = Decoder::new(cap);
        let mut seen = 0;
        let mut replies = 0;
        while let Some(data) = next_data(upstream, &mut body).await? {
            seen += data.len();
            if seen > cap {
                return Err(upstream.not_mcp("an answer that is too large"));
            }
            decoder.push(data);
            while let Some(event) = decoder
                .next_event()
                .map_err(|_| upstream.not_mcp("an answer that is too large"))?
            {
                let is_response = match envelope::parse(&event.data, &Limits::default()) {
                    Ok(Message::Response(_)) => true,
                    Ok(Message::Request(request)) => {
                        if let Some(back) = back
                            && replies < REPLIES_MAX
                        {
                            replies += 1;
                            // Boxed because it is rare and large.
                            Box::pin(back.reply(&whole.headers, &request)).await;
                        }
                        false
                    }
                    _ => false,
                };
                if is_response {
                    whole.response = Some(event.data);
                    // Only a stream that was read to its end leaves its connection for the next request.
                    let rest = async { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
                    let _ = tokio::time::timeout(DRAIN_MAX, rest).await;
                    return Ok(whole);
                }
            }
        }
        return Ok(whole);
    }
    let mut text = BytesMut::new();
    while let Some(data) = next_data(upstream, &mut body).await? {
        if text.len() + data.len() > cap {
            return Err(upstream.not_mcp("an answer that is too large"));
        }
        text.extend_from_slice(&data);
    }
    whole.response = response_in(text.freeze());
    Ok(whole)
}

/// The next bytes of an answer.
pub(super) async fn next_data<B>(upstream: &Upstream, body: &mut B) -> Result<Option<Bytes>, Unavailable>
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => {
                tracing::info!(server = upstream.slug(), %error, "the answer of a server broke off");
                return Err(upstream.lost());
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// The response in a body: the whole, or the first one in a batch, which servers of 2025-03-26 may answer with.
fn response_in(text: Bytes) -> Option<Bytes> {
    if is_response(&text) {
        return Some(text);
    }
    let messages = batch::split(&text, BATCH_MAX).ok()?;
    messages.into_iter().find(|message| is_response(message))
}

fn is_response(text: &[u8]) -> bool {
    !text.is_empty()
        && matches!(
            envelope::parse(text, &Limits::default()),
            Ok(Message::Response(_))
        )
}

/// Reads an answer that should be empty, so that its connection serves the next request; a stream is let go of.
pub(super) async fn read_rest<B>(answer: Response<B>)
where
    B: http_body::Body<Error: std::fmt::Display> + Unpin,
{
    if media_type(answer.headers()) == MediaType::EventStream {
        return;
    }
    let mut body = answer.into_body();
    let rest = async { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
    let _ = tokio::time::timeout(DRAIN_MAX, rest).await;
}
