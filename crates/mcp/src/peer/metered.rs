//! Metering what a server answers while it arrives: one that sends more than there is room for is cut off there, and not
//! after all of it is in memory.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::{
    net::Net,
    transport::{Transport, TransportError},
};

/// Makes room for what arrives.
pub(crate) trait Meter: Send + Sync + 'static {
    /// Makes room for this many more bytes; `false` if there is none, and the answer is cut off.
    fn grow(&self, bytes: usize) -> bool;

    /// Whether something was cut off.
    fn is_full(&self) -> bool;
}

/// Sends requests and meters what is answered.
pub(super) struct Metered<T> {
    pub(super) net: Arc<Net<T>>,
    pub(super) meter: Arc<dyn Meter>,
}

impl<T: Transport> Transport for Metered<T> {
    type Body = MeteredBody<T::Body>;

    async fn send(
        &self,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<Self::Body>, TransportError> {
        let answer = self.net.transport.send(request, head_deadline).await?;
        Ok(answer.map(|inner| MeteredBody {
            inner,
            meter: Arc::clone(&self.meter),
        }))
    }

    fn has_cut_off(&self) -> bool {
        self.meter.is_full()
    }
}

/// A body whose bytes are metered as they arrive.
pub(super) struct MeteredBody<B> {
    inner: B,
    meter: Arc<dyn Meter>,
}

/// Why a body ended early.
#[derive(Debug)]
pub(super) enum MeteredError {
    Full,
    Broken(String),
}

impl fmt::Display for MeteredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the lists of its project take all the memory they may take"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl<B> Body for MeteredBody<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    type Data = Bytes;
    type Error = MeteredError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MeteredError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        polled.map(|frame| {
            frame.map(|frame| {
                let frame = frame.map_err(|error| MeteredError::Broken(error.to_string()))?;
                let length = frame.data_ref().map_or(0, Bytes::len);
                if self.meter.grow(length) {
                    Ok(frame)
                } else {
                    Err(MeteredError::Full)
                }
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
