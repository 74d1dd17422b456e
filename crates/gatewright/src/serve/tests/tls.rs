//! The listener with TLS, against clients that behave and clients that do not.

use std::sync::Arc;

use gatewright_core::tls::client_of_this_machine;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};

use super::{super::tls::Door, *};

const PAGE: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const CALL: &str = "POST /mcp/acme HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
const STATUS: &str = "{\"status\":\"ok\"}";

/// Makes a configuration one with a certificate in files of this folder.
fn with_certificate(folder: &TempDir, config: &mut Config) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let (certificate_file, key_file) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    config.server.public_url = "https://localhost".to_owned();
    config.tls.certificate_file = Some(certificate_file);
    config.tls.key_file = Some(key_file);
}

async fn server() -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(|config| with_certificate(&folder, config), None).await;
    let app = &server.test.app;
    gatewright_core::tls::begin(&app.tls, "localhost", app.now()).unwrap();
    (server, folder)
}

async fn connect(server: &Server, protocols: &[&str]) -> TlsStream<TcpStream> {
    let mut config = client_of_this_machine().unwrap();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, server.connect().await).await.unwrap()
}

async fn ask(stream: &mut TlsStream<TcpStream>, request: &str, end: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with(end) {
        answer.push(char::from(stream.read_u8().await.unwrap()));
    }
    answer
}

fn handshakes(server: &Server, outcome: &str) -> bool {
    let sample = format!("gatewright_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    server.test.app.telemetry.encode().unwrap().contains(&sample)
}

#[tokio::test]
async fn http_1_and_2_are_chosen_in_the_handshake() {
    let (server, _folder) = server().await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&server, protocols).await;
        for _ in 0..2 {
            let answer = ask(&mut stream, PAGE, STATUS).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
    let stream = connect(&server, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/healthz")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), STATUS);
    drop(sender);
    assert!(handshakes(&server, "ok"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_is_placed_by_its_first_request_as_without_tls() {
    let (server, _folder) = server().await;
    let mut page = connect(&server, &[]).await;
    let head = ask(&mut page, PAGE, STATUS).await;
    assert!(!head.contains("connection: close"), "{head}");
    let head = ask(&mut page, CALL, "\r\n\r\n").await;
    assert!(head.contains("connection: close"), "{head}");
    let mut call = connect(&server, &[]).await;
    let head = ask(&mut call, CALL, "\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 404") && !head.contains("connection: close"),
        "{head}"
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_without_tls_learns_where_to_go() {
    let (server, _folder) = server().await;
    let answer = server.get("/").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("Use https://localhost"), "{answer}");
    assert!(handshakes(&server, "plain"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_a_handshake_fails_alone() {
    let (server, _folder) = server().await;
    let mut good = connect(&server, &[]).await;
    let mut bad = server.connect().await;
    bad.write_all(&[22, 3, 1, 0, 5, 9, 9, 9, 9, 9]).await.unwrap();
    // Perhaps an alert, and the end.
    let _ = bad.read_to_end(&mut Vec::new()).await;
    assert!(handshakes(&server, "failed"));
    assert!(ask(&mut good, PAGE, STATUS).await.starts_with("HTTP/1.1 200"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_goes_nowhere_ends_at_the_deadline_and_takes_no_place_before_it_begins() {
    for said in [&[][..], &[22, 3, 1]] {
        let folder = tempfile::tempdir().unwrap();
        let test = TestAdmin::with(|config| with_certificate(&folder, config)).await;
        let door = Door::of(&test.app).unwrap().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        client.write_all(said).await.unwrap();
        let connection = Connection {
            app: Arc::clone(&test.app),
            front: Arc::new(gatewright_dashboard::front(&test.app)),
            builder: Arc::new(builder()),
            peer: peer.ip(),
            threads: None,
            calls: None,
        };
        tokio::time::pause();
        let began = Instant::now();
        let stream = stream.into_std().unwrap();
        let shaken = door
            .shake_hands(&connection, stream, began + FIRST_REQUEST_DEADLINE)
            .await;
        assert!(shaken.is_err());
        assert_eq!(began.elapsed().as_secs(), FIRST_REQUEST_DEADLINE.as_secs());
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes_that_go_nowhere() {
    let (server, _folder) = server().await;
    let (mut silent, mut partial) = (server.connect().await, server.connect().await);
    partial.write_all(&[22, 3, 1]).await.unwrap();
    let mut good = connect(&server, &[]).await;
    ask(&mut good, PAGE, STATUS).await;
    let began = Instant::now();
    server.stop().await.unwrap();
    assert!(began.elapsed() < FIRST_REQUEST_DEADLINE);
    assert_eq!(read_to_end(&mut silent).await, "");
    let _ = partial.read_u8().await.unwrap_err();
}
