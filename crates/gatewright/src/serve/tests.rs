//! The listener against clients that behave and clients that do not.
#![expect(clippy::disallowed_methods, reason = "here the test is the client")]

use std::{net::SocketAddr, sync::Mutex};

use axum::{Extension, Router, routing::get};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    task::JoinHandle,
};
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt as _};

use super::*;
use gatewright_admin::testing::TestAdmin;
use gatewright_core::testing::keep_log_events;

use crate::{
    config::{Config, LogFormat},
    front::RouteLayer,
    request::RequestContext,
    telemetry::lines,
};

mod deadlines;
mod hosts;
mod metrics;
mod placing;
mod stopping;
mod tls;
mod unread;

/// A running server.
struct Server {
    test: TestAdmin,
    address: SocketAddr,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    async fn start() -> Self {
        Self::with(|_| {}, None).await
    }

    async fn with(change: impl FnOnce(&mut Config), router: Option<Router>) -> Self {
        let test = TestAdmin::with(change).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Arc::clone(&test.app);
        let front = match router {
            Some(router) => Front::new(app.gateways(), router.layer(RouteLayer)),
            None => gatewright_dashboard::front(&app),
        };
        let running = tokio::spawn(run_behind(front, app, listener, None));
        Self {
            test,
            address,
            running,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One request on its own connection; everything until the server closes.
    async fn say(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn get(&self, path: &str) -> String {
        self.say(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ))
        .await
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.test.app.shutdown.cancel();
        self.running.await.unwrap()
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is how some refusals end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// Reads one answer with an empty or short body and leaves the connection open.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(end) {
        answer.push(char::from(stream.read_u8().await.unwrap()));
    }
    answer
}

#[tokio::test]
async fn it_answers_http_1_and_2_with_headers_that_hold_for_all() {
    let server = Server::start().await;
    for (path, status) in [
        ("/healthz", "200 OK"),
        ("/readyz", "200 OK"),
        ("/nothing", "404 Not Found"),
    ] {
        let answer = server.get(path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{answer}");
        assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
    }
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://x/healthz")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "{\"status\":\"ok\"}"
    );
    drop(sender);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn it_is_not_ready_while_the_directory_is_stale_or_it_stops() {
    let test = TestAdmin::new().await;
    let front = gatewright_dashboard::front(&test.app);
    let ready = async || {
        let request = Request::get("/readyz").body(Empty::<Bytes>::new()).unwrap();
        front.answer([127, 0, 0, 1].into(), request).await.status()
    };
    assert_eq!(ready().await, StatusCode::OK);
    test.clock.advance(Duration::from_secs(6));
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
    test.app.refresh_directory().await.unwrap();
    assert_eq!(ready().await, StatusCode::OK);
    test.app.shutdown.cancel();
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_others_are_served() {
    let server = Server::start().await;
    let fine = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n",
        "a".repeat(30_000)
    );
    assert!(server.say(&fine).await.starts_with("HTTP/1.1 200"));
    let large = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "a".repeat(10_000_000)
    );
    let mut stream = server.connect().await;
    // The server stops reading, so the writing ends early too.
    let _ = stream.write_all(large.as_bytes()).await;
    assert!(!read_to_end(&mut stream).await.contains("200 OK"));
    assert!(server.get("/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_panic_is_a_problem_with_the_request_id_and_others_are_served() {
    async fn broken() {
        panic!("a bug with a canary");
    }
    let router = Router::new()
        .route("/broken", get(broken))
        .route("/fine", get(async || "fine"));
    let server = Server::with(|_| {}, Some(router)).await;
    let answer = server.get("/broken").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(
        answer.contains("application/problem+json")
            && answer.contains("urn:gatewright:problem:internal")
            && answer.contains("\"instance\""),
        "{answer}"
    );
    assert!(!answer.contains("canary"), "{answer}");
    assert!(server.get("/fine").await.starts_with("HTTP/1.1 200"));
}

fn waiting() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inner_entered, inner_release) = (Arc::clone(&entered), Arc::clone(&release));
    let wait = async move || {
        inner_entered.notify_one();
        inner_release.notified().await;
        "done"
    };
    (Router::new().route("/wait", get(wait)), entered, release)
}

#[tokio::test]
async fn a_stop_lets_running_requests_end_and_takes_no_new_connections() {
    let (router, entered, release) = waiting();
    let server = Server::with(|_| {}, Some(router)).await;
    let mut running = server.connect().await;
    running
        .write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;
    let mut idle = server.connect().await;
    let address = server.address;
    let stopped = tokio::spawn(server.stop());
    // The idle connection is closed, which also shows that the stop began.
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!stopped.is_finished());
    release.notify_one();
    assert!(read_to_end(&mut running).await.ends_with("done"));
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn while_it_drains_readiness_says_so_and_connections_are_still_served() {
    let server = Server::with(|config| config.server.drain_seconds = 3_600, None).await;
    assert!(server.get("/readyz").await.starts_with("HTTP/1.1 200"));
    let app = Arc::clone(&server.test.app);
    let draining = tokio::spawn(async move { signals::drain(&app).await });
    server.test.app.stopping.cancelled().await;
    let told = server.get("/readyz").await;
    assert!(
        told.starts_with("HTTP/1.1 503") && told.contains("\"stopping\""),
        "{told}"
    );
    assert!(server.get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(!draining.is_finished() && !server.test.app.shutdown.is_cancelled());
    draining.abort();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_drain_it_is_over_at_once() {
    let server = Server::with(|config| config.server.drain_seconds = 0, None).await;
    signals::drain(&server.test.app).await;
    assert!(server.test.app.stopping.is_cancelled());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_when_the_grace_is_over() {
    let (router, entered, _release) = waiting();
    let server = Server::with(|config| config.server.shutdown_grace_seconds = 0, Some(router)).await;
    let mut running = server.connect().await;
    running
        .write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn no_more_connections_than_configured_are_served_at_once() {
    let (router, entered, release) = waiting();
    let server = Server::with(|config| config.server.max_connections = 1, Some(router)).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    let request = b"GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    first.write_all(request).await.unwrap();
    second.write_all(request).await.unwrap();
    entered.notified().await;
    assert_eq!(server.test.app.telemetry.connections.get(), 1);
    release.notify_one();
    assert!(read_to_end(&mut first).await.ends_with("done"));
    entered.notified().await;
    release.notify_one();
    assert!(read_to_end(&mut second).await.ends_with("done"));
}

/// Log lines of one thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_reported_once() {
    let warnings = async |url: &str, proxies: &[&str]| {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone());
        keep_log_events();
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let change = |config: &mut Config| {
            config.server.public_url = url.to_owned();
            config.server.trusted_proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        };
        let router = Router::new().route("/", get(async || StatusCode::NO_CONTENT));
        let server = Server::with(change, Some(router)).await;
        // With a whole URL, a connection stays on the threads of the test, whose log is read.
        let plain = "GET http://x/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let forwarded =
            "GET http://x/ HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.9\r\nconnection: close\r\n\r\n";
        for request in [plain, forwarded, forwarded] {
            assert!(server.say(request).await.starts_with("HTTP/1.1 204"));
        }
        server.stop().await.unwrap();
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.matches("server.trusted_proxies").count()
    };
    assert_eq!(warnings("https://gateway.example.com", &[]).await, 1);
    assert_eq!(warnings("https://gateway.example.com", &["127.0.0.0/8"]).await, 0);
    assert_eq!(warnings("http://127.0.0.1:8080", &[]).await, 0);
}

#[tokio::test]
async fn each_request_has_one_line_without_its_query() {
    let lines = Lines::default();
    let layer = lines::layer(LogFormat::Json, false, lines.clone());
    keep_log_events();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let note = async |Extension(context): Extension<RequestContext>| {
        context.record().set_client("client-1");
        StatusCode::NO_CONTENT
    };
    let router = Router::new().route("/things/{id}", get(note));
    let server = Server::with(|_| {}, Some(router)).await;
    // With a whole URL, the connection stays on the threads of the test, whose log is read.
    let request = "GET http://x/things/canary-path?token=canary-query HTTP/1.1\r\nhost: x\r\nauthorization: Bearer canary-token\r\n\
                   cookie: canary-cookie\r\nconnection: close\r\n\r\n";
    assert!(server.say(request).await.starts_with("HTTP/1.1 204"));
    server.stop().await.unwrap();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let line = text
        .lines()
        .find(|line| line.contains("gatewright::request"))
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["route"], "/things/{id}");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["status"], 204);
    assert_eq!(line["client"], "client-1");
    assert_eq!(line["request_id"].as_str().unwrap().len(), 16);
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(text.matches("gatewright::request").count(), 1);
}
