//! The second address (`tls.http_listen`), which answers plain HTTP: it redirects to the public URL, and answers HTTP-01 challenges
//! (RFC 8555 section 8.3). A connection has one request and a few seconds.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_admin::Admin;
use gatewright_core::descriptors::REDIRECTS;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{ACCEPT_PAUSE, is_of_one_connection, is_of_proxy, newcomers::Newcomers};

/// From the connection to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long connections that are open have when the process stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The largest head of a request.
const BUFFER: usize = 16 * 1024;
/// Connections of one network.
const OF_NETWORK: usize = 32;
/// Where challenges are (RFC 8555 section 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Serves until `app.shutdown` is cancelled.
pub(super) async fn serve(app: Arc<Admin>, listener: TcpListener, connections: TaskTracker) {
    let newcomers = Arc::new(Newcomers::new(REDIRECTS, OF_NETWORK));
    let accepting = async {
        let mut failing = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    failing = false;
                    let (app, newcomers) = (Arc::clone(&app), Arc::clone(&newcomers));
                    connections.spawn(connection(app, stream, peer.ip(), newcomers));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "no connection can be accepted at tls.http_listen");
                    }
                    failing = true;
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    app.shutdown.run_until_cancelled(accepting).await;
}

async fn connection(app: Arc<Admin>, stream: TcpStream, peer: IpAddr, newcomers: Arc<Newcomers>) {
    let place = newcomers.begin((!is_of_proxy(&app, peer)).then_some(peer));
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&app, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let stopped = async {
        app.shutdown.cancelled().await;
        sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        _ = timeout(DEADLINE, serving) => {}
        () = stopped => {}
        () = place.displaced.cancelled() => {}
    }
}

fn answer<B>(app: &Admin, request: &Request<B>) -> Response<Full<Bytes>> {
    let uri = request.uri();
    if let Some(token) = uri.path().strip_prefix(CHALLENGES)
        && matches!(*request.method(), Method::GET | Method::HEAD)
        && let Some(proof) = app.tls.key_authorization(token)
    {
        return text(StatusCode::OK, proof);
    }
    // The host is that of the configuration, never that of the request: no one is sent elsewhere.
    let path = uri.path_and_query().map_or("/", |whole| whole.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let location = format!("{}{path}", app.config.public_url());
    let Ok(location_value) = HeaderValue::try_from(&location) else {
        return text(
            StatusCode::BAD_REQUEST,
            "The address cannot be redirected.\n".to_owned(),
        );
    };
    let mut answer = text(
        StatusCode::PERMANENT_REDIRECT,
        format!("This is at {}\n", app.config.public_url()),
    );
    answer.headers_mut().insert(header::LOCATION, location_value);
    answer
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "here the test is the client")]
mod tests {
    use gatewright_admin::testing::TestAdmin;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn connections_end_soon_after_the_process_stops() {
        let test = TestAdmin::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // It is silent until the end.
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        tokio::time::pause();
        let begin = Instant::now();
        test.app.shutdown.cancel();
        let newcomers = Arc::new(Newcomers::new(1, 1));
        connection(Arc::clone(&test.app), stream, peer.ip(), newcomers).await;
        let taken = begin.elapsed();
        assert!(taken >= LAST_ANSWERS && taken < DEADLINE, "{taken:?}");
    }

    #[tokio::test]
    async fn a_proxy_is_trusted_at_a_listener_for_both_kinds_of_addresses() {
        let test = TestAdmin::with(|config| {
            config.server.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
        })
        .await;
        for (peer, is_proxy) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("::ffff:198.51.100.1", false),
        ] {
            assert_eq!(is_of_proxy(&test.app, peer.parse().unwrap()), is_proxy, "{peer}");
        }
    }

    #[tokio::test]
    async fn everything_is_redirected_to_the_public_url_whatever_host_was_asked() {
        let test =
            TestAdmin::with(|config| config.server.public_url = "https://gw.example.com".to_owned()).await;
        for (target, location) in [
            ("/", "https://gw.example.com/"),
            ("/mcp/team?a=b&c", "https://gw.example.com/mcp/team?a=b&c"),
            ("//evil.example/x", "https://gw.example.com//evil.example/x"),
            ("http://evil.example/x", "https://gw.example.com/x"),
            ("*", "https://gw.example.com/"),
            (
                "/.well-known/acme-challenge/unknown",
                "https://gw.example.com/.well-known/acme-challenge/unknown",
            ),
        ] {
            for method in [Method::GET, Method::POST] {
                let request = Request::builder()
                    .method(method)
                    .uri(target)
                    .header("host", "evil.example");
                let answer = answer(&test.app, &request.body(()).unwrap());
                assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
                assert_eq!(answer.headers()[header::LOCATION], location);
            }
        }
    }
}
