//! Fetching from providers: discovery documents and key sets, cached, one fetch at a time each.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_core::{
    Core,
    single_flight::{Missed, SingleFlight, Verdict},
};
use gatewright_domain::{Clock, Entropy, Timestamp, entropy, id::ProjectId};
use http::{Request, StatusCode, header};
use http_body_util::Full;
use url::Url;

use crate::{
    budget::Budget,
    discovery::{self, Document, Provider, UnusableDocument, UrlRule},
    fetch::{Fetch, FetchError, Limits, Turn},
    jose::{
        key_cache::{KeyCache, KeysWanted},
        key_set::{self, KeySet, Owner},
    },
    pushes::Pushes,
    verdicts::Verdicts,
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
    /// What it may be, for `Accept`: a key set has its own type (RFC 7517 section 8.5.1), and userinfo may come signed
    /// (OpenID Connect Core section 5.3.2).
    pub const fn accepted(self) -> &'static str {
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
    /// It is not JSON, or not the JSON it should be, or (userinfo) about another person.
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
    pub const fn is_of_provider(&self) -> bool {
        !matches!(self, Self::Fetch(_, FetchError::Limited(_)) | Self::Waited(_))
    }
}

/// What is known about providers, and how much is requested from them: discovery documents by issuer, key sets by their
/// address, and the limits of work at providers.
#[derive(Debug)]
pub struct Providers {
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    url_rule: UrlRule,
    documents: SingleFlight<Document, ProviderError>,
    keys: KeyCache<ProviderError>,
    pushes: Pushes,
    verdicts: Verdicts,
}

impl Providers {
    /// Over the outbound client, the clock and the randomness of a core.
    pub fn new(core: &Core) -> Self {
        let (clock, entropy) = (Arc::clone(&core.clock), Arc::clone(&core.entropy));
        Self::without_core(core.fetch.clone(), clock, entropy, core.config.is_loopback())
    }

    /// Before there is a core, because no instance exists yet. `is_loopback`: the public URL of the instance is loopback.
    pub fn without_core(
        fetch: Fetch,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        is_loopback: bool,
    ) -> Self {
        Self {
            fetch,
            clock,
            entropy,
            url_rule: UrlRule {
                loopback_http: is_loopback,
            },
            documents: SingleFlight::default(),
            keys: KeyCache::default(),
            pushes: Pushes::default(),
            verdicts: Verdicts::default(),
        }
    }

    /// How often providers were sent requests beforehand.
    pub fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// How often providers changed their mind about a client secret.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A random text.
    pub(crate) fn token(&self) -> String {
        entropy::token(self.entropy.as_ref())
    }

    /// The outbound client.
    pub(crate) fn fetch(&self) -> &Fetch {
        &self.fetch
    }

    /// Which URLs providers can have here.
    pub(crate) fn url_rule(&self) -> UrlRule {
        self.url_rule
    }

    /// The provider of an issuer, as its discovery document describes it.
    pub async fn provider(&self, issuer: &str, budget: Budget) -> Result<Provider, ProviderError> {
        let (now, rule) = (self.clock.now(), self.url_rule);
        let judge = |at, _: &Arc<Document>, _| Verdict::by_age(at, now, FRESH);
        if let Some(document) = self.documents.at_hand(issuer, judge) {
            return Ok(Provider::from_document(&document, issuer, rule)?);
        }
        let _turn = self.turn(budget, Resource::Discovery).await?;
        let document = self
            .documents
            .get(issuer, now, budget.until(), judge, || async {
                let limits = budget.limits(FETCH_DEADLINE, MAX_BODY);
                let document = self.fetch_document(None, issuer, limits).await?;
                // A document that cannot be used is not kept: the next sign-in looks again.
                Provider::from_document(&document, issuer, rule)?;
                Ok(document)
            })
            .await
            .map_err(|error| missed(error, Resource::Discovery))?;
        Ok(Provider::from_document(&document, issuer, rule)?)
    }

    /// The provider's keys.
    pub async fn keys(
        &self,
        provider: &Provider,
        wanted: KeysWanted<'_>,
        budget: Budget,
    ) -> Result<Arc<KeySet>, ProviderError> {
        let now = self.clock.now();
        let address = provider.jwks_uri.as_str();
        if let Some(keys) = self.keys.at_hand(address, now, wanted) {
            return Ok(keys);
        }
        let _turn = self.turn(budget, Resource::Keys).await?;
        let fetch = || self.fetch_keys(None, address, budget.limits(FETCH_DEADLINE, MAX_BODY));
        self.keys
            .get(address, now, budget.until(), wanted, fetch)
            .await
            .map_err(|error| missed(error, Resource::Keys))
    }

    /// Forgets what is known about a provider whose endpoint failed: the endpoint may have moved.
    pub fn forget(&self, issuer: &str) {
        self.documents.forget(issuer);
    }

    /// Fetches and reads a discovery document, without judging it, at the expense of a project. What is fetched for all who
    /// wait is at the expense of none.
    pub(crate) async fn fetch_document(
        &self,
        project: Option<ProjectId>,
        issuer: &str,
        limits: Limits,
    ) -> Result<Document, ProviderError> {
        let url = discovery::document_url(issuer);
        let body = self.get(project, Resource::Discovery, &url, limits).await?;
        Document::parse(&body).ok_or(ProviderError::NotJson(Resource::Discovery))
    }

    /// The same for a key set.
    pub(crate) async fn fetch_keys(
        &self,
        project: Option<ProjectId>,
        address: &str,
        limits: Limits,
    ) -> Result<KeySet, ProviderError> {
        let body = self.get(project, Resource::Keys, address, limits).await?;
        KeySet::parse(Owner::Provider, &body).ok_or(ProviderError::NotJson(Resource::Keys))
    }

    /// A turn to wait for something of a provider.
    async fn turn(&self, budget: Budget, resource: Resource) -> Result<Turn, ProviderError> {
        let turn = budget.turn(&self.fetch).await;
        turn.ok_or(ProviderError::Waited(resource))
    }

    async fn get(
        &self,
        project: Option<ProjectId>,
        resource: Resource,
        url: &str,
        limits: Limits,
    ) -> Result<Bytes, ProviderError> {
        // An issuer is entered as people write it; on the wire its host is ASCII.
        let request = Url::parse(url)
            .ok()
            .and_then(|url| {
                let request = Request::get(url.as_str()).header(header::ACCEPT, resource.accepted());
                request.body(Full::new(Bytes::new())).ok()
            })
            .ok_or_else(|| {
                ProviderError::Fetch(resource, FetchError::Refused("the URL is not valid".to_owned()))
            })?;
        let response = self
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
}

fn missed(missed: Missed<ProviderError>, resource: Resource) -> ProviderError {
    match missed {
        Missed::Failed(error) => error,
        Missed::Waited => ProviderError::Waited(resource),
    }
}
