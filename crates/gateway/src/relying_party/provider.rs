//! Fetching from providers: discovery documents and key sets, cached, one fetch at a time each.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::id::ProjectId;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use url::Url;

use super::{
    budget::Budget,
    discovery::{self, Document, Provider, UnusableDocument, UrlRule},
    jwks::{KeySet, Owner},
    pushes::Pushes,
    verdicts::Verdicts,
};
pub(super) use crate::jose::key_cache::KeysWanted;
use crate::{
    Gateways,
    fetch::{FetchError, Limits, Turn},
    jose::{
        key_cache::KeyCache,
        key_set,
        signatures::Signatures,
        single_flight::{Missed, SingleFlight, Verdict},
    },
};

/// How long a discovery document is used before it is fetched again.
const FRESH: Duration = Duration::from_mins(10);

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
    /// The answer of the endpoint for pushed authorization requests (RFC 9126).
    PushedRequest,
    /// The userinfo endpoint's answer.
    Userinfo,
}

impl Resource {
    /// What it may be, for `Accept`: a key set has a type of its own (RFC 7517 section 8.5.1), and userinfo may come signed
    /// (OpenID Connect Core section 5.3.2).
    pub(super) const fn accepted(self) -> &'static str {
        match self {
            Self::Discovery | Self::Token | Self::PushedRequest => "application/json",
            Self::Keys => key_set::ACCEPTED_TYPES,
            Self::Userinfo => "application/json, application/jwt",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery => "the discovery document",
            Self::Keys => "the key set (jwks_uri)",
            Self::Token => "the answer of the token endpoint",
            Self::PushedRequest => "the answer of the pushed authorization request endpoint",
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
    /// The provider refused an authorization request that was pushed (RFC 9126 section 2.3).
    #[error("the provider refused the pushed authorization request (HTTP {status}, {error})")]
    Pushed {
        /// The HTTP status.
        status: u16,
        /// The provider's error code.
        error: String,
        /// Whether it refused our client id or secret.
        is_client: bool,
    },
    /// The stored secret, which a pushed request needs, does not open with the master key.
    #[error("the stored client secret cannot be opened with the master key of this instance")]
    SecretUnreadable,
    /// Another request was still fetching it when time was up.
    #[error("{0} did not arrive in time")]
    Waited(Resource),
}

impl ProviderError {
    /// Whether it says anything about the provider, and not only that those who ask here have no room for another request.
    pub(super) const fn is_of_provider(&self) -> bool {
        !matches!(self, Self::Fetch(_, FetchError::Limited(_)) | Self::Waited(_))
    }
}

/// Discovery documents by issuer, and key sets by their address.
#[derive(Debug, Default)]
pub struct RelyingParty {
    documents: SingleFlight<Document, ProviderError>,
    keys: KeyCache<ProviderError>,
    signatures: Signatures,
    pushes: Pushes,
    verdicts: Verdicts,
}

impl RelyingParty {
    /// How often providers were sent requests beforehand.
    pub(super) fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// How often providers changed their mind about a client secret.
    pub(super) fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// The pool in which signatures of providers are checked.
    pub(super) fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// The provider of an issuer, as its discovery document describes it.
    pub(super) async fn provider(
        &self,
        app: &Gateways,
        issuer: &str,
        budget: Budget,
    ) -> Result<Provider, ProviderError> {
        let now = app.now();
        let judge = |at, _: &Arc<Document>, _| Verdict::by_age(at, now, FRESH);
        if let Some(document) = self.documents.at_hand(issuer, judge) {
            return Ok(Provider::from_document(&document, issuer, url_rule(app))?);
        }
        let _turn = turn(app, budget, Resource::Discovery).await?;
        let document = self
            .documents
            .get(issuer, now, budget.until(), judge, || async {
                let limits = budget.limits(FETCH_DEADLINE, MAX_BODY);
                let document = fetch_document(app, None, issuer, limits).await?;
                // A document that cannot be used is not kept: the next sign-in looks again.
                Provider::from_document(&document, issuer, url_rule(app))?;
                Ok(document)
            })
            .await
            .map_err(|error| missed(error, Resource::Discovery))?;
        Ok(Provider::from_document(&document, issuer, url_rule(app))?)
    }

    /// The provider's keys.
    pub(super) async fn keys(
        &self,
        app: &Gateways,
        provider: &Provider,
        wanted: KeysWanted<'_>,
        budget: Budget,
    ) -> Result<Arc<KeySet>, ProviderError> {
        let now = app.now();
        let address = provider.jwks_uri.as_str();
        if let Some(keys) = self.keys.at_hand(address, now, wanted) {
            return Ok(keys);
        }
        let _turn = turn(app, budget, Resource::Keys).await?;
        let fetch = || fetch_keys(app, None, address, budget.limits(FETCH_DEADLINE, MAX_BODY));
        self.keys
            .get(address, now, budget.until(), wanted, fetch)
            .await
            .map_err(|error| missed(error, Resource::Keys))
    }

    /// Forgets what is known of a provider whose endpoint failed: the endpoint may have moved.
    pub(super) fn forget(&self, issuer: &str) {
        self.documents.forget(issuer);
    }
}

/// A turn to wait for something of a provider.
async fn turn(app: &Gateways, budget: Budget, resource: Resource) -> Result<Turn, ProviderError> {
    budget.turn(app).await.ok_or(ProviderError::Waited(resource))
}

fn missed(missed: Missed<ProviderError>, resource: Resource) -> ProviderError {
    match missed {
        Missed::Failed(error) => error,
        Missed::Waited => ProviderError::Waited(resource),
    }
}

/// Which URLs providers may have here.
pub(super) fn url_rule(app: &Gateways) -> UrlRule {
    UrlRule {
        loopback_http: app.config.is_loopback(),
    }
}

/// Fetches and reads a discovery document, without judging it, at the expense of a project. What is fetched for all who
/// wait is at the expense of none.
pub(super) async fn fetch_document(
    app: &Gateways,
    project: Option<ProjectId>,
    issuer: &str,
    limits: Limits,
) -> Result<Document, ProviderError> {
    let url = discovery::document_url(issuer);
    let body = get(app, project, Resource::Discovery, &url, limits).await?;
    Document::parse(&body).ok_or(ProviderError::NotJson(Resource::Discovery))
}

/// The same for a key set.
pub(super) async fn fetch_keys(
    app: &Gateways,
    project: Option<ProjectId>,
    address: &str,
    limits: Limits,
) -> Result<KeySet, ProviderError> {
    let body = get(app, project, Resource::Keys, address, limits).await?;
    KeySet::parse(Owner::Provider, &body).ok_or(ProviderError::NotJson(Resource::Keys))
}

async fn get(
    app: &Gateways,
    project: Option<ProjectId>,
    resource: Resource,
    url: &str,
    limits: Limits,
) -> Result<Bytes, ProviderError> {
    // An issuer is typed as people write it; on the wire its host is ASCII.
    let request = Url::parse(url)
        .ok()
        .and_then(|url| {
            let request = Request::get(url.as_str()).header(header::ACCEPT, resource.accepted());
            request.body(Full::new(Bytes::new())).ok()
        })
        .ok_or_else(|| {
            ProviderError::Fetch(resource, FetchError::Refused("the URL is not valid".to_owned()))
        })?;
    let response = app
        .fetch
        .for_project(project, request, limits)
        .await
        .map_err(|error| ProviderError::Fetch(resource, error))?;
    if response.status() == StatusCode::OK {
        Ok(response.into_body())
    } else {
        Err(ProviderError::Status(resource, response.status()))
    }
}
