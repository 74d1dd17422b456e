//! Where a stranger's client id makes the gateway connect to: nowhere inside.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::net::TcpListener;

use super::world::{World, authorize};

/// A listener on loopback that counts who connects; its port.
async fn counting() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (port, count)
}

#[tokio::test]
async fn addresses_inside_are_not_connected_to_however_they_are_written() {
    let (port, connected) = counting().await;
    let world = World::new().await;
    for host in [
        "127.0.0.1",
        "localhost",
        "x.localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "192.168.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ] {
        let client = format!("https://{host}:{port}/client.json");
        let page = world.get(&authorize(&client, &[])).await;
        assert!(page.is_page(400), "{host}: {page:?}");
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client.as_str()),
            ("refresh_token", "r"),
        ];
        let answer = world.post("/mcp/acme/oauth2/token", &form).await;
        assert!(answer.status.is_client_error(), "{host}: {answer:?}");
    }
    assert_eq!(connected.load(Ordering::SeqCst), 0);

    let widened = World::with(|config| config.outbound.allow = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let client = format!("https://127.0.0.1:{port}/client.json");
    assert!(widened.get(&authorize(&client, &[])).await.is_page(400));
    assert_eq!(
        connected.load(Ordering::SeqCst),
        1,
        "what is allowed is connected to"
    );
}
