//! How the federation reaches upstream servers, without knowing what carries the bytes: the program passes its one
//! outbound client, tests pass their own servers.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};

/// Sends HTTP requests to servers an administrator configured.
pub trait Transport: Send + Sync + 'static {
    /// The body of an answer, as it arrives. Dropping it cancels the request.
    type Body: http_body::Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin + 'static;

    /// Sends a request and waits at most `head_deadline` for the head of the answer. Dropping the future cancels the
    /// request. Redirects are not followed: a 3xx is an answer like any other.
    fn send(
        &self,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> impl Future<Output = Result<Response<Self::Body>, TransportError>> + Send;

    /// Whether an answer was cut off here for want of room: that says nothing of its server.
    fn has_cut_off(&self) -> bool {
        false
    }
}

/// Why no head of an answer came. The texts are for an administrator and hold nothing the peer sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request never reached the server, so it was certainly not processed and can be sent again.
    #[error("{0}")]
    Unreachable(String),
    /// The server may have processed it.
    #[error("{0}")]
    Lost(String),
    /// No head within the deadline; the server may still be working on it.
    #[error("{0}")]
    Timeout(String),
}
