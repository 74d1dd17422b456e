//! The ACME library on the one outbound client. Where it may lead is what the configuration of the process may name, with bounds on
//! time and size.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Collected, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::fetch::{Fetch, Limits, Policy};

/// A chain of certificates is the largest answer.
const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(30),
    body: 256 * 1024,
};

/// Asks an authority, and keeps how long it asks to be left alone.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    fetch: Fetch,
    retry_after: Arc<AtomicU64>,
}

impl Asking {
    pub(super) fn new(fetch: &Fetch) -> Self {
        Self {
            fetch: fetch.clone(),
            retry_after: Arc::default(),
        }
    }

    /// How long the authority asked to wait when it refused something (RFC 8555 section 6.6).
    pub(super) fn retry_after(&self) -> Duration {
        Duration::from_secs(self.retry_after.load(Ordering::Relaxed))
    }
}

impl HttpClient for Asking {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asking = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map_or_else(|never| match never {}, Collected::to_bytes);
            let request = Request::from_parts(parts, Full::new(body));
            let fetched = asking
                .fetch
                .buffered(Policy::Configuration, request, LIMITS)
                .await;
            let answer = fetched.map_err(|error| Error::Other(Box::new(error)))?;
            if matches!(
                answer.status(),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            ) && let Some(seconds) = answer.headers().get(header::RETRY_AFTER)
                && let Some(seconds) = seconds.to_str().ok().and_then(|text| text.trim().parse().ok())
            {
                asking.retry_after.fetch_max(seconds, Ordering::Relaxed);
            }
            Ok(BytesResponse::from(answer.map(Full::new)))
        })
    }
}
