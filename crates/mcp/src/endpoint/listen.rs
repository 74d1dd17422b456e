//! The stream a client of the session-based revisions opens with GET to hear from the server (2025-11-25
//! basic/transports, listening for messages). It costs a timer and what is in this value.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::wire::sse;

/// How often the stream looks whether it may go on: an ended grant or session ends it within this time.
const LOOK: Duration = Duration::from_secs(2);
/// A comment is sent every so many looks, so that proxies do not take the stream for dead.
const LOOKS_PER_COMMENT: u8 = 8;

/// A listening stream.
pub(super) struct Listening {
    /// Whether the client may still listen.
    alive: Box<dyn Fn() -> bool + Send + Sync>,
    // Boxed because a timer must not move once it runs.
    timer: Pin<Box<Sleep>>,
    looks: u8,
    // Boxed for the same reason.
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Listening {
    /// A stream that ends once `alive` says no or the process stops.
    pub(super) fn new(shutdown: CancellationToken, alive: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            shutdown: Box::pin(shutdown.cancelled_owned()),
            alive: Box::new(alive),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            looks: 0,
            ended: false,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if self.shutdown.as_mut().poll(cx).is_ready() {
                self.ended = true;
                continue;
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if !(self.alive)() {
                self.ended = true;
                continue;
            }
            self.timer.as_mut().reset(Instant::now() + LOOK);
            // The first look is at once, and its comment shows the client that the stream is open.
            let comment = self.looks == 0;
            self.looks = (self.looks + 1) % LOOKS_PER_COMMENT;
            if comment {
                return Poll::Ready(Some(Bytes::from_static(sse::KEEP_ALIVE)));
            }
        }
    }
}
