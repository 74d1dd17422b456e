//! On which threads a connection is served. Reading requests and writing answers takes time too: that of a thousand refused
//! refreshes is that of as many calls. So a connection that does not begin with a call is served by the threads of
//! everything that is not a call, and those of calls only look at its first bytes.
//!
//! A connection of a reverse proxy carries the requests of all its clients, whatever came first, so it stays with calls, and so do
//! connections of HTTP/2, whose first request cannot be read from a few bytes.

use std::{net::IpAddr, str, sync::Arc};

use http::{Request, Response};
use tokio::{net::TcpStream, runtime::Handle, task::JoinError};
use tokio_util::task::AbortOnDropHandle;

use super::{Connection, unread::ReadToEnd};
use crate::front::{AsideThreads, Front, RecordedBody, is_for_gateway};

/// The beginning of a request that is looked at. Paths that many clients request are shorter.
const BEGINNING: usize = 256;
/// Documents that clients read before they call: they are answered from memory.
const METADATA: &str = "/.well-known/";

/// The threads of calls, and those of everything else.
#[derive(Clone)]
pub(super) struct Threads {
    pub(super) calls: Handle,
    pub(super) aside: Handle,
    /// Answers where it is called.
    front: Arc<Front>,
}

impl Threads {
    /// The threads that this runs on, for calls, and others; `None` if those have stopped.
    pub(super) fn here_and(aside: &AsideThreads, front: &Front) -> Option<Self> {
        Some(Self {
            calls: Handle::current(),
            aside: aside.handle()?,
            front: Arc::new(front.clone()),
        })
    }

    /// A connection as it is served aside.
    pub(super) fn aside(&self, connection: Connection) -> Connection {
        Connection {
            front: Arc::clone(&self.front),
            calls: Some(self.calls.clone()),
            threads: None,
            ..connection
        }
    }
}

/// Answers a request. A call that comes on a connection aside is answered by the threads of calls (`calls`): aside, it would wait
/// behind everything else.
pub(super) async fn answer(
    front: Arc<Front>,
    peer: IpAddr,
    calls: Option<Handle>,
    request: Request<ReadToEnd>,
) -> Result<Response<RecordedBody>, JoinError> {
    match calls {
        None => Ok(front.receive(peer, request).await),
        Some(calls) => {
            let answering = calls.spawn(async move { front.receive(peer, request).await });
            AbortOnDropHandle::new(answering).await
        }
    }
}

/// Waits for the first bytes of a connection, and leaves them there: whether its first request is one for the threads aside. `None` if
/// its peer left.
pub(super) async fn begins_aside(stream: &TcpStream) -> Option<bool> {
    let mut beginning = [0; BEGINNING];
    match stream.peek(&mut beginning).await {
        Ok(0) | Err(_) => None,
        Ok(length) => Some(is_aside(&beginning[..length])),
    }
}

/// Whether a request that begins like this is one for the threads aside.
pub(super) fn is_aside(beginning: &[u8]) -> bool {
    let beginning = &beginning[..beginning.len().min(BEGINNING)];
    path(beginning).is_some_and(|path| !is_for_calls(path))
}

fn is_for_calls(path: &str) -> bool {
    is_for_gateway(path) || path.starts_with(METADATA)
}

/// The path of a request that begins like this (RFC 9112 section 3), if all of it is there.
fn path(beginning: &[u8]) -> Option<&str> {
    let target = beginning.splitn(2, |byte| *byte == b' ').nth(1)?;
    let end = target.iter().position(|byte| matches!(byte, b' ' | b'?'))?;
    // The preface of HTTP/2 has `*`, and a request to a proxy has a whole URL.
    str::from_utf8(&target[..end])
        .ok()
        .filter(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_call_begins_aside_and_what_is_not_known_does_not() {
        let is_aside = |text: &str| is_aside(text.as_bytes());
        for aside in [
            "POST /mcp/team/oauth2/token HTTP/1.1\r\n",
            "GET /mcp/team/oauth2/authorize?client_id=cli",
            "GET /oauth2/intermediate_callback?",
            "GET / HTTP/1.1\r\n",
            "GET /mcp/ HTTP/1.1\r\n",
        ] {
            assert!(is_aside(aside), "{aside}");
        }
        for call in [
            "POST /mcp/team HTTP/1.1\r\n",
            "GET /mcp/team/ HTTP/1.1\r\n",
            "DELETE /mcp/team?x HTTP/1.1",
            "GET /.well-known/oauth-protected-resource/mcp/team HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET http://gateway.example/projects HTTP/1.1\r\n",
            "POST /mcp/team/oauth2/tok",
            "GET",
            "\u{16}\u{3}\u{1}",
            "",
        ] {
            assert!(!is_aside(call), "{call}");
        }
    }
}
