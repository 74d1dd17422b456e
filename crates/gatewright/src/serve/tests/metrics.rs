//! Who may read the metrics.

use super::*;

const TOKEN: (&str, &str) = ("authorization", "Bearer 0123456789abcdef");

/// The status that a scrape from an address gets.
async fn scrape(test: &TestAdmin, peer: &str, headers: &[(&str, &str)]) -> u16 {
    let front = gatewright_dashboard::front(&test.app);
    let mut request = Request::get("/metrics");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = front.answer(peer.parse().unwrap(), request).await;
    answer.status().as_u16()
}

#[tokio::test]
async fn metrics_are_for_allowed_networks_or_with_the_token() {
    let test = TestAdmin::with(|config| {
        config.metrics.bearer = Some(gatewright_domain::secret::Secret::new("0123456789abcdef"));
        config.server.trusted_proxies = vec!["10.0.0.1/32".parse().unwrap()];
    })
    .await;
    for (peer, headers, expected) in [
        ("127.0.0.1", &[][..], 200),
        ("::1", &[], 200),
        ("203.0.113.9", &[], 404),
        ("203.0.113.9", &[TOKEN], 200),
        (
            "203.0.113.9",
            &[("authorization", "Bearer 0123456789abcdeg")],
            404,
        ),
        // A proxy that is not configured, and one that is.
        ("127.0.0.1", &[("x-forwarded-for", "203.0.113.9")], 404),
        ("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")], 404),
        ("127.0.0.1", &[("x-forwarded-for", "203.0.113.9"), TOKEN], 200),
        ("10.0.0.1", &[("x-forwarded-for", "127.0.0.1")], 200),
        ("10.0.0.1", &[("x-forwarded-for", "203.0.113.9")], 404),
    ] {
        assert_eq!(scrape(&test, peer, headers).await, expected, "{peer} {headers:?}");
    }
}

#[tokio::test]
async fn a_proxy_with_other_headers_does_not_lend_its_address() {
    let test = TestAdmin::with(|config| {
        config.metrics.allow = Some(vec![
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ]);
        config.server.trusted_proxies = vec!["10.0.0.1/32".parse().unwrap()];
    })
    .await;
    for name in [
        "forwarded",
        "via",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
    ] {
        for peer in ["127.0.0.1", "10.0.0.1"] {
            assert_eq!(
                scrape(&test, peer, &[(name, "127.0.0.1")]).await,
                404,
                "{peer} {name}"
            );
        }
        // A trusted proxy that names the client may send what else it likes.
        let headers = [(name, "127.0.0.1"), ("x-forwarded-for", "10.1.2.3")];
        assert_eq!(scrape(&test, "10.0.0.1", &headers).await, 200, "{name}");
    }
    assert_eq!(scrape(&test, "10.1.2.3", &[]).await, 200);
}

#[tokio::test]
async fn off_loopback_the_machine_itself_needs_the_token_or_an_entry() {
    let public = |config: &mut Config| config.server.public_url = "https://gw.example".to_owned();
    let test = TestAdmin::with(|config| {
        public(config);
        config.metrics.bearer = Some(gatewright_domain::secret::Secret::new("0123456789abcdef"));
    })
    .await;
    assert_eq!(scrape(&test, "127.0.0.1", &[]).await, 404);
    assert_eq!(scrape(&test, "127.0.0.1", &[TOKEN]).await, 200);
    let listed = TestAdmin::with(|config| {
        public(config);
        config.metrics.allow = Some(vec!["127.0.0.0/8".parse().unwrap()]);
    })
    .await;
    assert_eq!(scrape(&listed, "127.0.0.1", &[]).await, 200);
}
