//! The listener: accepts connections, answers HTTP/1.1 and HTTP/2, with TLS or without, and stops in order.

mod activity;
mod closing;
mod newcomers;
mod placing;
pub(crate) mod presence;
mod redirects;
mod signals;
mod tls;
mod unread;

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use axum::Router;
use http::{HeaderValue, header};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinError,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;

use gatewright_admin::Admin;

use crate::front::{AsideThreads, Front, is_for_gateway};

pub(crate) use signals::{hangups, watch_signals};

use gatewright_core::{descriptors::Fit, keepalive};

use activity::{Activity, BusyBody, FIRST_REQUEST_DEADLINE, Verdict, Watched};
use placing::{Threads, begins_aside};
use unread::ReadToEnd;

/// The largest head of a request, and what is buffered for writing before a stream has to wait.
const BUFFER: usize = 64 * 1024;
/// HTTP/2: streams at once per connection, and how much one stream and one connection may send ahead.
const H2_STREAMS: u32 = 128;
const H2_STREAM_WINDOW: u32 = 128 * 1024;
const H2_CONNECTION_WINDOW: u32 = 512 * 1024;
/// HTTP/2 connections are asked this often whether they live, and closed when they do not say so in time.
const H2_PING_EVERY: Duration = Duration::from_secs(30);
const H2_PING_DEADLINE: Duration = Duration::from_secs(20);
/// How long an HTTP/2 client can take to learn that its idle connection closes.
const H2_GOODBYE: Duration = Duration::from_secs(2);
/// How often a connection that is busy when the process stops is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What was noted last is written within this time, or not at all.
const LAST_WRITES: Duration = Duration::from_secs(2);
/// After running out of file descriptors, accepting waits this long for some to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `app.shutdown` is cancelled, then lets running requests end within the configured grace. `http` is the listener of
/// `tls.http_listen`.
pub(crate) async fn run(
    app: Arc<Admin>,
    listener: TcpListener,
    http: Option<TcpListener>,
) -> anyhow::Result<()> {
    let front = gatewright_dashboard::front(&app);
    run_behind(front, app, listener, http).await
}

/// The same with routes in addition to those of every instance.
pub(crate) async fn run_with(
    app: Arc<Admin>,
    listener: TcpListener,
    more: Router<Arc<Admin>>,
) -> anyhow::Result<()> {
    let front = gatewright_dashboard::front_with(&app, more);
    run_behind(front, app, listener, None).await
}

async fn run_behind(
    front: Front,
    app: Arc<Admin>,
    listener: TcpListener,
    http: Option<TcpListener>,
) -> anyhow::Result<()> {
    let jobs = TaskTracker::new();
    let connections = TaskTracker::new();
    let grace = Duration::from_secs(app.config.server.shutdown_grace_seconds.into());
    let aside = AsideThreads::start().context("the process could not start its threads")?;
    let threads = Threads::here_and(&aside, &front).context("the process could not use its threads")?;
    crate::jobs::spawn(&app, &jobs, &threads.aside);
    let front = Arc::new(front.with_threads(&aside));
    let builder = Arc::new(builder());
    let slots = Arc::new(Semaphore::new(
        usize::try_from(Fit::here(&app.config).connections)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS),
    ));
    let door = tls::Door::of(&app)?;
    let begin = |stream, peer, slot| {
        let connection = Connection {
            app: Arc::clone(&app),
            front: Arc::clone(&front),
            builder: Arc::clone(&builder),
            peer,
            threads: Some(threads.clone()),
            calls: None,
        };
        if let Some(door) = &door {
            door.admit(connection, stream, slot, &connections);
        } else {
            connections.spawn(connection.begin(stream, slot, connections.clone()));
        }
    };
    if let Some(http) = http {
        let redirecting = redirects::serve(Arc::clone(&app), http, connections.clone());
        jobs.spawn_on(redirecting, &threads.aside);
    }
    let accepting = accept(&app, &listener, &slots, &begin);
    app.shutdown.run_until_cancelled(accepting).await;
    closing::ignore_new(&listener);
    let accepting = accept(&app, &listener, &slots, &begin);
    let _ = tokio::time::timeout(closing::LAST_HANDSHAKES, accepting).await;
    // New connections are refused from here on, so that a load balancer goes elsewhere.
    closing::accept_the_last(listener, &slots, begin)?;
    tracing::info!(
        open = connections.len(),
        "stopping: no new connections, running requests can finish"
    );
    connections.close();
    jobs.close();
    let ended = async {
        connections.wait().await;
        jobs.wait().await;
    };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "the grace is over; what still runs is cut off"
        );
    }
    let writing = crate::jobs::write_last(&app);
    if tokio::time::timeout(LAST_WRITES, writing).await.is_err() {
        tracing::warn!("the database takes too long; what was noted last is not written");
    }
    if tokio::time::timeout(LAST_WRITES, crate::jobs::send_last(&app))
        .await
        .is_err()
    {
        tracing::warn!("the collector takes too long; the last traces, metrics and logs are not sent");
    }
    app.core().store.close().await;
    Ok(())
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // [`Activity`] knows when a head is late; hyper would arm a timer for each.
        .header_read_timeout(None)
        .max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(BUFFER).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING_EVERY)
        .keep_alive_timeout(H2_PING_DEADLINE);
    builder
}

async fn accept(
    app: &Admin,
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    begin: impl Fn(TcpStream, IpAddr, OwnedSemaphorePermit),
) {
    let mut failing = false;
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                failing = false;
                // Answers are written as a whole; waiting for more to send only delays them.
                let _ = stream.set_nodelay(true);
                // A peer that vanished without a word would otherwise hold an open stream forever.
                let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive());
                begin(stream, peer.ip(), slot);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !failing {
                    tracing::error!(%error, open = app.telemetry.connections.get(), "no connection can be accepted");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether an error of `accept` is only about the connection that was to be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Whether a trusted proxy has this address. A listener for both kinds sees one of IPv4 as `::ffff:192.0.2.1`.
fn is_of_proxy(app: &Admin, peer: IpAddr) -> bool {
    let (proxies, peer) = (&app.config.server.trusted_proxies, peer.to_canonical());
    proxies.iter().any(|network| network.contains(&peer))
}

#[derive(Clone)]
struct Connection {
    app: Arc<Admin>,
    front: Arc<Front>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    peer: IpAddr,
    /// The threads among which its place is chosen, if there is a choice.
    threads: Option<Threads>,
    /// The threads of calls, if it is served by others.
    calls: Option<Handle>,
}

impl Connection {
    /// Serves it on the threads that its first request is for.
    async fn begin(self, stream: TcpStream, slot: OwnedSemaphorePermit, connections: TaskTracker) {
        let (open, activity) = (Open::new(&self.app), Activity::new());
        let threads = self.threads.clone().filter(|_| !self.is_of_proxy());
        let Some(threads) = threads else {
            return self.serve(stream, activity, open, slot).await;
        };
        let looking = timeout(FIRST_REQUEST_DEADLINE, begins_aside(&stream));
        match self.app.shutdown.run_until_cancelled(looking).await {
            Some(Ok(Some(true))) => {
                // A connection belongs to the runtime that waits for its bytes.
                let Ok(stream) = stream.into_std() else { return };
                let connection = threads.aside(self);
                let serving = async move {
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        connection.serve(stream, activity, open, slot).await;
                    }
                };
                connections.spawn_on(serving, &threads.aside);
            }
            // When the process stops, it has a little more time for its first request.
            Some(Ok(Some(false))) | None => self.serve(stream, activity, open, slot).await,
            // It is idle, or the client has left.
            Some(Ok(None) | Err(_)) => {}
        }
    }

    fn is_of_proxy(&self) -> bool {
        is_of_proxy(&self.app, self.peer)
    }

    /// When to look again at a connection of HTTP/1.1 that leaves; `None` when it may close. A stream that ends because the
    /// process stops was begun without the notice that its connection closes, so a proxy may send its next request on it.
    fn goodbye(&self, activity: &Activity, idle_until: &mut Option<Instant>) -> Option<Instant> {
        let now = Instant::now();
        if !activity.is_idle() {
            *idle_until = None;
            return Some(now + LOOK_AGAIN);
        }
        let drain = if self.app.drains.load(Ordering::Relaxed) {
            Duration::from_secs(self.app.config.server.drain_seconds.into())
        } else {
            Duration::ZERO
        };
        let until = *idle_until.get_or_insert_with(|| activity.last_request_deadline(drain));
        (now < until).then_some(until)
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        activity: Arc<Activity>,
        _open: Open,
        _slot: OwnedSemaphorePermit,
    ) {
        let is_http2 = AtomicBool::new(false);
        // Its own tokens: every request, and every wake of a connection, looks at one, and looking takes a lock inside.
        let leaving = Arc::new(self.app.stopping.child_token());
        let shutdown = self.app.shutdown.child_token();
        let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| {
            let busy = activity.begin();
            let http2 = request.version() == http::Version::HTTP_2;
            is_http2.store(http2, Ordering::Relaxed);
            let leaving = Arc::clone(&leaving);
            let calls = self.calls.clone();
            let calls = calls.filter(|_| is_for_gateway(request.uri().path()));
            let is_misplaced = calls.is_some();
            let (front, request) = (Arc::clone(&self.front), request.map(ReadToEnd::new));
            // Boxed because a connection keeps the room of its largest future for as long as it is open, and most connections
            // are idle or only listen: an allocation for each request saves twenty kilobytes for each connection.
            let answering = Box::pin(placing::answer(front, self.peer, calls, request));
            async move {
                let mut response = answering.await?;
                // The next call on a connection that is not for calls comes on another one.
                if !http2 && (is_misplaced || leaving.is_cancelled()) {
                    // Said before it closes, the end of a connection costs its client nothing; one that closes
                    // without a word may do so while the next request is on its way.
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, JoinError>(response.map(|inner| BusyBody { inner, busy }))
            }
        });
        let stream = Watched {
            inner: stream,
            activity: Arc::clone(&activity),
        };
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let look = tokio::time::sleep(FIRST_REQUEST_DEADLINE);
        tokio::pin!(look);
        let (mut stopping, mut leaves, mut said_goodbye) = (false, false, false);
        let mut idle_until = None;
        loop {
            tokio::select! {
                // What went wrong on a connection is between hyper and the peer; requests have their own log lines.
                _ = connection.as_mut() => return,
                () = look.as_mut() => match activity.judge() {
                    _ if leaves => {
                        if let Some(until) = self.goodbye(&activity, &mut idle_until) {
                            look.as_mut().reset(until);
                        } else {
                            leaves = false;
                            connection.as_mut().graceful_shutdown();
                            look.as_mut().reset(Instant::now() + H2_GOODBYE);
                        }
                    }
                    Verdict::Wait(until) => look.as_mut().reset(until),
                    Verdict::Close if is_http2.load(Ordering::Relaxed) && !said_goodbye => {
                        said_goodbye = true;
                        connection.as_mut().graceful_shutdown();
                        look.as_mut().reset(Instant::now() + H2_GOODBYE);
                    }
                    Verdict::Close => return,
                },
                () = shutdown.cancelled(), if !stopping => {
                    stopping = true;
                    if is_http2.load(Ordering::Relaxed) {
                        connection.as_mut().graceful_shutdown();
                    } else {
                        leaves = true;
                        look.as_mut().reset(Instant::now());
                    }
                }
            }
        }
    }
}

/// Counts an open connection for as long as it lives.
struct Open(Arc<Admin>);

impl Open {
    fn new(app: &Arc<Admin>) -> Self {
        app.telemetry.connections.inc();
        Self(Arc::clone(app))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.telemetry.connections.dec();
    }
}

#[cfg(test)]
mod tests;
