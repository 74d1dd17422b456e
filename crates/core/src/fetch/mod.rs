//! The one outbound HTTP client: no redirects, no proxy from the environment, addresses vetted before they are dialled,
//! bodies and time bounded. It asks for answers without a coding and refuses those that have one, so a small answer
//! cannot grow in memory.

mod address;
mod answered;
mod asker;
mod certificates;
mod client;
mod connector;
mod error;
mod gate;
mod held;
mod home;
mod resolver;
mod servers;
mod shares;
mod tls;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use gatewright_domain::id::ProjectId;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

pub use asker::{Asker, Standing};
pub use certificates::SeenCertificate;
pub use error::FetchError;
pub(crate) use tls::{client_config, client_config_of};

use crate::{
    config::Config,
    descriptors::{Fit, STRANGERS},
};
use address::AddressRules;
use certificates::Certificates;
use client::{HttpClient, bounded_client, client};
use connector::VettedConnector;
use gate::Gate;
use home::Home;
use resolver::{Resolve, SystemResolver};
use servers::Servers;
use shares::{Payer, Shares};

/// Who asks. Firewalls and strict servers refuse requests that do not say.
const USER_AGENT: &str = concat!("Gatewright/", env!("CARGO_PKG_VERSION"));
/// Fetches of one document of a known client in a minute. While it is fresh it needs none.
const KNOWN_PER_MINUTE: u32 = 4;
/// Connections to hosts of the configuration that are open at once.
const CONFIGURED: usize = 8;
/// The byte order mark, which RFC 8259 section 8.1 lets readers ignore.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where a URL can lead depends on who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// An administrator: private networks allowed, link-local and cloud metadata never, loopback only while the public
    /// URL is loopback.
    Operator,
    /// The configuration of the process: the same, and loopback always, where collectors of telemetry listen.
    Configuration,
    /// A stranger: https to public addresses only, one at a time per host.
    Stranger,
}

/// Bounds of a buffered fetch.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte sent to the last byte read.
    pub deadline: Duration,
    /// Bytes of body at most.
    pub body: usize,
}

/// Where a fetch is counted before it begins.
struct Place<'a> {
    gate: &'a Gate,
    key: String,
    standing: Option<Standing<'a>>,
}

/// A project's turn to wait for what several wait for. It is returned when it is dropped.
#[derive(Debug)]
#[must_use = "the turn is given back as soon as this is dropped"]
pub struct Turn {
    _held: Option<OwnedSemaphorePermit>,
}

/// The client: cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: Arc<AddressRules>,
    // A pool for each policy: a connection vetted for one is never used by the other.
    /// Bounded, so that providers that hang do not use up what the process may open.
    operator: Servers,
    shares: Shares,
    /// For MCP servers, which are many and keep connections for long: bounded, so that the providers are reached whatever
    /// servers do.
    servers: Servers,
    stranger: Arc<HttpClient>,
    configuration: Arc<HttpClient>,
    /// Those of operators' hosts.
    certificates: Certificates,
    /// For what is not HTTP.
    dialler: VettedConnector,
    gate: Gate,
    /// For URLs of clients that someone has signed in with; counts each URL of each project separately.
    known: Gate,
    /// For URLs that strangers send and an administrator listed; counts each URL of each project separately.
    listed: Gate,
}

impl Fetch {
    /// Builds the client; reads `outbound.extra_ca`.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let resolver: Arc<dyn Resolve> = Arc::new(SystemResolver);
        Self::with_resolver(config, &resolver)
    }

    /// Builds the client on another resolver of names.
    fn with_resolver(config: &Config, resolver: &Arc<dyn Resolve>) -> anyhow::Result<Self> {
        let fit = Fit::here(config);
        let bound = |number: u32| usize::try_from(number).unwrap_or(Semaphore::MAX_PERMITS);
        Self::bounded(config, resolver, bound(fit.upstream), bound(fit.providers))
    }

    /// The same with bounds on the connections to MCP servers and to providers that are open at once.
    fn bounded(
        config: &Config,
        resolver: &Arc<dyn Resolve>,
        servers: usize,
        providers: usize,
    ) -> anyhow::Result<Self> {
        let certificates = Certificates::default();
        let tls = tls::noting(&config.outbound.extra_ca, &certificates)?;
        // What strangers name is not of interest here.
        let for_strangers = client_config(&config.outbound.extra_ca)?;
        let rules = Arc::new(AddressRules::new(config));
        let connector = |policy| VettedConnector::new(policy, Arc::clone(&rules), Arc::clone(resolver));
        let strangers = usize::try_from(STRANGERS).unwrap_or(Semaphore::MAX_PERMITS);
        let of_strangers = connector(Policy::Stranger).within(Arc::new(Semaphore::new(strangers)));
        let of_configuration = connector(Policy::Configuration).within(Arc::new(Semaphore::new(CONFIGURED)));
        Ok(Self(Arc::new(Inner {
            configuration: Arc::new(client(
                for_strangers.clone(),
                Policy::Configuration,
                of_configuration,
                Home::default(),
            )),
            operator: bounded_client(&tls, connector(Policy::Operator), providers, &Home::default()),
            shares: Shares::of(providers),
            servers: bounded_client(&tls, connector(Policy::Operator), servers, &Home::here()),
            stranger: Arc::new(client(
                for_strangers,
                Policy::Stranger,
                of_strangers,
                Home::default(),
            )),
            dialler: connector(Policy::Operator),
            certificates,
            gate: Gate::default(),
            known: Gate::with(KNOWN_PER_MINUTE),
            listed: Gate::default(),
            rules,
        })))
    }

    /// Sends a request and reads the whole body, within limits. What an operator configured is counted by the domain of its
    /// host.
    pub async fn buffered(
        &self,
        policy: Policy,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<Response<Bytes>, FetchError> {
        match policy {
            Policy::Operator => self.for_project(None, request, limits).await,
            Policy::Configuration => self.exchange(policy, None, request, limits).await,
            Policy::Stranger => {
                let place = Place {
                    gate: &self.0.gate,
                    key: host_of(request.uri()),
                    standing: None,
                };
                self.exchange(policy, Some(place), request, limits).await
            }
        }
    }

    /// The same for what an operator configured, at the expense of the project whose people wait for it: others reach their
    /// providers whatever its own do.
    pub async fn for_project(
        &self,
        project: Option<ProjectId>,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<Response<Bytes>, FetchError> {
        let until = Instant::now() + limits.deadline;
        let host = host_of(request.uri());
        let entering = self.0.shares.enter(Payer::of(project, &host));
        let share = tokio::time::timeout_at(until, entering).await.ok().flatten();
        let _share = share.ok_or(FetchError::Limited(host))?;
        let limits = Limits {
            deadline: until.saturating_duration_since(Instant::now()),
            ..limits
        };
        self.exchange(Policy::Operator, None, request, limits).await
    }

    /// Waits until a project may wait for what people of other projects may wait for too, such as the document of a provider;
    /// `None` if there is none in time. Callers without a project do not wait.
    pub async fn turn(&self, project: Option<ProjectId>, until: Instant) -> Option<Turn> {
        let Some(project) = project else {
            return Some(Turn { _held: None });
        };
        let entering = self.0.shares.enter(Payer::Waiting(project));
        let held = tokio::time::timeout_at(until, entering).await.ok().flatten()?;
        Some(Turn { _held: Some(held) })
    }

    /// Sends a request to a URL that a stranger sent and reads the whole body, counted by its standing. The address rules
    /// are those for strangers whatever that is; what strangers ask of a host takes nothing from known and listed
    /// clients.
    pub async fn for_stranger(
        &self,
        standing: Standing<'_>,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<Response<Bytes>, FetchError> {
        let url_in = |project: ProjectId| format!("{project} {}", request.uri());
        let (gate, key) = match standing {
            Standing::Unknown(_) => (&self.0.gate, host_of(request.uri())),
            Standing::Known(project) => (&self.0.known, url_in(project)),
            Standing::Listed(project) => (&self.0.listed, url_in(project)),
        };
        let place = Place {
            gate,
            key,
            standing: Some(standing),
        };
        self.exchange(Policy::Stranger, Some(place), request, limits)
            .await
    }

    async fn exchange(
        &self,
        policy: Policy,
        place: Option<Place<'_>>,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<Response<Bytes>, FetchError> {
        let host = host_of(request.uri());
        self.check_uri(policy, request.uri())?;
        let client = match policy {
            Policy::Operator => self.0.operator.client(),
            Policy::Configuration => Arc::clone(&self.0.configuration),
            Policy::Stranger => Arc::clone(&self.0.stranger),
        };
        let exchange = async {
            let _turn = match place {
                Some(place) => {
                    let entered = place.gate.enter(&place.key, place.standing).await;
                    // What it is counted by is not for everyone who reads the error.
                    Some(entered.map_err(|_| FetchError::Limited(host.clone()))?)
                }
                None => None,
            };
            let response = send_again_if_lost(&client, request).await?;
            let (parts, body) = response.into_parts();
            let mut body = collect(&host, body, limits.body).await?;
            if !body.is_empty() {
                refuse_coding(&host, &parts.headers)?;
            }
            if body.starts_with(BYTE_ORDER_MARK) {
                body = body.slice(BYTE_ORDER_MARK.len()..);
            }
            Ok(Response::from_parts(parts, body))
        };
        tokio::time::timeout(limits.deadline, exchange)
            .await
            .unwrap_or_else(|_| Err(FetchError::Timeout(host.clone())))
    }

    /// Sends a request to an operator-configured server and returns the body as it comes; `head_deadline` bounds the wait for the
    /// response head. `Host` is the upstream's. A request is sent again automatically only when the pooled connection it was
    /// to go out on had died before a byte of it was written.
    pub async fn streaming(
        &self,
        request: Request<Full<Bytes>>,
        head_deadline: Duration,
    ) -> Result<Response<Incoming>, FetchError> {
        let uri = request.uri().clone();
        let client = self.0.servers.client();
        match tokio::time::timeout(head_deadline, send(&client, request)).await {
            Ok(Ok(response)) => {
                refuse_coding(&host_of(&uri), response.headers())?;
                Ok(response)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(FetchError::Timeout(host_of(&uri))),
        }
    }

    /// Dials a host that an operator configured for another protocol than HTTP, such as a mail server.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, FetchError> {
        self.0.dialler.dial(host, port).await
    }

    /// The certificate that a host of an operator showed last, if that was in the last two days.
    pub fn certificate_of(&self, host: &str) -> Option<SeenCertificate> {
        self.0.certificates.of(host)
    }

    /// Connections to MCP servers that are open, idle ones included.
    pub fn open_to_servers(&self) -> usize {
        self.0.servers.open()
    }

    /// Whether an operator may configure this URL at all (scheme, literal addresses), for checks at save time.
    pub fn check_url(&self, policy: Policy, url: &url::Url) -> Result<(), FetchError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Refused(
                "the URL must not contain a user name or password".to_owned(),
            ));
        }
        match (policy, url.scheme()) {
            (_, "https") | (Policy::Operator | Policy::Configuration, "http") => {}
            (Policy::Operator | Policy::Configuration, _) => {
                return Err(FetchError::Refused(
                    "the URL must begin with https:// or http://".to_owned(),
                ));
            }
            (Policy::Stranger, _) => {
                return Err(FetchError::Refused("the URL must begin with https://".to_owned()));
            }
        }
        match url.host() {
            None => Err(FetchError::Refused("the URL has no host".to_owned())),
            Some(url::Host::Domain(_)) => Ok(()),
            Some(url::Host::Ipv4(address)) => {
                self.0.rules.check(policy, &address.to_string(), address.into())
            }
            Some(url::Host::Ipv6(address)) => {
                self.0.rules.check(policy, &address.to_string(), address.into())
            }
        }
    }

    fn check_uri(&self, policy: Policy, uri: &Uri) -> Result<(), FetchError> {
        let url = url::Url::parse(&uri.to_string())
            .map_err(|_| FetchError::Refused("the URL has no scheme or host".to_owned()))?;
        self.check_url(policy, &url)
    }
}

async fn send(
    client: &HttpClient,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, FetchError> {
    let uri = request.uri().clone();
    // hyper writes the one that belongs to the URL.
    request.headers_mut().remove(header::HOST);
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    client
        .request(request)
        .await
        .map_err(|error| FetchError::of_client(&host_of(&uri), &error))
}

/// Sends a `GET` again when its connection closed before anything of an answer came: servers close idle connections
/// at the moment at which the next request is on its way (RFC 9110 section 9.2.2 allows it, because `GET` is idempotent).
async fn send_again_if_lost(
    client: &HttpClient,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, FetchError> {
    let again = (request.method() == Method::GET).then(|| request.clone());
    match (send(client, request).await, again) {
        (Err(FetchError::Broken(_)), Some(again)) => send(client, again).await,
        (result, _) => result,
    }
}

/// Fails when an answer has a coding, which no request here asks for.
fn refuse_coding(host: &str, headers: &HeaderMap) -> Result<(), FetchError> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = codings
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let Some(coding) = codings.find(|coding| !matches!(coding.trim(), "" | "identity")) else {
        return Ok(());
    };
    let known = ["gzip", "deflate", "br", "zstd", "compress"];
    let coding = known
        .into_iter()
        .find(|known| coding.trim().eq_ignore_ascii_case(known));
    Err(FetchError::Coded {
        host: host.to_owned(),
        coding: coding.unwrap_or("another"),
    })
}

async fn collect(host: &str, mut body: Incoming, limit: usize) -> Result<Bytes, FetchError> {
    let too_large = || FetchError::TooLarge(host.to_owned());
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large());
    }
    let mut collected = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| FetchError::Broken(host.to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() + data.len() > limit {
            return Err(too_large());
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

fn host_of(uri: &Uri) -> String {
    uri.host().unwrap_or("the host").to_owned()
}

#[cfg(test)]
mod tests;
