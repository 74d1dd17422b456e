//! The beginning of a stream: its first event names the address for messages.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, CONTENT_TYPE},
    uri::PathAndQuery,
};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use super::{OverHttpSse, conversation};
use crate::{
    peer::{
        caller::Caller,
        net::Net,
        transport::{Transport, TransportError},
        upstream::Upstream,
    },
    wire::{
        media_type::{MediaType, media_type},
        sse::Decoder,
    },
};

/// How long the first event is waited for at most.
const DEADLINE: Duration = Duration::from_secs(10);
/// The same while the transport of a server is being determined.
const PROBE_DEADLINE: Duration = Duration::from_secs(3);
/// Bytes of an address at most.
const ADDRESS_MAX: usize = 8 * 1024;

/// A stream that has named its address.
pub(super) struct Opened<B> {
    pub(super) address: Uri,
    pub(super) body: B,
    pub(super) decoder: Decoder,
}

/// Opens the stream that a first message wants; `request` is that message, whose headers the stream gets too. A server that
/// opens none is recognised by the status that means it.
pub(super) async fn open<T: Transport>(
    transport: &T,
    request: &Request<Bytes>,
    head_deadline: Duration,
) -> Result<Result<Opened<T::Body>, StatusCode>, TransportError> {
    let until = Instant::now() + head_deadline.min(DEADLINE);
    let mut opening = Request::new(Bytes::new());
    *opening.method_mut() = Method::GET;
    *opening.uri_mut() = request.uri().clone();
    *opening.headers_mut() = request.headers().clone();
    opening.headers_mut().remove(CONTENT_TYPE);
    opening
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let answer = transport.send(opening, head_deadline.min(DEADLINE)).await?;
    if !answer.status().is_success() {
        return Ok(Err(answer.status()));
    }
    if media_type(answer.headers()) != MediaType::EventStream {
        return Ok(Err(StatusCode::NOT_ACCEPTABLE));
    }
    let mut body = answer.into_body();
    let mut decoder = conversation::decoder();
    match timeout_at(until, first_event(&mut body, &mut decoder)).await {
        Ok(Some(named)) => match address(request.uri(), &named) {
            Some(address) => Ok(Ok(Opened {
                address,
                body,
                decoder,
            })),
            None => Err(TransportError::Lost(
                "the address for messages that the server names is not one of its own origin".to_owned(),
            )),
        },
        Ok(None) => Err(TransportError::Lost(
            "the stream of the server does not begin with the event `endpoint`".to_owned(),
        )),
        Err(_) => Err(TransportError::Timeout(
            "the stream of the server did not begin in time".to_owned(),
        )),
    }
}

/// The data of the first event, if that is `endpoint`.
async fn first_event<B>(body: &mut B, decoder: &mut Decoder) -> Option<Bytes>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    loop {
        while let Some(event) = decoder.next_event().ok()? {
            if event.event.is_some() || !event.data.is_empty() {
                return (event.event.as_deref() == Some(b"endpoint")).then_some(event.data);
            }
        }
        let data = body.frame().await?.ok()?.into_data().unwrap_or_default();
        decoder.push(data);
    }
}

/// The address that a server names, a URI reference, at its own origin: a server must not make the gateway send
/// its users' messages and credentials elsewhere.
fn address(stream: &Uri, named: &[u8]) -> Option<Uri> {
    let named = std::str::from_utf8(named).ok()?.trim();
    if named.is_empty() || named.len() > ADDRESS_MAX {
        return None;
    }
    let (scheme, authority) = (stream.scheme()?, stream.authority()?);
    let uri = if named.starts_with("//") {
        format!("{scheme}:{named}").parse().ok()?
    } else if named.starts_with('/') {
        resolved(stream, named)?
    } else if named.starts_with('?') {
        resolved(stream, &format!("{}{named}", stream.path()))?
    } else {
        match named.parse::<Uri>() {
            Ok(uri) if uri.scheme().is_some() => uri,
            // Relative to the folder of the stream (RFC 3986 section 5.2.3).
            _ => {
                let folder = stream.path().rsplit_once('/').map_or("", |(folder, _)| folder);
                resolved(stream, &without_dots(&format!("{folder}/{named}")))?
            }
        }
    };
    let is_own = uri.scheme() == Some(scheme)
        && uri.authority().is_some_and(|named| {
            let default = if scheme.as_str() == "https" { 443 } else { 80 };
            named.host().eq_ignore_ascii_case(authority.host())
                && named.port_u16().unwrap_or(default) == authority.port_u16().unwrap_or(default)
                && !named.as_str().contains('@')
        });
    is_own.then_some(uri)
}

/// A path, with its query, without the segments `.` and `..` (RFC 3986 section 5.2.4).
fn without_dots(path_and_query: &str) -> String {
    let (path, rest) = match path_and_query.find(['?', '#']) {
        Some(end) => path_and_query.split_at(end),
        None => (path_and_query, ""),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("/{}{rest}", segments.join("/"))
}

fn resolved(stream: &Uri, path_and_query: &str) -> Option<Uri> {
    let path_and_query: PathAndQuery = path_and_query.split('#').next()?.parse().ok()?;
    let mut parts = stream.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).ok()
}

/// Whether a server that refused both eras answers GET with a stream whose first event is `endpoint`
/// (2026-07-28 basic/transports/streamable-http, "HTTP+SSE Transport").
pub(in crate::peer) async fn speaks_http_sse<T: Transport>(
    net: &Net<T>,
    upstream: &Upstream,
    caller: Caller<'_>,
) -> bool {
    let deadline = PROBE_DEADLINE.min(upstream.config.timeout);
    let looking = async {
        let mut request = upstream.request(Method::GET, caller, Bytes::new()).await.ok()?;
        // This asks the server itself: nothing is made to look like anything else yet.
        request.extensions_mut().remove::<OverHttpSse>();
        let map = request.headers_mut();
        map.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        map.remove(CONTENT_TYPE);
        let answer = net.transport.send(request, deadline).await.ok()?;
        if !answer.status().is_success() || media_type(answer.headers()) != MediaType::EventStream {
            return None;
        }
        let mut decoder = Decoder::new(ADDRESS_MAX);
        first_event(&mut answer.into_body(), &mut decoder).await
    };
    matches!(tokio::time::timeout(deadline, looking).await, Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_resolved_at_the_origin_of_the_stream_and_nowhere_else() {
        let stream: Uri = "https://mcp.example:8443/a/sse?key=1".parse().unwrap();
        for (named, expected) in [
            (
                "/messages?session=1",
                "https://mcp.example:8443/messages?session=1",
            ),
            ("messages/2", "https://mcp.example:8443/a/messages/2"),
            ("./messages/../m?at=../x", "https://mcp.example:8443/a/m?at=../x"),
            ("../../m", "https://mcp.example:8443/m"),
            ("?session=3", "https://mcp.example:8443/a/sse?session=3"),
            ("https://MCP.example:8443/m", "https://MCP.example:8443/m"),
            ("//mcp.example:8443/m", "https://mcp.example:8443/m"),
            (" /m \n", "https://mcp.example:8443/m"),
            ("/m#fragment", "https://mcp.example:8443/m"),
        ] {
            let found = address(&stream, named.as_bytes());
            assert_eq!(
                found.map(|uri| uri.to_string()).as_deref(),
                Some(expected),
                "{named}"
            );
        }
        for named in [
            "",
            "http://mcp.example:8443/m",
            "https://mcp.example/m",
            "https://other.example:8443/m",
            "//other.example/m",
            "https://user@mcp.example:8443/m",
            "https://mcp.example:8443@other.example/m",
            "ftp://mcp.example:8443/m",
            "/with space",
            "\u{0}",
        ] {
            assert_eq!(address(&stream, named.as_bytes()), None, "{named}");
        }
        let plain: Uri = "http://mcp.example/sse".parse().unwrap();
        assert!(address(&plain, b"http://mcp.example:80/m").is_some());
    }
}
