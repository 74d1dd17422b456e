//! TLS, and URLs that strangers chose.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// A certificate authority in a file, and a listener's side of TLS with a certificate of it for `name`.
fn tls(folder: &Path, name: &str) -> (PathBuf, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let path = folder.join("ca.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (path, TlsAcceptor::from(Arc::new(server)))
}

#[tokio::test]
async fn a_stranger_is_fetched_over_tls_from_allowed_addresses_only() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, acceptor) = tls(folder.path(), "client.example");
    let answer = Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let peer = Peer::start("127.0.0.1", answer, Some(acceptor)).await;
    let url = peer.url("https", "client.example");
    let resolver = Scripted::new(&[&["127.0.0.1"]]);

    let mut on_premises = config("https://gateway.example", &["127.0.0.0/8"]);
    on_premises.outbound.extra_ca = vec![authority.clone()];
    let fetch = resolving(&on_premises, &resolver);
    assert_eq!(
        get(&fetch, Policy::Stranger, &url, LIMITS).await.unwrap().body(),
        "hello"
    );
    let plain = get(
        &fetch,
        Policy::Stranger,
        &peer.url("http", "client.example"),
        LIMITS,
    )
    .await
    .unwrap_err();
    assert!(matches!(plain, FetchError::Refused(_)));
    // The operator's requests have their own connections.
    assert!(get(&fetch, Policy::Operator, &url, LIMITS).await.is_ok());
    assert_eq!(peer.connections(), 2);

    let mut usual = config("http://127.0.0.1:8080", &[]);
    usual.outbound.extra_ca = vec![authority];
    let fetch = resolving(&usual, &resolver);
    let refused = get(&fetch, Policy::Stranger, &url, LIMITS).await.unwrap_err();
    assert_eq!(
        refused,
        FetchError::Refused("client.example is not on the public internet".into())
    );
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn certificates_are_checked_and_the_reason_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, acceptor) = tls(folder.path(), "client.example");
    let answer = Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let peer = Peer::start("127.0.0.1", answer, Some(acceptor)).await;
    let plain = Peer::on(
        "127.0.0.1",
        Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    )
    .await;
    let resolver = Scripted::new(&[&["127.0.0.1"]]);
    let strict = resolving(&config("http://127.0.0.1", &[]), &resolver);
    let mut trusting = config("http://127.0.0.1", &[]);
    trusting.outbound.extra_ca = vec![authority];
    let trusting = resolving(&trusting, &resolver);
    for (fetch, url, reason) in [
        (&strict, peer.url("https", "client.example"), "outbound.extra_ca"),
        (
            &trusting,
            peer.url("https", "other.example"),
            "for another host name",
        ),
    ] {
        let error = get(fetch, Policy::Operator, &url, LIMITS)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{error}");
        assert!(
            !error.contains("client.example") || url.contains("client.example"),
            "{error}"
        );
    }
    assert_eq!(peer.requests.lock().unwrap().len(), 0);
    assert!(
        get(
            &trusting,
            Policy::Operator,
            &peer.url("https", "client.example"),
            LIMITS
        )
        .await
        .is_ok()
    );
    let error = get(
        &trusting,
        Policy::Operator,
        &plain.url("https", "client.example"),
        IMPATIENT,
    )
    .await;
    assert!(error.is_err());
}

#[test]
fn a_file_without_certificates_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pem");
    std::fs::write(&path, "nothing").unwrap();
    let mut config = config("http://127.0.0.1", &[]);
    config.outbound.extra_ca = vec![path];
    let error = format!("{:#}", Fetch::new(&config).unwrap_err());
    assert!(
        error.contains("outbound.extra_ca") && error.contains("empty.pem"),
        "{error}"
    );
    config.outbound.extra_ca = vec!["/nowhere/ca.pem".into()];
    assert!(format!("{:#}", Fetch::new(&config).unwrap_err()).contains("/nowhere/ca.pem"));
}

#[tokio::test]
async fn the_certificates_of_operators_hosts_are_noted_and_those_that_are_refused_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, acceptor) = tls(folder.path(), "client.example");
    let answer = Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let peer = Peer::start("127.0.0.1", answer, Some(acceptor)).await;
    let resolver = Scripted::new(&[&["127.0.0.1"]]);
    let mut config = config("http://127.0.0.1", &["127.0.0.0/8"]);
    let strict = resolving(&config, &resolver);
    config.outbound.extra_ca = vec![authority];
    let trusting = resolving(&config, &resolver);
    let url = peer.url("https", "client.example");
    get(&trusting, Policy::Stranger, &url, LIMITS).await.unwrap();
    get(&strict, Policy::Operator, &url, LIMITS).await.unwrap_err();
    for fetch in [&trusting, &strict] {
        assert_eq!(fetch.certificate_of("client.example"), None);
    }
    get(&trusting, Policy::Operator, &url, LIMITS).await.unwrap();
    let seen = trusting.certificate_of("client.example").unwrap();
    // `rcgen` lets them live for a long time.
    assert!(seen.expires_at > seen.seen_at, "{seen:?}");
    assert_eq!(trusting.certificate_of("other.example"), None);
}
