//! The clients, one for each policy: over a connector that vets addresses, with connections that are kept for a while.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::{client::legacy::Client, rt::TokioTimer};
use tokio::sync::Semaphore;

use super::{Policy, connector::VettedConnector, home::Home, servers::Servers};

/// Idle connections kept per host: enough for 128 requests at once and their successors.
const IDLE_PER_HOST: usize = 256;
/// The same for hosts of the configuration: one for each signal that is sent.
const IDLE_CONFIGURED: usize = 3;
/// How long an idle connection is kept. Servers close theirs after some time too; whichever side is first, it costs one dial.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Upper bound of a connection's read buffer, which grows with what arrives and shrinks again.
const READ_BUFFER: usize = 256 * 1024;

pub(super) type HttpClient = Client<HttpsConnector<VettedConnector>, Full<Bytes>>;

pub(super) fn client(
    tls: rustls::ClientConfig,
    policy: Policy,
    connector: VettedConnector,
    home: Home,
) -> HttpClient {
    // HTTP/1.1 only: every server has it, and its streams end without touching one another.
    let schemes = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls);
    let (connector, idle_per_host) = match policy {
        Policy::Operator => (
            schemes.https_or_http().enable_http1().wrap_connector(connector),
            IDLE_PER_HOST,
        ),
        Policy::Configuration => (
            schemes.https_or_http().enable_http1().wrap_connector(connector),
            IDLE_CONFIGURED,
        ),
        // What a stranger names is fetched once an hour, and idle connections would hold the places of others.
        Policy::Stranger => (schemes.https_only().enable_http1().wrap_connector(connector), 0),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one outbound client, on a vetting connector"
    )]
    let mut builder = Client::builder(home);
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle_per_host)
        .http1_max_buf_size(READ_BUFFER)
        .build(connector)
}

/// A client for what operators configured, with a bound on the connections that are open at once.
pub(super) fn bounded_client(
    tls: &rustls::ClientConfig,
    connector: VettedConnector,
    bound: usize,
    home: &Home,
) -> Servers {
    let bound = bound.clamp(1, Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(bound));
    let connector = connector.within(Arc::clone(&places)).living(home.clone());
    let (tls, home) = (tls.clone(), home.clone());
    let make = move || client(tls.clone(), Policy::Operator, connector.clone(), home.clone());
    Servers::new(bound, places, make)
}
