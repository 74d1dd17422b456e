//! Which addresses are dialled, however they are written and whatever a name resolves to.

use super::*;

#[tokio::test]
async fn a_name_is_resolved_once_per_connection_and_a_changed_answer_is_checked_again() {
    let close = Answer::Close("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let peer = Peer::on("127.0.0.1", close).await;
    let resolver = Scripted::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let fetch = resolving(&config("https://gateway.example", &["127.0.0.1/32"]), &resolver);
    let url = peer.url("http", "rebinding.example");
    assert!(get(&fetch, Policy::Operator, &url, LIMITS).await.is_ok());
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    let error = get(&fetch, Policy::Operator, &url, LIMITS).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Refused(reason) if reason.contains("rebinding.example")),
        "{error}"
    );
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 2);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn one_forbidden_address_among_several_spoils_a_name() {
    let peer = Peer::on(
        "127.0.0.1",
        Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    )
    .await;
    for spoiling in ["169.254.169.254", "fe80::1", "::ffff:100.100.100.200"] {
        let resolver = Scripted::new(&[&["127.0.0.1", spoiling]]);
        let fetch = resolving(&config("http://127.0.0.1", &[]), &resolver);
        let error = get(
            &fetch,
            Policy::Operator,
            &peer.url("http", "mixed.example"),
            LIMITS,
        )
        .await
        .unwrap_err();
        assert!(matches!(error, FetchError::Refused(_)), "{spoiling}: {error}");
    }
    assert_eq!(peer.connections(), 0);
    let resolver = Scripted::new(&[&["127.0.0.1", "127.0.0.3"]]);
    let fetch = resolving(&config("http://127.0.0.1", &[]), &resolver);
    assert!(
        get(
            &fetch,
            Policy::Operator,
            &peer.url("http", "mixed.example"),
            LIMITS
        )
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let peer = Peer::on(
        "127.0.0.1",
        Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    )
    .await;
    let resolver = Scripted::new(&[&["127.0.0.9", "127.0.0.1"]]);
    let fetch = resolving(&config("http://127.0.0.1", &[]), &resolver);
    assert!(
        get(&fetch, Policy::Operator, &peer.url("http", "two.example"), LIMITS)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_name_without_addresses_is_reported() {
    let resolver = Scripted::new(&[]);
    let fetch = resolving(&config("http://127.0.0.1", &[]), &resolver);
    let error = get(&fetch, Policy::Operator, "http://nowhere.example/", LIMITS)
        .await
        .unwrap_err();
    assert_eq!(error, FetchError::Resolve("nowhere.example".into()));
}

#[tokio::test]
async fn every_spelling_of_an_address_is_the_address() {
    let peer = Peer::on(
        "127.0.0.1",
        Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    )
    .await;
    let public = Fetch::new(&config("https://gateway.example", &[])).unwrap();
    let local = local();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::ffff:7f00:1]",
    ] {
        let url = peer.url("http", host);
        let parsed = url::Url::parse(&url).unwrap();
        assert!(local.check_url(Policy::Operator, &parsed).is_ok(), "{host}");
        assert!(
            get(&local, Policy::Operator, &url, LIMITS).await.is_ok(),
            "{host}"
        );
        let connections = peer.connections();
        assert!(public.check_url(Policy::Operator, &parsed).is_err(), "{host}");
        let error = get(&public, Policy::Operator, &url, LIMITS).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused(_)), "{host}: {error}");
        // The streaming path has no check but that of the connector.
        let request = Request::get(&url).body(Full::default()).unwrap();
        let error = public.streaming(request, LIMITS.deadline).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused(_)), "{host}: {error}");
        assert_eq!(peer.connections(), connections, "{host}");
    }
}

#[test]
fn urls_are_checked_for_scheme_and_userinfo() {
    let fetch = local();
    let check = |policy, url: &str| fetch.check_url(policy, &url::Url::parse(url).unwrap());
    assert!(check(Policy::Operator, "http://server.example/mcp").is_ok());
    assert!(check(Policy::Operator, "https://server.example/mcp").is_ok());
    assert!(check(Policy::Stranger, "https://client.example/metadata").is_ok());
    assert!(check(Policy::Stranger, "http://client.example/metadata").is_err());
    assert!(check(Policy::Stranger, "https://127.0.0.1/metadata").is_err());
    assert!(check(Policy::Operator, "ftp://server.example").is_err());
    assert!(check(Policy::Operator, "https://user@server.example").is_err());
    assert!(check(Policy::Operator, "https://user:password@server.example").is_err());
    assert!(check(Policy::Operator, "data:text/plain,x").is_err());
}
