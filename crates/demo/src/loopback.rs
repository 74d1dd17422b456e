//! A small HTTP client that connects only to loopback: one connection per request, nothing kept open afterwards.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Host, Url};

/// From connecting to the last byte. A demo responds in milliseconds; this is for a laptop that just woke up.
const DEADLINE: Duration = Duration::from_secs(20);
/// The largest response read: more than any step of the walkthrough needs.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Why a request got no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoopbackError {
    /// The URL leads to another machine, or is not `http`.
    #[error("{0} is not an http URL on this machine, and this client connects to no other machine")]
    NotLoopback(String),
    /// The request cannot be expressed in HTTP.
    #[error("the request to {0} could not be formed: {1}")]
    Request(String, String),
    /// Nothing listens there.
    #[error("nothing responds at {0}: {1}")]
    Connect(String, String),
    /// The connection broke, or the body was over 4 MiB.
    #[error("the response of {0} broke off: {1}")]
    Broken(String, String),
    /// Twenty seconds passed.
    #[error("{0} did not respond within 20 seconds")]
    Timeout(String),
}

/// Sends one request and reads the complete response. Redirects are responses like any other.
pub(crate) async fn send(
    method: Method,
    url: &Url,
    headers: &[(header::HeaderName, String)],
    body: impl Into<Bytes>,
) -> Result<Response<Bytes>, LoopbackError> {
    let authority = loopback_authority(url)?;
    let request = build(method, url, &authority, headers, body.into())
        .map_err(|error| LoopbackError::Request(authority.clone(), error.to_string()))?;
    tokio::time::timeout(DEADLINE, exchange(&authority, request))
        .await
        .unwrap_or(Err(LoopbackError::Timeout(authority)))
}

/// The `host:port` of a URL, if that is this machine.
fn loopback_authority(url: &Url) -> Result<String, LoopbackError> {
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() != "http" || !local {
        return Err(LoopbackError::NotLoopback(url.origin().ascii_serialization()));
    }
    let host = url.host_str().unwrap_or_default();
    Ok(format!("{host}:{}", url.port_or_known_default().unwrap_or(80)))
}

fn build(
    method: Method,
    url: &Url,
    authority: &str,
    headers: &[(header::HeaderName, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, authority)
        .header(header::CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(body))
}

// The only place in this crate that connects, after `loopback_authority` has checked that the address is this machine.
#[allow(clippy::disallowed_methods)]
async fn exchange(authority: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, LoopbackError> {
    let broken =
        |error: &dyn std::fmt::Display| LoopbackError::Broken(authority.to_owned(), error.to_string());
    let stream = TcpStream::connect(authority)
        .await
        .map_err(|error| LoopbackError::Connect(authority.to_owned(), error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    // The connection drives itself and ends when `sender` and the body are dropped.
    let driver = tokio::spawn(connection);
    let answer = async {
        let (parts, body) = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?
            .into_parts();
        let body = Limited::new(body, BODY_LIMIT)
            .collect()
            .await
            .map_err(|error| broken(&error))?
            .to_bytes();
        Ok(Response::from_parts(parts, body))
    }
    .await;
    driver.abort();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_reads_an_answer_from_loopback() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/hello?a=1", listener.local_addr().unwrap())).unwrap();
        let app = axum::Router::new().route(
            "/hello",
            axum::routing::post(|uri: http::Uri, body: String| async move { format!("{uri} {body}") }),
        );
        let server = tokio::spawn(axum::serve(listener, app).into_future());
        let answer = send(Method::POST, &url, &[], "body").await.unwrap();
        assert_eq!(answer.body(), "/hello?a=1 body");
        server.abort();
    }

    #[tokio::test]
    async fn it_connects_to_nothing_else() {
        for url in [
            "http://192.0.2.1/",
            "https://127.0.0.1/",
            "http://localhost.example.com/",
            "ftp://127.0.0.1/",
        ] {
            let answer = send(Method::GET, &Url::parse(url).unwrap(), &[], "").await;
            assert!(matches!(answer, Err(LoopbackError::NotLoopback(_))), "{url}");
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_explained() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        let error = send(Method::GET, &url, &[], "").await.unwrap_err();
        assert!(
            error.to_string().starts_with("nothing responds at 127.0.0.1:"),
            "{error}"
        );
    }
}
