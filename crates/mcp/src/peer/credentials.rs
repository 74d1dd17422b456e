//! What a server learns about the user of a request: available, or to be waited for.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue};

use super::{config::UpstreamConfig, unavailable::Unavailable, upstream::ASSERTION};

/// What is sent with each request for a user to one server.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The signed identity assertion: the value of `Gatewright-Assertion`.
    pub assertion: Option<HeaderValue>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

impl Credentials {
    /// Writes them into the headers of a request.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Some(assertion) = &self.assertion {
            headers.insert(ASSERTION, assertion.clone());
        }
    }
}

/// Why there are no credentials for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCredentials {
    /// The identity of the user cannot be signed.
    NotSigned,
    /// The user has to connect their account at the server first, at this URL.
    ConnectFirst {
        /// Where they do it.
        url: String,
    },
}

impl NoCredentials {
    /// The same for those who wanted to reach the server.
    pub(super) fn at(self, server: &UpstreamConfig) -> Unavailable {
        let slug = server.slug.clone();
        match self {
            Self::NotSigned => Unavailable::Misconfigured {
                server: slug,
                problem: "the identity of its users cannot be signed".to_owned(),
            },
            Self::ConnectFirst { url } => Unavailable::ConnectFirst { server: slug, url },
        }
    }
}

/// The answer to a request for credentials.
pub type Granted = Result<Credentials, NoCredentials>;

/// Credentials that were asked for. Those that are in memory, which is nearly always, cost no allocation and are never
/// waited for.
pub enum Asked<'a> {
    /// They are here, or cannot be had.
    Known(Granted),
    /// They have to be waited for.
    Awaited(Pin<Box<dyn Future<Output = Granted> + Send + 'a>>),
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(_) => "Asked::Known",
            Self::Awaited(_) => "Asked::Awaited",
        })
    }
}

impl Future for Asked<'_> {
    type Output = Granted;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Granted> {
        match &mut *self {
            // A future is not polled again once it was ready.
            Self::Known(granted) => Poll::Ready(std::mem::replace(granted, Err(NoCredentials::NotSigned))),
            Self::Awaited(waiting) => waiting.as_mut().poll(cx),
        }
    }
}
