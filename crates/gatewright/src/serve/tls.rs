//! The listener with TLS. Handshakes run on the threads aside, so that calls never wait for them, and have until the deadline of
//! a first request. Then a connection is placed as one without TLS is ([`placing`](super::placing)): by the beginning of its first request.

use std::{io, net::TcpStream as StdStream, os::fd::AsFd as _, sync::Arc, time::Duration};

use gatewright_admin::Admin;
use gatewright_core::tls::ACME_PROTOCOL;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::task::TaskTracker;

use super::{
    Connection, Open,
    activity::{Activity, FIRST_REQUEST_DEADLINE},
    newcomers::Newcomers,
    placing::{self, Threads},
};

/// Handshakes under way at once. Each holds up to some 60 KB.
const HANDSHAKES: usize = 1_024;
/// The same of one network.
const OF_NETWORK: usize = 128;
/// How long a handshake may still take once the process stops.
const LAST_HANDSHAKE: Duration = Duration::from_secs(2);
/// The first byte of a handshake: the type of its record (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// Takes connections that begin with a handshake.
pub(super) struct Door {
    acceptor: TlsAcceptor,
    handshakes: Newcomers,
}

/// How a handshake ended without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The client sent nothing, or left.
    Nothing,
    /// It was late, or the process stops.
    Late,
    /// Newer ones needed its place.
    Displaced,
    /// The client and this process do not agree.
    Failed,
    /// It is not TLS.
    Plain,
}

impl Lost {
    const fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Late => Some("timeout"),
            Self::Displaced => Some("displaced"),
            Self::Failed => Some("failed"),
            Self::Plain => Some("plain"),
        }
    }
}

impl Door {
    /// The door of an instance; `None` if its listener answers plain HTTP.
    pub(super) fn of(app: &Admin) -> anyhow::Result<Option<Arc<Self>>> {
        if app.tls.source().is_none() {
            return Ok(None);
        }
        let config = Arc::new(app.tls.server_config()?);
        Ok(Some(Arc::new(Self {
            acceptor: TlsAcceptor::from(config),
            handshakes: Newcomers::new(HANDSHAKES, OF_NETWORK),
        })))
    }

    /// Serves a connection on the threads that its first request is for.
    pub(super) fn admit(
        self: &Arc<Self>,
        connection: Connection,
        stream: TcpStream,
        slot: OwnedSemaphorePermit,
        connections: &TaskTracker,
    ) {
        let (Some(threads), Ok(stream)) = (connection.threads.clone(), stream.into_std()) else {
            return;
        };
        let (door, tracker, aside) = (Arc::clone(self), connections.clone(), threads.aside.clone());
        let serving = async move { door.begin(connection, threads, stream, slot, tracker).await };
        connections.spawn_on(serving, &aside);
    }

    async fn begin(
        &self,
        connection: Connection,
        threads: Threads,
        stream: StdStream,
        slot: OwnedSemaphorePermit,
        connections: TaskTracker,
    ) {
        let (open, activity) = (Open::new(&connection.app), Activity::new());
        let deadline = Instant::now() + FIRST_REQUEST_DEADLINE;
        let metrics = &connection.app.telemetry.tls;
        let mut stream = match self.shake_hands(&connection, stream, deadline).await {
            Ok(stream) => stream,
            Err(lost) => {
                if let Some(outcome) = lost.outcome() {
                    metrics.count_handshake(outcome);
                }
                return;
            }
        };
        metrics.count_handshake("ok");
        let protocol = stream.get_ref().1.alpn_protocol();
        if protocol == Some(ACME_PROTOCOL) {
            // The certificate was the answer (RFC 8737 section 3).
            let _ = timeout_at(deadline, stream.shutdown()).await;
            return;
        }
        let is_for_all = protocol == Some(b"h2") || connection.is_of_proxy();
        if !is_for_all {
            let looking = timeout_at(deadline, stream.fill_buf());
            match connection.app.shutdown.run_until_cancelled(looking).await {
                Some(Ok(Ok([]) | Err(_)) | Err(_)) => return,
                Some(Ok(Ok(beginning))) if placing::is_aside(beginning) => {
                    return threads
                        .aside(connection)
                        .serve(stream, activity, open, slot)
                        .await;
                }
                Some(Ok(Ok(_))) | None => {}
            }
        }
        let serving = async move {
            if move_here(&mut stream).is_ok() {
                connection.serve(stream, activity, open, slot).await;
            }
        };
        connections.spawn_on(serving, &threads.calls);
    }

    pub(super) async fn shake_hands(
        &self,
        connection: &Connection,
        stream: StdStream,
        deadline: Instant,
    ) -> Result<TlsStream<TcpStream>, Lost> {
        let stream = TcpStream::from_std(stream).map_err(|_| Lost::Nothing)?;
        let stopping = async {
            connection.app.shutdown.cancelled().await;
            sleep(LAST_HANDSHAKE).await;
        };
        tokio::pin!(stopping);
        // A client that says nothing is not a handshake yet, and takes no place of one.
        let mut first = [0];
        let read = tokio::select! {
            read = timeout_at(deadline, stream.peek(&mut first)) => read,
            () = stopping.as_mut() => return Err(Lost::Nothing),
        };
        match read {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return Err(Lost::Nothing),
        }
        if first != [HANDSHAKE] {
            refuse_plain(stream, connection.app.config.public_url(), deadline).await;
            return Err(Lost::Plain);
        }
        let counted_by = (!connection.is_of_proxy()).then_some(connection.peer);
        let place = self.handshakes.begin(counted_by);
        tokio::select! {
            shaken = timeout_at(deadline, self.acceptor.accept(stream)) => match shaken {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => {
                    tracing::debug!(%error, peer = %connection.peer, "a TLS handshake failed");
                    Err(Lost::Failed)
                }
                Err(_) => Err(Lost::Late),
            },
            () = place.displaced.cancelled() => Err(Lost::Displaced),
            () = stopping.as_mut() => Err(Lost::Late),
        }
    }
}

/// Tells a client that uses plain HTTP where to go. It reads nothing, so the answer can be lost; it is a courtesy.
async fn refuse_plain(mut stream: TcpStream, public_url: &str, deadline: Instant) {
    let text = format!("This port answers HTTPS. Use {public_url}\n");
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let mut head = [0; 1024];
    // What is read is not lost with the connection.
    let _ = stream.try_read(&mut head);
    let answering = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    let _ = timeout_at(deadline, answering).await;
}

/// Makes the threads that this runs on wait for the bytes of a connection, which other threads did before.
fn move_here(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let (socket, _) = stream.get_mut();
    let here = StdStream::from(socket.as_fd().try_clone_to_owned()?);
    *socket = TcpStream::from_std(here)?;
    Ok(())
}
