//! Client ID Metadata Documents, fetched for real: over TLS on loopback, with an authority of our own.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, response::IntoResponse as _, routing::get};
use gatewright_domain::gateway::TrustedClient;
use http::{HeaderName, StatusCode, header::CACHE_CONTROL};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::world::{REDIRECT, World, authorize, code_form};

type Reply = (StatusCode, Vec<(HeaderName, &'static str)>, String);

/// What the host of a document answers now, and how often it was asked.
#[derive(Debug)]
struct Host {
    address: SocketAddr,
    answer: Mutex<Reply>,
    asked: AtomicUsize,
    certificate: tempfile::NamedTempFile,
}

impl Host {
    async fn start() -> Arc<Self> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            answer: Mutex::new((StatusCode::OK, Vec::new(), String::new())),
            asked: AtomicUsize::new(0),
            certificate: file,
        });
        let router = Router::new()
            .route("/{*path}", get(answer))
            .with_state(host.clone());
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let connection = auto::Builder::new(TokioExecutor::new());
                        let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                    }
                });
            }
        });
        host
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/oauth/client.json", self.address.port())
    }

    fn document(&self) -> Value {
        json!({"client_id": self.url(), "client_name": "Described", "redirect_uris": [REDIRECT, "http://localhost/cb"]})
    }

    fn answers(&self, status: u16, headers: &[(HeaderName, &'static str)], body: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.answer.lock().unwrap() = (status, headers.to_vec(), body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// An instance that may reach this host although it is on loopback, and knows its authority.
    async fn world(&self) -> World {
        World::with(|config| {
            config.outbound.allow = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
            config.outbound.extra_ca = vec![self.certificate.path().to_owned()];
        })
        .await
    }
}

async fn answer(State(host): State<Arc<Host>>) -> axum::response::Response {
    host.asked.fetch_add(1, Ordering::SeqCst);
    let (status, headers, body) = host.answer.lock().unwrap().clone();
    let headers: http::HeaderMap = headers
        .into_iter()
        .map(|(name, value)| (name, http::HeaderValue::from_static(value)))
        .collect();
    (status, headers, body).into_response()
}

#[tokio::test]
async fn a_described_client_signs_in_without_registering() {
    let host = Host::start().await;
    host.answers(200, &[], &host.document().to_string());
    let world = host.world().await;
    let page = world.get(&authorize(&host.url(), &[])).await;
    assert!(page.is_page(200), "{page:?}");
    assert!(
        page.body.contains("Described") && page.body.contains("Published by localhost"),
        "{}",
        page.body
    );
    let local = [("redirect_uri", "http://localhost:51234/cb")];
    assert!(world.get(&authorize(&host.url(), &local)).await.is_page(200));
    let elsewhere = [("redirect_uri", "https://evil.example/cb")];
    assert!(world.get(&authorize(&host.url(), &elsewhere)).await.is_page(400));
    let code = world.code(&host.url()).await;
    let tokens = world
        .post("/mcp/acme/oauth2/token", &code_form(&host.url(), &code))
        .await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
    let json = tokens.json();
    let token = json["access_token"].as_str().unwrap();
    let claims = world
        .app
        .signing
        .verify_access_token(token, world.app.now())
        .unwrap();
    assert_eq!(claims.client_id, host.url());
    assert_eq!(
        world
            .refresh(&host.url(), json["refresh_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_document_is_kept_as_long_as_it_says_and_fetched_once_by_many() {
    let host = Host::start().await;
    host.answers(
        200,
        &[(CACHE_CONTROL, "max-age=60")],
        &host.document().to_string(),
    );
    let world = host.world().await;
    let path = authorize(&host.url(), &[]);
    let many = futures_util::future::join_all((0..10).map(|_| world.get(&path))).await;
    assert!(many.iter().all(|page| page.is_page(200)));
    assert_eq!(host.asked(), 1);
    world.advance(Duration::from_secs(59)).await;
    assert!(world.get(&path).await.is_page(200));
    assert_eq!(host.asked(), 1);
    world.advance(Duration::from_secs(1)).await;
    host.answers(200, &[(CACHE_CONTROL, "no-store")], &host.document().to_string());
    assert!(world.get(&path).await.is_page(200));
    assert!(world.get(&path).await.is_page(200));
    assert_eq!(host.asked(), 3);
}

#[tokio::test]
async fn documents_that_are_not_right_are_refused_and_the_failure_is_not_kept() {
    let host = Host::start().await;
    let world = host.world().await;
    let path = authorize(&host.url(), &[]);
    let with = |name: &str, value: Value| {
        let mut document = host.document();
        document[name] = value;
        document.to_string()
    };
    for (status, body) in [
        (404, host.document().to_string()),
        (301, host.document().to_string()),
        (200, "<html>".to_owned()),
        (200, with("client_id", json!("https://localhost/other"))),
        (200, with("client_secret", json!("hush"))),
        (200, with("redirect_uris", json!(["javascript:alert(1)"]))),
        (
            200,
            with("token_endpoint_auth_method", json!("client_secret_post")),
        ),
        (200, with("padding", json!("x".repeat(70_000)))),
    ] {
        host.answers(status, &[(CACHE_CONTROL, "max-age=600")], &body);
        let before = host.asked();
        let page = world.get(&path).await;
        assert!(page.is_page(400), "{status} {body:.60}: {page:?}");
        assert!(!page.body.contains("hush") && !page.body.contains("alert"));
        assert_eq!(host.asked(), before + 1);
        host.answers(200, &[(CACHE_CONTROL, "no-store")], &host.document().to_string());
        assert!(world.get(&path).await.is_page(200), "{status} {body:.60}");
    }
}

#[tokio::test]
async fn the_last_good_document_serves_while_its_host_is_away_and_no_longer_than_a_day() {
    let host = Host::start().await;
    let world = host.world().await;
    let path = authorize(&host.url(), &[]);
    let good = || {
        host.answers(
            200,
            &[(CACHE_CONTROL, "max-age=60")],
            &host.document().to_string(),
        );
    };
    good();
    assert!(world.get(&path).await.is_page(200));
    host.answers(503, &[], "");
    for hours in [1, 22] {
        world.advance(Duration::from_hours(hours)).await;
        let asked = host.asked();
        assert!(world.get(&path).await.is_page(200), "{hours}");
        assert_eq!(host.asked(), asked + 1);
    }
    world.advance(Duration::from_hours(1)).await;
    assert!(world.get(&path).await.is_page(400));
    // What its host has taken back is gone at once, and for good.
    good();
    assert!(world.get(&path).await.is_page(200));
    world.advance(Duration::from_mins(1)).await;
    for status in [404, 503] {
        host.answers(status, &[], "");
        assert!(world.get(&path).await.is_page(400), "{status}");
    }
}

#[tokio::test]
async fn strangers_cannot_use_up_the_fetches_of_a_listed_client() {
    let host = Host::start().await;
    host.answers(200, &[], &host.document().to_string());
    let world = host.world().await;
    for number in 0..40 {
        let other = format!("https://localhost:{}/{number}.json", host.address.port());
        assert!(world.get(&authorize(&other, &[])).await.is_page(400));
    }
    let path = authorize(&host.url(), &[]);
    let asked = host.asked();
    assert!(world.get(&path).await.is_page(400), "the host is used up");
    assert_eq!(host.asked(), asked);
    world
        .add_gateway("listing", |gateway| {
            gateway.trusted_clients = vec![TrustedClient {
                url: host.url(),
                allow_loopback: false,
            }];
        })
        .await;
    assert!(world.get(&path).await.is_page(200));
    assert_eq!(host.asked(), asked + 1);
}
