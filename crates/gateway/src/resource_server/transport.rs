//! The outbound client as the federation uses it.

use std::time::Duration;

use bytes::Bytes;
use gatewright_mcp::upstream_transport::{Transport, TransportError};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::fetch::{Fetch, FetchError};

/// Reaches servers through [`Fetch`].
#[derive(Debug)]
pub(super) struct Outbound(Fetch);

impl Outbound {
    pub(super) const fn new(fetch: Fetch) -> Self {
        Self(fetch)
    }
}

impl Transport for Outbound {
    type Body = Incoming;

    async fn send(
        &self,
        request: Request<Bytes>,
        head_deadline: Duration,
    ) -> Result<Response<Incoming>, TransportError> {
        let sent = self.0.streaming(request.map(Full::new), head_deadline).await;
        sent.map_err(|error| {
            let text = error.to_string();
            match error {
                FetchError::Refused(_)
                | FetchError::Resolve(_)
                | FetchError::Connect { .. }
                | FetchError::Limited(_) => TransportError::Unreachable(text),
                FetchError::Timeout(_) => TransportError::Timeout(text),
                FetchError::TooLarge(_) | FetchError::Broken(_) | FetchError::Coded { .. } => {
                    TransportError::Lost(text)
                }
            }
        })
    }
}
