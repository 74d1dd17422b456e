//! Counting what is read of a list while it arrives: a server that sends more than fits into the share of its project is
//! cut off there, and not after all of it is in memory.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::list_memory::Reading;
use crate::peer::{
    net::Net,
    transport::{Transport, TransportError},
};

/// What is read of one list, by all requests that it takes.
#[derive(Debug, Clone)]
pub(super) struct Counter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// None once the list has been read or given up.
    reading: Mutex<Option<Reading>>,
    /// Whether something did not fit.
    full: AtomicBool,
}

impl Counter {
    pub(super) fn new(reading: Reading) -> Self {
        Self(Arc::new(Shared {
            reading: Mutex::new(Some(reading)),
            full: AtomicBool::new(false),
        }))
    }

    /// Whether the list was cut off for want of room.
    pub(super) fn is_full(&self) -> bool {
        self.0.full.load(Ordering::Acquire)
    }

    /// Holds `bytes` from now on: of the page that was read, what was taken is left.
    pub(super) fn settle(&self, bytes: usize) -> bool {
        self.change(|reading| reading.resize(bytes))
    }

    fn grow(&self, bytes: usize) -> bool {
        self.change(|reading| reading.grow(bytes))
    }

    fn change(&self, change: impl FnOnce(&mut Reading) -> bool) -> bool {
        let mut reading = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = reading.as_mut().is_none_or(change);
        drop(reading);
        if !fits {
            self.0.full.store(true, Ordering::Release);
        }
        fits
    }
}

/// Ends the counting when it is dropped, however the reading ended. A session that began in it sends its end through the
/// counter and keeps that for as long as it lives; what was read must not stay counted so long.
#[derive(Debug)]
pub(super) struct Ending(pub(super) Counter);

impl Drop for Ending {
    fn drop(&mut self) {
        let reading = self
            .0
            .0
            .reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(reading);
    }
}

/// Sends requests and counts what is answered.
#[derive(Debug)]
pub(super) struct Counting<T> {
    pub(crate) net: Arc<Net<T>>,
    pub(super) counter: Counter,
}

impl<T: Transport> Transport for Counting<T> {
    type Body = CountedBody<T::Body>;

    async fn send(
        &self,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<Self::Body>, TransportError> {
        let answer = self.net.transport.send(request, head_deadline).await?;
        Ok(answer.map(|inner| CountedBody {
            inner,
            counter: self.counter.clone(),
        }))
    }

    fn has_cut_off(&self) -> bool {
        self.counter.is_full()
    }
}

/// A body whose bytes are counted as they arrive.
#[derive(Debug)]
pub(super) struct CountedBody<B> {
    inner: B,
    counter: Counter,
}

/// Why a body ended early.
#[derive(Debug)]
pub(super) enum CountedError {
    Full,
    Broken(String),
}

impl fmt::Display for CountedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the lists of its project take all the memory they may take"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl<B> Body for CountedBody<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    type Data = Bytes;
    type Error = CountedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CountedError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        polled.map(|frame| {
            frame.map(|frame| {
                let frame = frame.map_err(|error| CountedError::Broken(error.to_string()))?;
                let length = frame.data_ref().map_or(0, Bytes::len);
                if self.counter.grow(length) {
                    Ok(frame)
                } else {
                    Err(CountedError::Full)
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
