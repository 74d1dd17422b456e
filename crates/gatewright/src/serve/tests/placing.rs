//! Connections are served by the threads that their first request is for.

use super::*;

const CALL: &str = "POST /mcp/acme HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
const PAGE: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const METADATA: &str = "GET /.well-known/nothing HTTP/1.1\r\nhost: x\r\n\r\n";
/// The response closes the connection.
const CLOSES: &str = "connection: close\r\n";

/// Sends requests one after the other on one connection; returns the head of each response.
async fn heads(server: &Server, requests: &[&str]) -> Vec<String> {
    let mut client = server.connect().await;
    let mut heads = Vec::new();
    for request in requests {
        client.write_all(request.as_bytes()).await.unwrap();
        let head = read_until(&mut client, "\r\n\r\n").await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        client.read_exact(&mut body).await.unwrap();
        heads.push(head);
    }
    heads
}

#[tokio::test]
async fn a_call_on_a_connection_of_another_kind_is_answered_and_is_the_last_there() {
    let server = Server::start().await;
    let heads = heads(&server, &[PAGE, PAGE, CALL]).await;
    assert!(
        !heads[0].contains(CLOSES) && !heads[1].contains(CLOSES),
        "{heads:?}"
    );
    assert!(
        heads[2].starts_with("HTTP/1.1 404") && heads[2].contains(CLOSES),
        "{heads:?}"
    );
}

#[tokio::test]
async fn a_connection_that_begins_with_a_call_stays_open_whatever_follows() {
    let server = Server::start().await;
    for first in [CALL, METADATA] {
        let heads = heads(&server, &[first, PAGE, CALL, CALL]).await;
        assert!(heads.iter().all(|head| !head.contains(CLOSES)), "{heads:?}");
    }
}

#[tokio::test]
async fn a_connection_of_a_proxy_carries_calls_of_many() {
    let trust = |config: &mut Config| config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let server = Server::with(trust, None).await;
    let heads = heads(&server, &[PAGE, CALL, CALL]).await;
    assert!(heads.iter().all(|head| !head.contains(CLOSES)), "{heads:?}");
}

#[tokio::test]
async fn a_head_that_comes_in_pieces_is_answered() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for piece in ["GET /heal", "thz HTTP/1.1\r\nhost: x\r\n", "\r\n"] {
        client.write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = read_until(&mut client, "{\"status\":\"ok\"}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn connections_on_all_threads_are_counted_and_end_with_the_process() {
    let server = Server::start().await;
    let (mut page, mut call) = (server.connect().await, server.connect().await);
    page.write_all(PAGE.as_bytes()).await.unwrap();
    read_until(&mut page, "{\"status\":\"ok\"}").await;
    call.write_all(CALL.as_bytes()).await.unwrap();
    read_until(&mut call, "\r\n\r\n").await;
    assert_eq!(server.test.app.telemetry.connections.get(), 2);
    let app = Arc::clone(&server.test.app);
    server.stop().await.unwrap();
    assert_eq!(app.telemetry.connections.get(), 0);
    read_to_end(&mut page).await;
    read_to_end(&mut call).await;
}
