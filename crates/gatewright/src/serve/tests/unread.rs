//! Requests that are answered before their body is there.

use super::*;

/// Refused for its path alone.
const HEAD: &str = "POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
const NEXT: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn refused(stream: &mut TcpStream, head: &str) {
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn a_body_that_comes_after_its_answer_costs_the_next_request_nothing() {
    for (length, body) in [
        ("content-length: 10", "0123456789".to_owned()),
        ("content-length: 60000", "x".repeat(60_000)),
        ("content-length: 4000000", "x".repeat(4_000_000)),
        ("transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n".to_owned()),
    ] {
        let server = Server::start().await;
        let mut stream = server.connect().await;
        refused(&mut stream, &format!("{HEAD}{length}\r\n\r\n")).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        stream.write_all(NEXT.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{length}: {answer}");
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_large_body_that_is_not_wanted_closes_the_connection() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    refused(&mut stream, &format!("{HEAD}content-length: 6000000\r\n\r\n")).await;
    assert_eq!(read_to_end(&mut stream).await, "");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    refused(&mut stream, &format!("{HEAD}content-length: 10\r\n\r\n")).await;
    // The refusal was read, so its body is being waited for.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    assert_eq!(read_to_end(&mut stream).await, "");
    server.stop().await.unwrap();
}
