//! What sends requests to servers, and what all of them share.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{Clock, Timestamp};
use http::{Request, Response};
use tokio::sync::Semaphore;

use super::{
    budget::Budget,
    session::FAREWELLS_AT_ONCE,
    transport::{Transport, TransportError},
    unavailable::Unavailable,
    upstream::Upstream,
};

/// The transport and the clock.
#[derive(Debug)]
pub(crate) struct Net<T> {
    pub(super) transport: T,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) budget: Arc<Budget>,
    /// How many sessions are ended at the same time.
    pub(super) farewells: Arc<Semaphore>,
}

impl<T> Net<T> {
    /// What sends with this transport, by this clock.
    pub(crate) fn new(transport: T, clock: Arc<dyn Clock>) -> Self {
        Self {
            transport,
            clock,
            budget: Arc::default(),
            farewells: Arc::new(Semaphore::new(FAREWELLS_AT_ONCE)),
        }
    }

    /// The same with another transport, usually one that goes through this.
    pub(super) fn through<U>(&self, transport: U) -> Net<U> {
        Net {
            transport,
            clock: Arc::clone(&self.clock),
            budget: Arc::clone(&self.budget),
            farewells: Arc::clone(&self.farewells),
        }
    }
}

impl<T: Transport> Net<T> {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends a request, again if it was certainly not processed, and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        upstream: &Upstream,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<T::Body>, Unavailable> {
        let mut left = upstream.config.retries;
        let mut kept = Some(request);
        loop {
            // The copy leaves the original for a further attempt; its body is shared, not copied.
            let attempt = if left > 0 { kept.clone() } else { kept.take() };
            let attempt = attempt.expect("the original is given away with the last attempt only");
            match self.transport.send(attempt, head_deadline).await {
                Err(TransportError::Unreachable(reason)) if left > 0 => {
                    tracing::info!(
                        server = upstream.slug(),
                        reason,
                        left,
                        "a server cannot be reached; trying again"
                    );
                    left -= 1;
                }
                other => return self.head(upstream, other),
            }
        }
    }

    fn head(
        &self,
        upstream: &Upstream,
        sent: Result<Response<T::Body>, TransportError>,
    ) -> Result<Response<T::Body>, Unavailable> {
        let error = match sent {
            Ok(answer) => {
                upstream.note_success();
                return Ok(answer);
            }
            Err(error) => error,
        };
        tracing::info!(server = upstream.slug(), %error, "a server did not answer");
        let why = match error {
            TransportError::Unreachable(_) => upstream.unreachable(),
            TransportError::Lost(_) => upstream.lost(),
            TransportError::Timeout(_) => upstream.timed_out(),
        };
        // A call that takes too long says nothing of the server: one user's slow tool does not concern others.
        if matches!(why, Unavailable::Unreachable { .. }) {
            upstream.note_failure(&why, self.now());
        }
        Err(why)
    }
}
