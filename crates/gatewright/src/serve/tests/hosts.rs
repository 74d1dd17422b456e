//! Requests that name no host, or two.

use super::*;

/// The status of the answer to a request written by hand.
async fn status(server: &Server, request: &str) -> String {
    let mut client = server.connect().await;
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut client).await;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status.to_owned()
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let server = Server::start().await;
    for (head, expected) in [
        ("GET /healthz HTTP/1.1\r\nhost: gw.example", "200"),
        ("GET /healthz HTTP/1.1\r\nhost: gw.example:8443", "200"),
        ("GET /healthz HTTP/1.1\r\nhost: [::1]:8080", "200"),
        (
            "GET http://gw.example/healthz HTTP/1.1\r\nhost: gw.example",
            "200",
        ),
        // Health checks of load balancers.
        ("GET /healthz HTTP/1.0\r\nx-nothing: x", "200"),
        ("GET /healthz HTTP/1.1\r\nx-nothing: x", "400"),
        ("GET http://gw.example/healthz HTTP/1.1\r\nx-nothing: x", "400"),
        (
            "GET /healthz HTTP/1.1\r\nhost: a.example\r\nhost: b.example",
            "400",
        ),
        (
            "GET /healthz HTTP/1.1\r\nhost: a.example\r\nHOST: a.example",
            "400",
        ),
        (
            "GET /healthz HTTP/1.0\r\nhost: a.example\r\nhost: b.example",
            "400",
        ),
        ("GET /healthz HTTP/1.1\r\nhost: a.example, b.example", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: user@a.example", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a.example/x", "400"),
        ("GET /healthz HTTP/1.1\r\nhost:", "400"),
        ("POST /mcp/acme HTTP/1.1\r\ncontent-length: 0", "400"),
    ] {
        let request = format!("{head}\r\nconnection: close\r\n\r\n");
        assert_eq!(status(&server, &request).await, expected, "{head}");
    }
}
