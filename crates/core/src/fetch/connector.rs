//! Dials: a name is resolved once, every address found is vetted, and only vetted addresses are dialled. As nothing
//! is resolved a second time, a name that changes its address in between gains nothing.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::Uri;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{FetchError, Policy, address::AddressRules, held::Held, home::Home, resolver::Resolve};

/// How long a connection may take to come about, all addresses together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The next address is tried in parallel after this long (RFC 8305 section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried at most.
const MAX_ADDRESSES: usize = 8;

/// Dials vetted addresses, under the policy of its client.
#[derive(Debug, Clone)]
pub(crate) struct VettedConnector {
    policy: Policy,
    rules: Arc<AddressRules>,
    resolver: Arc<dyn Resolve>,
    /// Places for open connections, if they are bounded.
    places: Option<Arc<Semaphore>>,
    /// Where connections live.
    home: Home,
}

impl VettedConnector {
    pub(super) fn new(policy: Policy, rules: Arc<AddressRules>, resolver: Arc<dyn Resolve>) -> Self {
        Self {
            policy,
            rules,
            resolver,
            places: None,
            home: Home::default(),
        }
    }

    /// The same with a home for its connections.
    pub(super) fn living(self, home: Home) -> Self {
        Self { home, ..self }
    }

    /// The same with a bound on the connections that are open at once.
    pub(super) fn within(self, places: Arc<Semaphore>) -> Self {
        Self {
            places: Some(places),
            ..self
        }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Held>, FetchError> {
        let host = uri.host().unwrap_or_default();
        let default_port = if uri.scheme() == Some(&http::uri::Scheme::HTTPS) {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let place = match &self.places {
            Some(places) => Some(place_in(places, host).await?),
            None => None,
        };
        let stream = self.dial(host, port).await?;
        Ok(TokioIo::new(Held::new(stream, place)))
    }

    /// A connection to an address of a host that is allowed.
    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, FetchError> {
        let dial = async {
            let addresses = self.vetted(host).await?;
            dial(host, &addresses, port).await
        };
        tokio::time::timeout(CONNECT_TIMEOUT, dial)
            .await
            .unwrap_or_else(|_| {
                Err(FetchError::Connect {
                    host: host.to_owned(),
                    reason: "nothing answered in time; is a firewall in between?".to_owned(),
                })
            })
    }

    /// The addresses of a host, all of them allowed: if one is not, the name is refused.
    async fn vetted(&self, host: &str) -> Result<Vec<IpAddr>, FetchError> {
        let unresolved = || FetchError::Resolve(host.to_owned());
        // `url` reads every spelling of an IPv4 address (octal, hexadecimal, one number) as the system would.
        let addresses = match url::Host::parse(host) {
            Ok(url::Host::Ipv4(address)) => vec![address.into()],
            Ok(url::Host::Ipv6(address)) => vec![address.into()],
            Ok(url::Host::Domain(name)) => self.resolver.resolve(&name).await.map_err(|_| unresolved())?,
            Err(_) => return Err(unresolved()),
        };
        if addresses.is_empty() {
            return Err(unresolved());
        }
        for address in &addresses {
            self.rules.check(self.policy, host, *address)?;
        }
        Ok(addresses)
    }
}

/// Waits for a place. In the meantime the request takes a connection that another one leaves.
async fn place_in(places: &Arc<Semaphore>, host: &str) -> Result<OwnedSemaphorePermit, FetchError> {
    let waiting = Arc::clone(places).acquire_owned();
    match tokio::time::timeout(CONNECT_TIMEOUT, waiting).await {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(_)) | Err(_) => Err(FetchError::Limited(host.to_owned())),
    }
}

/// Dials the addresses in their order, each a little after the one before; the first that answers is taken.
async fn dial(host: &str, addresses: &[IpAddr], port: u16) -> Result<TcpStream, FetchError> {
    let mut waiting = addresses
        .iter()
        .take(MAX_ADDRESSES)
        .map(|address| SocketAddr::new(*address, port));
    let mut dialling = FuturesUnordered::new();
    let mut refused = None;
    loop {
        match waiting.next() {
            Some(address) => {
                #[expect(clippy::disallowed_methods, reason = "the address was vetted")]
                dialling.push(TcpStream::connect(address));
            }
            None if dialling.is_empty() => break,
            None => {}
        }
        let more = waiting.len() > 0;
        let next = async {
            if more {
                tokio::time::sleep(NEXT_ADDRESS_AFTER).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            Some(attempt) = dialling.next() => match attempt {
                Ok(stream) => {
                    // Requests are written as a whole; waiting for more to send only delays them.
                    let _ = stream.set_nodelay(true);
                    // A stream may be silent for a long time; a peer that vanished must not look like one.
                    let _ = SockRef::from(&stream).set_tcp_keepalive(&crate::keepalive());
                    return Ok(stream);
                }
                Err(error) => refused = Some(error.kind()),
            },
            () = next => {}
        }
    }
    Err(FetchError::Connect {
        host: host.to_owned(),
        reason: match refused {
            Some(std::io::ErrorKind::ConnectionRefused) => format!("nothing listens on port {port}"),
            Some(std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable) => {
                "there is no route to its network from here".to_owned()
            }
            _ => "the connection could not be made".to_owned(),
        },
    })
}

impl tower::Service<Uri> for VettedConnector {
    type Response = TokioIo<Held>;
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, FetchError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FetchError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = uri.host().unwrap_or("the host").to_owned();
        let (home, connecting) = (self.home.clone(), self.clone().connect(uri));
        Box::pin(async move {
            let stops = || FetchError::Connect {
                host,
                reason: "this instance is stopping".to_owned(),
            };
            home.run(connecting).await.unwrap_or_else(|| Err(stops()))
        })
    }
}
