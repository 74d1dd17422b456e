//! Client ID Metadata Documents, fetched as a stranger's URL and kept as long as HTTP lets them be
//! (draft-ietf-oauth-client-id-metadata-document-00; RFC 9111).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{Timestamp, id::ProjectId};
use gatewright_oauth::metadata_document::{DocumentError, MetadataDocument, UrlError, check_url, is_url};
use http::{
    HeaderMap, Request, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL},
};
use http_body_util::Full;
use moka::future::Cache;

use super::AuthorizationServer;
use super::{
    client,
    known_documents::{self, Notes},
};
use crate::{
    directory::GatewayEntry,
    fetch::{Asker, FetchError, Limits, Standing},
    request::RequestContext,
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

/// How long a document is used at most without a word of its host, whatever it says: a withdrawn redirect URI must go at
/// last. One of a client that the project knows is used longer, see [`known_documents::MAX_LIFE`].
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

impl FetchDocumentError {
    /// Whether it came of fetching, and not of what the document says. Programs learn no more: a stranger chose the
    /// URL, and could explore the network with the difference.
    pub(super) const fn is_of_fetching(&self) -> bool {
        match self {
            Self::Fetch(_) => true,
            Self::Status(status) => matches!(*status, 429 | 500..=599),
            Self::Url(_) | Self::Document(_) => false,
        }
    }

    /// Whether it says nothing about the document, which may be as valid as before.
    const fn is_passing(&self) -> bool {
        match self {
            Self::Fetch(error) => match error {
                FetchError::Resolve(_)
                | FetchError::Connect { .. }
                | FetchError::Timeout(_)
                | FetchError::Broken(_)
                | FetchError::Coded { .. }
                | FetchError::Limited(_) => true,
                FetchError::Refused(_) | FetchError::TooLarge(_) => false,
            },
            Self::Status(status) => matches!(*status, 429 | 500..=599),
            Self::Url(_) | Self::Document(_) => false,
        }
    }
}

/// A cached document.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) document: MetadataDocument,
    /// As its host sent it.
    pub(super) text: String,
    pub(super) fetched_at: Timestamp,
    pub(super) until: Timestamp,
}

/// The documents in memory. Failures are not kept.
#[derive(Debug)]
pub(super) struct Documents {
    /// By client ID, and by the project that vouches for the client, if one does: waiters share the result of one fetch, and
    /// a stranger's may have to wait for its turn.
    fresh: Cache<Key, Arc<Kept>>,
    /// The last valid one of each, for when the next is unavailable: strangers who use up what may be fetched from a host
    /// would otherwise lock the apps out that are described there.
    last: Cache<String, Arc<Kept>>,
    /// Clients whose documents were put into the store within the last day.
    noted: Notes,
}

type Key = (Option<ProjectId>, String);

impl Default for Documents {
    fn default() -> Self {
        Self {
            fresh: Cache::builder().max_capacity(MAX_DOCUMENTS).build(),
            last: Cache::builder().max_capacity(MAX_DOCUMENTS).build(),
            noted: Notes::default(),
        }
    }
}

impl Documents {
    /// The document of a client id, from memory or store while it is fresh. Requests for one document wait for one fetch.
    pub(super) async fn find(
        &self,
        app: &AuthorizationServer,
        entry: &GatewayEntry,
        context: &RequestContext,
        client_id: &str,
    ) -> Result<MetadataDocument, FetchDocumentError> {
        let url = check_url(client_id)?;
        client::note(context, client_id);
        let now = app.now();
        let project = entry.gateway.project_id;
        if let Some(kept) = self.fresh_one(project, client_id, now).await {
            return Ok(kept.document.clone());
        }
        let known = known_documents::find(app, project, &url).await;
        if let Some(known) = known.as_ref().filter(|known| known.until > now) {
            let key = (Some(project), client_id.to_owned());
            self.fresh.insert(key, Arc::clone(known)).await;
            return Ok(known.document.clone());
        }
        let asker = Asker::of(context.address);
        let standing = if is_listed(app, project, client_id) {
            Standing::Listed(project)
        } else if known.is_some() {
            Standing::Known(project)
        } else {
            Standing::Unknown(&asker)
        };
        let key = (standing.project(), client_id.to_owned());
        let fetched = self.fresh.try_get_with(key, fetch(app, standing, &url)).await;
        match fetched {
            Ok(kept) => {
                self.last.insert(client_id.to_owned(), Arc::clone(&kept)).await;
                if let Some(known) = known {
                    known_documents::renew(app, &known, &kept).await;
                } else if lists(entry, client_id) {
                    self.remember(app, entry, client_id).await;
                }
                Ok(kept.document.clone())
            }
            Err(error) => self.instead(app, client_id, known, &error).await,
        }
    }

    /// The document in memory, while it is fresh.
    async fn fresh_one(&self, project: ProjectId, client_id: &str, now: Timestamp) -> Option<Arc<Kept>> {
        for project in [Some(project), None] {
            let key = (project, client_id.to_owned());
            let Some(kept) = self.fresh.get(&key).await else {
                continue;
            };
            if kept.until > now {
                return Some(kept);
            }
            self.fresh.invalidate(&key).await;
        }
        None
    }

    /// What is used when a document could not be fetched: the last good one, unless it is too old or its host has
    /// taken it back.
    async fn instead(
        &self,
        app: &AuthorizationServer,
        client_id: &str,
        known: Option<Arc<Kept>>,
        error: &FetchDocumentError,
    ) -> Result<MetadataDocument, FetchDocumentError> {
        if !error.is_passing() {
            self.last.invalidate(client_id).await;
            self.noted.forget(client_id);
            if known.is_some() {
                known_documents::forget(app, client_id).await;
            }
            return Err(error.clone());
        }
        let now = app.now();
        let last = self.last.get(client_id).await;
        let last = last.filter(|kept| now < kept.fetched_at.plus(MAX_LIFE));
        let known = known.filter(|kept| now < kept.fetched_at.plus(known_documents::MAX_LIFE));
        let Some(kept) = last.or(known) else {
            return Err(error.clone());
        };
        tracing::info!(client_id, reason = %error, "an app's description could not be fetched again; the last one is used");
        Ok(kept.document.clone())
    }

    /// Puts the document of a client into the store, because someone signed in with it or an administrator listed it.
    pub(super) async fn remember(&self, app: &AuthorizationServer, entry: &GatewayEntry, client_id: &str) {
        let project = entry.gateway.project_id;
        if !is_url(client_id) || self.noted.is_noted(project, client_id, app.now()) {
            return;
        }
        let kept = match self.last.get(client_id).await {
            Some(kept) => Some(kept),
            None => self.fresh_one(project, client_id, app.now()).await,
        };
        if let Some(kept) = kept
            && known_documents::keep(app, project, &kept).await
        {
            self.noted.note(project, client_id, app.now());
        }
    }

    /// Keeps a document as a fetch would.
    #[cfg(any(test, feature = "testing"))]
    pub(super) async fn keep(&self, app: &AuthorizationServer, document: MetadataDocument) {
        let fetched_at = app.now();
        let kept = Kept {
            until: fetched_at.plus(DEFAULT_LIFE),
            text: String::new(),
            document,
            fetched_at,
        };
        let key = (None, kept.document.client_id.clone());
        self.fresh.insert(key, Arc::new(kept)).await;
    }
}

async fn fetch(
    app: &AuthorizationServer,
    standing: Standing<'_>,
    url: &url::Url,
) -> Result<Arc<Kept>, FetchDocumentError> {
    let request = Request::get(url.as_str())
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::new()))
        .map_err(|_| UrlError::NotHttps)?;
    let response = app.fetch.for_stranger(standing, request, FETCH_LIMITS).await?;
    if response.status() != StatusCode::OK {
        return Err(FetchDocumentError::Status(response.status().as_u16()));
    }
    let document = MetadataDocument::parse(url, response.body())?;
    let fetched_at = app.now();
    let until = fetched_at.plus(freshness(response.headers()));
    Ok(Arc::new(Kept {
        document,
        text: String::from_utf8_lossy(response.body()).into_owned(),
        fetched_at,
        until,
    }))
}

/// Whether an administrator of this project lists this client at any gateway of it. What those of other projects list is
/// fetched at the expense of these.
pub(super) fn is_listed(app: &AuthorizationServer, project: ProjectId, client_id: &str) -> bool {
    let directory = app.directory.current();
    directory.is_ok_and(|directory| {
        let mut gateways = directory.gateways();
        gateways.any(|entry| entry.gateway.project_id == project && lists(entry, client_id))
    })
}

/// Whether an administrator lists this client at this gateway.
fn lists(entry: &GatewayEntry, client_id: &str) -> bool {
    let mut trusted = entry.gateway.trusted_clients.iter();
    trusted.any(|client| client.url == client_id)
}

/// How long a response can be kept (RFC 9111 sections 4.2 and 5.2.2), within our bounds.
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
