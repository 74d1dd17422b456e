//! What a connection is doing, so that one timer can end those that do nothing: no head, no further request, no reader.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// A connection must bring the head of its first request within this time, or it is closed.
pub(super) const FIRST_REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// The head of each further request, the idle time before it included: a little more than proxies commonly keep idle
/// connections (60 s), so that they close first and never write into a closed one.
pub(super) const NEXT_HEAD_DEADLINE: Duration = Duration::from_secs(65);
/// A client that takes not one byte for this long is not coming back for the rest.
pub(super) const STALL_DEADLINE: Duration = Duration::from_mins(1);
/// When the process stops, an idle connection is closed this much later: a request that is on its way gets its answer.
pub(super) const LAST_REQUEST_WAIT: Duration = Duration::from_millis(300);
/// The same for a connection that was made just now, counted from then: few are made without a request to send.
const ONLY_REQUEST_WAIT: Duration = Duration::from_secs(2);

/// What a connection is doing. Times are in milliseconds since it was accepted.
#[derive(Debug)]
pub(super) struct Activity {
    accepted: Instant,
    running: AtomicU32,
    had_request: AtomicBool,
    quiet_since: AtomicU64,
    // One more than the time, so that zero means that nothing waits to be written.
    stalled_since: AtomicU64,
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then.
    Wait(Instant),
    /// It is idle, or the client has left.
    Close,
}

impl Activity {
    /// Of a connection accepted now.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Instant::now(),
            running: AtomicU32::new(0),
            had_request: AtomicBool::new(false),
            quiet_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(0),
        })
    }

    /// A request begins, and ends when the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.had_request.store(true, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    /// Whether no request runs.
    pub(super) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }

    /// Until when a connection that is idle when the process stops can send a request. One whose last response began before
    /// the drain and ended in it has not learned that it closes: it gets the same time as others get from the drain.
    pub(super) fn last_request_deadline(&self, drain: Duration) -> Instant {
        let soon = Instant::now() + LAST_REQUEST_WAIT;
        if self.had_request.load(Ordering::Relaxed) {
            let quiet = Duration::from_millis(self.quiet_since.load(Ordering::Relaxed));
            soon.max(self.accepted + quiet + drain)
        } else {
            soon.max(self.accepted + ONLY_REQUEST_WAIT)
        }
    }

    /// Whether the connection may stay.
    pub(super) fn judge(&self) -> Verdict {
        let now = Instant::now();
        let stalled = self.stalled_since.load(Ordering::Relaxed);
        let (since, allowed) = if stalled > 0 {
            (stalled - 1, STALL_DEADLINE)
        } else if self.running.load(Ordering::Acquire) > 0 {
            return Verdict::Wait(now + STALL_DEADLINE);
        } else if self.had_request.load(Ordering::Relaxed) {
            (self.quiet_since.load(Ordering::Relaxed), NEXT_HEAD_DEADLINE)
        } else {
            (0, FIRST_REQUEST_DEADLINE)
        };
        let deadline = self.accepted + Duration::from_millis(since) + allowed;
        if now < deadline {
            Verdict::Wait(deadline)
        } else {
            Verdict::Close
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn wrote(&self, outcome: &Poll<io::Result<usize>>) {
        let stalled = self.stalled_since.load(Ordering::Relaxed);
        match outcome {
            Poll::Pending if stalled == 0 => {
                self.stalled_since.store(self.millis() + 1, Ordering::Relaxed);
            }
            Poll::Ready(_) if stalled > 0 => {
                // An answer may be on its way long after its request ended here.
                self.quiet_since.store(self.millis(), Ordering::Relaxed);
                self.stalled_since.store(0, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// A request that runs: from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.quiet_since.store(self.0.millis(), Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

pin_project! {
    /// The body of a request that runs until the body ends.
    pub(super) struct BusyBody<B> {
        #[pin]
        pub(super) inner: B,
        pub(super) busy: Busy,
    }
}

impl<B: Body> Body for BusyBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A stream that notes when what is written is not read.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) inner: S,
    pub(super) activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, data);
        self.activity.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(context, pieces);
        self.activity.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
