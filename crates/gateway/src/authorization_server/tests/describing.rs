//! Client ID Metadata Documents, fetched for real: over TLS on loopback, with our own authority.

use std::time::Duration;

use gatewright_domain::gateway::TrustedClient;
use http::{StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};

use super::{
    host::Host,
    world::{authorize, code_form},
};

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
    let cases = [
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
    ];
    for (number, (status, body)) in cases.into_iter().enumerate() {
        host.answers(status, &[(CACHE_CONTROL, "max-age=600")], &body);
        let before = host.asked();
        // Each from its own network, because one gets a few fetches of a host only.
        let address = format!("198.{number}.100.7");
        let page = world.get_from(&address, &path).await;
        assert!(page.is_page(400), "{status} {body:.60}: {page:?}");
        assert!(!page.body.contains("hush") && !page.body.contains("alert"));
        assert_eq!(host.asked(), before + 1);
        host.answers(200, &[(CACHE_CONTROL, "no-store")], &host.document().to_string());
        let page = world.get_from(&address, &path).await;
        assert!(page.is_page(200), "{status} {body:.60}");
    }
}

#[tokio::test]
async fn an_address_that_can_be_no_client_id_is_not_fetched() {
    let host = Host::start().await;
    host.answers(200, &[], &host.document().to_string());
    let world = host.world().await;
    let url = host.url();
    let origin = url.strip_suffix(url::Url::parse(&url).unwrap().path()).unwrap();
    for client in [
        origin.to_owned(),
        format!("{origin}/"),
        format!("{origin}/a/../client.json"),
        format!("{origin}/a/%2e%2e/client.json"),
        format!("{origin}/./client.json"),
        format!("{url}#fragment"),
        url.replace("https://", "http://"),
        url.replace("https://", "https://user@"),
        url.replace("https://", "https://user:password@"),
    ] {
        let page = world.get(&authorize(&client, &[])).await;
        assert!(page.is_page(400), "{client}: {page:?}");
        assert!(!page.body.contains("password"), "{client}");
    }
    assert_eq!(host.asked(), 0);
    assert!(world.get(&authorize(&url, &[])).await.is_page(200));
    assert_eq!(host.asked(), 1);
}

#[tokio::test]
async fn the_last_valid_document_serves_while_its_host_is_unavailable_for_up_to_a_day() {
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
    // What its host has withdrawn is deleted immediately and permanently.
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
