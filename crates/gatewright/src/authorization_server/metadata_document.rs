//! Client ID Metadata Documents, fetched as a stranger's URL and kept as long as HTTP lets them be
//! (draft-ietf-oauth-client-id-metadata-document-00; RFC 9111).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::Timestamp;
use gatewright_oauth::metadata_document::{DocumentError, MetadataDocument, UrlError, check_url};
use http::{
    HeaderMap, Request, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL},
};
use http_body_util::Full;
use moka::future::Cache;

use crate::{
    app::App,
    fetch::{FetchError, Limits, Policy},
};

/// A sign-in waits for the document, so it must come soon; and real ones have one or two kilobytes.
const FETCH_LIMITS: Limits = Limits {
    deadline: Duration::from_secs(5),
    body: 64 * 1024,
};

/// Documents kept at most; there are a few dozen clients in the world that publish one.
const MAX_DOCUMENTS: u64 = 1_000;

/// How long a document that says nothing about it is kept.
const DEFAULT_LIFE: Duration = Duration::from_mins(5);

/// How long a document is kept at most, whatever it says: a withdrawn redirect URI must go at last.
const MAX_LIFE: Duration = Duration::from_hours(24);

/// Why a document cannot be used. Never contains what its host sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchDocumentError {
    /// The client id is not the URL of a document.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// It could not be fetched.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// The host answered something else than 200.
    #[error("its host answered with status {0}")]
    Status(u16),
    /// It is not the document of this client.
    #[error("{0}")]
    Document(#[from] DocumentError),
}

#[derive(Debug)]
struct Kept {
    document: MetadataDocument,
    until: Timestamp,
}

/// The documents kept. Failures are not.
#[derive(Debug)]
pub(super) struct Documents(Cache<String, Arc<Kept>>);

impl Default for Documents {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_DOCUMENTS).build())
    }
}

impl Documents {
    /// The document of a client id, from memory while it is fresh. Requests for one document wait for one fetch.
    pub(super) async fn find(
        &self,
        app: &App,
        client_id: &str,
    ) -> Result<MetadataDocument, FetchDocumentError> {
        let url = check_url(client_id)?;
        let now = app.now();
        if let Some(kept) = self.0.get(client_id).await {
            if kept.until > now {
                return Ok(kept.document.clone());
            }
            self.0.invalidate(client_id).await;
        }
        let kept = self
            .0
            .try_get_with_by_ref(client_id, fetch(app, &url))
            .await
            .map_err(|error: Arc<FetchDocumentError>| (*error).clone())?;
        Ok(kept.document.clone())
    }

    /// Keeps a document as a fetch would.
    #[cfg(test)]
    pub(super) async fn keep(&self, app: &App, document: MetadataDocument) {
        let until = app.now().plus(DEFAULT_LIFE);
        let id = document.client_id.clone();
        self.0.insert(id, Arc::new(Kept { document, until })).await;
    }
}

async fn fetch(app: &App, url: &url::Url) -> Result<Arc<Kept>, FetchDocumentError> {
    let request = Request::get(url.as_str())
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::new()))
        .map_err(|_| UrlError::NotHttps)?;
    let response = app
        .fetch
        .buffered(Policy::Stranger, request, FETCH_LIMITS)
        .await?;
    if response.status() != StatusCode::OK {
        return Err(FetchDocumentError::Status(response.status().as_u16()));
    }
    let document = MetadataDocument::parse(url, response.body())?;
    let until = app.now().plus(freshness(response.headers()));
    Ok(Arc::new(Kept { document, until }))
}

/// How long an answer may be kept (RFC 9111 sections 4.2 and 5.2.2), within our bounds.
fn freshness(headers: &HeaderMap) -> Duration {
    let mut life = None;
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    for directive in directives.flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Duration::ZERO,
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse().ok();
                life = seconds.map(Duration::from_secs).or(life);
            }
            _ => {}
        }
    }
    let age = headers
        .get(AGE)
        .and_then(|age| age.to_str().ok())
        .and_then(|age| age.trim().parse().ok());
    let fresh = life.unwrap_or(DEFAULT_LIFE);
    fresh
        .saturating_sub(Duration::from_secs(age.unwrap_or(0)))
        .min(MAX_LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn life(headers: &[(http::HeaderName, &'static str)]) -> u64 {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        freshness(&pairs.collect::<HeaderMap>()).as_secs()
    }

    #[test]
    fn a_document_is_kept_as_long_as_its_headers_say_within_bounds() {
        assert_eq!(life(&[]), 300);
        assert_eq!(life(&[(CACHE_CONTROL, "public, max-age=60")]), 60);
        assert_eq!(life(&[(CACHE_CONTROL, "Max-Age=\"60\"")]), 60);
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=100"), (AGE, "40")]), 60);
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=31536000")]), 86_400);
        assert_eq!(life(&[(CACHE_CONTROL, "no-store, max-age=60")]), 0);
        assert_eq!(life(&[(CACHE_CONTROL, "no-cache")]), 0);
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=-1")]), 300);
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=10"), (AGE, "40")]), 0);
    }
}
