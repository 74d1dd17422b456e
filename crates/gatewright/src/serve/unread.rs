//! What an answer leaves unread of its request. A request is often refused for its head alone, while its body is still on
//! the way, and hyper then closes the connection without having said so: the client's next request on it is lost. So the
//! rest is read and thrown away, as far as that is little; after a large one the connection ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::request::throw_away;

/// What is read so that a refusal reaches its client: a little more than the largest message a gateway takes, because a token
/// that has expired is refused before its message is read, and a client that sees a reset instead does not refresh it.
const REST_MAX: u64 = 5 * 1024 * 1024;
/// A rest that is on its way is here in this time.
const REST_DEADLINE: Duration = Duration::from_secs(2);

/// The body of a request; what is left of it when it is dropped is read after the response.
#[derive(Debug)]
pub(super) struct ReadToEnd(Option<Incoming>);

impl ReadToEnd {
    pub(super) const fn new(body: Incoming) -> Self {
        Self(Some(body))
    }
}

impl Body for ReadToEnd {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = self.0.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for ReadToEnd {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take() else { return };
        if body.is_end_stream() || body.size_hint().lower() > REST_MAX {
            return;
        }
        // Outside a runtime there is no connection to keep.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { throw_away(&mut body, REST_MAX, REST_DEADLINE).await });
        }
    }
}
