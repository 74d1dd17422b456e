//! Closing the listener so that no request is lost. What has connected is served; what has not is refused before it
//! could send anything, so that a proxy sends the request elsewhere.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// How long connections that a client has begun to make may take to be there. Longer than the way to a proxy and back;
/// not much longer, because a connection that begins in this time waits for a second, until its system tries again.
pub(super) const LAST_HANDSHAKES: Duration = Duration::from_millis(50);

/// Lets no further connection begin. When a listener closes, the system resets connections that are half made or not yet
/// accepted, and a proxy that has sent a request on one may not send it again. So new ones are ignored first: their
/// systems try again after a second, and then they are refused. Where a system cannot do this, nothing changes.
pub(super) fn ignore_new(listener: &TcpListener) {
    if let Err(error) = attach(&SockRef::from(listener)) {
        tracing::debug!(%error, "connections that begin now may be reset");
    }
}

/// A filter that drops segments with SYN and without ACK, the first of each connection.
#[cfg(target_os = "linux")]
fn attach(listener: &SockRef<'_>) -> io::Result<()> {
    use socket2::SockFilter;
    // Instructions of the classic packet filter, whose data is the segment.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    listener.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn attach(_listener: &SockRef<'_>) -> io::Result<()> {
    Ok(())
}

/// Closes the listener, after it has accepted the connections in its queue: their clients may have sent a request. One
/// that cannot be accepted is lost alone; those that are open continue.
pub(super) fn accept_the_last(
    listener: TcpListener,
    slots: &Arc<Semaphore>,
    begin: impl Fn(TcpStream, IpAddr, OwnedSemaphorePermit),
) -> io::Result<()> {
    let listener = listener.into_std()?;
    while let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
        match listener.accept() {
            Ok((stream, peer)) => match taken(stream) {
                Ok(stream) => begin(stream, peer.ip(), slot),
                Err(error) => tracing::warn!(%error, "a last connection cannot be taken"),
            },
            Err(error) if super::is_of_one_connection(&error) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

fn taken(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}
