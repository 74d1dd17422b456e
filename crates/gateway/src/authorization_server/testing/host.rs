//! A host that describes a client, over TLS on loopback with its own authority.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, extract::State, response::IntoResponse as _, routing::get};
use gatewright_oauth::metadata_document::MetadataDocument;
use http::{HeaderName, StatusCode};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::world::{REDIRECT, World};

type Reply = (StatusCode, Vec<(HeaderName, &'static str)>, String);

/// What the host of a document answers now, and how often it was asked.
#[derive(Debug)]
pub struct Host {
    pub address: SocketAddr,
    answer: Mutex<Reply>,
    asked: AtomicUsize,
    keys: Mutex<Reply>,
    asked_for_keys: AtomicUsize,
    certificate: tempfile::NamedTempFile,
}

impl Host {
    pub async fn start() -> Arc<Self> {
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
            keys: Mutex::new((StatusCode::NOT_FOUND, Vec::new(), String::new())),
            asked_for_keys: AtomicUsize::new(0),
            certificate: file,
        });
        let router = Router::new()
            .route("/jwks", get(keys))
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

    pub fn url(&self) -> String {
        format!("https://localhost:{}/oauth/client.json", self.address.port())
    }

    /// Where this host has the keys of its client.
    pub fn keys_url(&self) -> String {
        format!("https://localhost:{}/jwks", self.address.port())
    }

    pub fn answers_keys(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.keys.lock().unwrap() = (status, Vec::new(), body.to_owned());
    }

    pub fn asked_for_keys(&self) -> usize {
        self.asked_for_keys.load(Ordering::SeqCst)
    }

    pub fn document(&self) -> Value {
        json!({"client_id": self.url(), "client_name": "Described", "redirect_uris": [REDIRECT, "http://localhost/cb"]})
    }

    pub fn answers(&self, status: u16, headers: &[(HeaderName, &'static str)], body: &str) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.answer.lock().unwrap() = (status, headers.to_vec(), body.to_owned());
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// An instance that may reach this host although it is on loopback, and knows its authority.
    pub async fn world(&self) -> World {
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

async fn keys(State(host): State<Arc<Host>>) -> axum::response::Response {
    host.asked_for_keys.fetch_add(1, Ordering::SeqCst);
    let (status, _, body) = host.keys.lock().unwrap().clone();
    (status, body).into_response()
}

/// Puts a document where a fetch would put it.
pub async fn publish(world: &World, document: &Value) {
    let url = url::Url::parse(document["client_id"].as_str().unwrap()).unwrap();
    let document = MetadataDocument::parse(&url, document.to_string().as_bytes()).unwrap();
    let documents = &world.app.authorization_server.documents;
    documents.keep(&world.app.authorization_server, document).await;
}
