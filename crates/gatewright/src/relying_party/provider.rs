//! Fetching from providers: discovery documents and key sets, cached, one fetch at a time each.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::Timestamp;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use url::Url;

use super::{
    budget::Budget,
    discovery::{self, Document, Provider, UnusableDocument, UrlRule},
    jwks::KeySet,
    single_flight::{Missed, SingleFlight, Verdict},
};
use crate::{
    app::App,
    fetch::{FetchError, Limits, Policy},
};

/// How long a discovery document or key set is used before it is fetched again.
const FRESH: Duration = Duration::from_mins(10);

/// After a fetch for the sake of an unknown key, the next one for that reason waits this long: whatever a provider
/// signs, its key set is not fetched more often than this.
const UNKNOWN_KEY_COOL_DOWN: Duration = Duration::from_secs(15);

/// One fetch of a document may take this long, so that a sign-in which needs two still ends in time.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);

/// The largest discovery documents known have some 10 kB; key sets with certificate chains some 50 kB.
const MAX_BODY: usize = 512 * 1024;

/// What is fetched from a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The discovery document.
    Discovery,
    /// The key set.
    Keys,
    /// The token endpoint's answer.
    Token,
    /// The userinfo endpoint's answer.
    Userinfo,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery => "the discovery document",
            Self::Keys => "the key set (jwks_uri)",
            Self::Token => "the answer of the token endpoint",
            Self::Userinfo => "the answer of the userinfo endpoint",
        })
    }
}

/// Why something of a provider cannot be used. Never holds what the provider sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It could not be fetched.
    #[error("{0} could not be fetched: {1}")]
    Fetch(Resource, FetchError),
    /// It came with another status than 200.
    #[error("{0} came with HTTP status {1}")]
    Status(Resource, StatusCode),
    /// It is not JSON, or not the JSON it should be, or (userinfo) about somebody else.
    #[error("{0} is not what it should be")]
    NotJson(Resource),
    /// The discovery document forbids signing in.
    #[error(transparent)]
    Document(#[from] UnusableDocument),
    /// Another request was still fetching it when time was up.
    #[error("{0} did not arrive in time")]
    Waited(Resource),
}

/// Discovery documents by issuer, and key sets by their address.
#[derive(Debug, Default)]
pub struct RelyingParty {
    documents: SingleFlight<Document, ProviderError>,
    keys: SingleFlight<KeySet, ProviderError>,
}

/// Whether the keys at hand will do.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeysWanted<'a> {
    /// While they are fresh.
    Any,
    /// Unless they are these, which lack the key: the provider may have rotated.
    OtherThan(&'a Arc<KeySet>),
}

impl RelyingParty {
    /// The provider of an issuer, as its discovery document describes it.
    pub(super) async fn provider(
        &self,
        app: &App,
        issuer: &str,
        budget: Budget,
    ) -> Result<Provider, ProviderError> {
        let now = app.now();
        let document = self
            .documents
            .get(
                issuer,
                now,
                budget.until(),
                |at, _, _| fresh_or_fetch(at, now),
                || async {
                    let document =
                        fetch_document(app, issuer, budget.limits(FETCH_DEADLINE, MAX_BODY)).await?;
                    // A document that cannot be used is not kept: the next sign-in looks again.
                    Provider::from_document(&document, issuer, url_rule(app))?;
                    Ok(document)
                },
            )
            .await
            .map_err(|missed| missed.into_error(Resource::Discovery))?;
        Ok(Provider::from_document(&document, issuer, url_rule(app))?)
    }

    /// The provider's keys.
    pub(super) async fn keys(
        &self,
        app: &App,
        provider: &Provider,
        wanted: KeysWanted<'_>,
        budget: Budget,
    ) -> Result<Arc<KeySet>, ProviderError> {
        let now = app.now();
        let address = provider.jwks_uri.as_str();
        self.keys
            .get(
                address,
                now,
                budget.until(),
                |at, held, forced_at| match (fresh_or_fetch(at, now), wanted) {
                    (Verdict::Use, KeysWanted::OtherThan(seen)) if Arc::ptr_eq(held, seen) => {
                        let cooling =
                            forced_at.is_some_and(|forced| now.since(forced) < UNKNOWN_KEY_COOL_DOWN);
                        if cooling {
                            Verdict::Use
                        } else {
                            Verdict::Fetch { forced: true }
                        }
                    }
                    (verdict, _) => verdict,
                },
                || fetch_keys(app, address, budget.limits(FETCH_DEADLINE, MAX_BODY)),
            )
            .await
            .map_err(|missed| missed.into_error(Resource::Keys))
    }

    /// Forgets what is known of a provider whose endpoint failed: the endpoint may have moved.
    pub(super) fn forget(&self, issuer: &str) {
        self.documents.forget(issuer);
    }
}

impl Missed<ProviderError> {
    fn into_error(self, resource: Resource) -> ProviderError {
        match self {
            Self::Failed(error) => error,
            Self::Waited => ProviderError::Waited(resource),
        }
    }
}

fn fresh_or_fetch(at: Timestamp, now: Timestamp) -> Verdict {
    if now.since(at) < FRESH {
        Verdict::Use
    } else {
        Verdict::Fetch { forced: false }
    }
}

/// Which URLs providers may have here.
pub(super) fn url_rule(app: &App) -> UrlRule {
    UrlRule {
        loopback_http: app.config.is_loopback(),
    }
}

/// Fetches and reads a discovery document, without judging it.
pub(super) async fn fetch_document(
    app: &App,
    issuer: &str,
    limits: Limits,
) -> Result<Document, ProviderError> {
    let body = get(app, Resource::Discovery, &discovery::document_url(issuer), limits).await?;
    Document::parse(&body).ok_or(ProviderError::NotJson(Resource::Discovery))
}

/// Fetches and reads a key set.
pub(super) async fn fetch_keys(app: &App, address: &str, limits: Limits) -> Result<KeySet, ProviderError> {
    let body = get(app, Resource::Keys, address, limits).await?;
    KeySet::parse(&body).ok_or(ProviderError::NotJson(Resource::Keys))
}

async fn get(app: &App, resource: Resource, url: &str, limits: Limits) -> Result<Bytes, ProviderError> {
    // An issuer is typed as people write it; on the wire its host is ASCII.
    let request = Url::parse(url)
        .ok()
        .and_then(|url| {
            let request = Request::get(url.as_str()).header(header::ACCEPT, "application/json");
            request.body(Full::new(Bytes::new())).ok()
        })
        .ok_or_else(|| {
            ProviderError::Fetch(resource, FetchError::Refused("the URL is not valid".to_owned()))
        })?;
    let response = app
        .fetch
        .buffered(Policy::Operator, request, limits)
        .await
        .map_err(|error| ProviderError::Fetch(resource, error))?;
    if response.status() == StatusCode::OK {
        Ok(response.into_body())
    } else {
        Err(ProviderError::Status(resource, response.status()))
    }
}
