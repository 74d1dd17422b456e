//! Requests that never reach a server.

use std::time::Duration;

use gatewright_domain::{
    api_key::KeyRole,
    client_use::ClientBlock,
    entropy::SystemEntropy,
    gateway::{Authentication, GatewayStatus},
    grant::RevocationReason,
    id::ClientBlockId,
    user::UserStatus,
};
use gatewright_store::{client_block, gateway, grant, revocation, user, user_source};
use http::{Request, StatusCode};

use super::world::World;

const METADATA: &str =
    r#"resource_metadata="http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp/acme""#;

#[tokio::test]
async fn without_a_token_the_challenge_leads_to_the_metadata() {
    let world = World::new().await;
    let answer = world.call("acme", &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer ") && challenge.contains(METADATA),
        "{challenge}"
    );
    assert!(!challenge.contains("error="), "{challenge}");
    assert_eq!(answer.header("content-type"), "application/json");
    for token in ["made-up", "e30.e30.e30", &"x".repeat(20_000)] {
        let answer = world.call_with("acme", token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.contains(METADATA) && challenge.contains(r#"error="invalid_token""#),
            "{challenge}"
        );
    }
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn every_method_of_the_path_asks_for_identity_first() {
    let world = World::new().await;
    for method in ["GET", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"] {
        let request = Request::builder()
            .method(method)
            .uri("/mcp/acme")
            .body(String::new())
            .unwrap();
        assert_eq!(
            world.send(request).await.status,
            StatusCode::UNAUTHORIZED,
            "{method}"
        );
    }
    let ada = world.sign_in("acme", "ada").await;
    for method in ["OPTIONS", "PUT", "PATCH"] {
        let request = Request::builder()
            .method(method)
            .uri("/mcp/acme")
            .header("authorization", format!("Bearer {}", ada.token))
            .body(String::new())
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), "GET, POST, DELETE");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn tokens_in_the_query_are_ignored() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let request = Request::post(format!("/mcp/acme?access_token={}", ada.token))
        .body(String::new())
        .unwrap();
    assert_eq!(world.send(request).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_and_inactive_gateways_look_alike() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let unknown = world.call_with("nothing-here", &ada.token).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let other_case = world.call_with("ACME", &ada.token).await;
    assert_eq!(
        (other_case.status, &other_case.body),
        (unknown.status, &unknown.body)
    );
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
    let mut tx = world.app.store.write().await.unwrap();
    let id = world.gateway_id("acme");
    let mut row = gateway::find(&mut tx, world.project, id).await.unwrap().unwrap();
    let seen = row.updated_at;
    row.status = GatewayStatus::Inactive;
    gateway::update(&mut tx, &row, seen).await.unwrap();
    world.commit(tx).await;
    let inactive = world.call_with("acme", &ada.token).await;
    assert_eq!((inactive.status, &inactive.body), (unknown.status, &unknown.body));
    assert!(!inactive.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn an_unconfirmed_configuration_refuses_everything() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(6));
    let answer = world.call_with("acme", &ada.token).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "2");
    world.app.refresh_directory().await.unwrap();
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn web_pages_of_other_origins_are_refused() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let bearer = format!("Bearer {}", ada.token);
    for (origin, status) in [
        ("http://127.0.0.1:8080", 200),
        ("https://evil.example", 403),
        ("http://127.0.0.1:80801", 403),
        ("null", 403),
    ] {
        let answer = world
            .call("acme", &[("authorization", &bearer), ("origin", origin)])
            .await;
        assert_eq!(answer.status, status, "{origin}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_token_is_good_at_its_own_gateway_only() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    assert_eq!(
        world.call_with("other", &ada.token).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
    assert_eq!(
        world.call_with("other", &ada.token).await.status,
        StatusCode::UNAUTHORIZED,
        "verified or not"
    );
    assert_eq!(
        world.call_with("keys", &ada.token).await.status,
        StatusCode::UNAUTHORIZED
    );
    let key = world.key(KeyRole::Gateway, None, None).await;
    assert_eq!(
        world.call_with("acme", key.expose()).await.status,
        StatusCode::UNAUTHORIZED
    );
    let two = format!("Bearer {}", ada.token);
    let answer = world
        .call("acme", &[("authorization", &two), ("authorization", &two)])
        .await;
    assert_eq!(
        answer.status,
        StatusCode::UNAUTHORIZED,
        "which of two would count?"
    );
}

#[tokio::test]
async fn what_ends_a_grant_ends_its_tokens_on_the_next_request() {
    let world = World::new().await;
    let [ada, bob, cid, dan] = ["ada", "bob", "cid", "dan"];
    let [ada, bob, cid] = [
        world.sign_in("acme", ada).await,
        world.sign_in("acme", bob).await,
        world.sign_in("acme", cid).await,
    ];
    for one in [&ada, &bob, &cid] {
        assert_eq!(world.call_with("acme", &one.token).await.status, StatusCode::OK);
    }
    let now = world.app.now();
    let mut tx = world.app.store.write().await.unwrap();
    grant::revoke(
        &mut tx,
        world.project,
        ada.grant,
        RevocationReason::Administrator,
        now,
    )
    .await
    .unwrap();
    user::set_status(&mut tx, world.project, bob.user, UserStatus::Blocked)
        .await
        .unwrap();
    world.commit(tx).await;
    assert_eq!(
        world.call_with("acme", &ada.token).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        world.call_with("acme", &bob.token).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.call_with("acme", &cid.token).await.status, StatusCode::OK);
    // A token that was never seen here before its grant ended is no better.
    let dan = world.sign_in("acme", dan).await;
    let mut tx = world.app.store.write().await.unwrap();
    grant::revoke(
        &mut tx,
        world.project,
        dan.grant,
        RevocationReason::Administrator,
        now,
    )
    .await
    .unwrap();
    world.commit(tx).await;
    assert_eq!(
        world.call_with("acme", &dan.token).await.status,
        StatusCode::UNAUTHORIZED
    );
    // Another issuer, client or claim makes people others.
    let mut tx = world.app.store.write().await.unwrap();
    let mut source = world.source.clone();
    source.identity_epoch += 1;
    source.issuer = "https://id2.example".to_owned();
    user_source::update(&mut tx, &source, &world.source)
        .await
        .unwrap();
    world.commit(tx).await;
    assert_eq!(
        world.call_with("acme", &cid.token).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_blocked_clients_tokens_fail_on_the_next_request_at_that_gateway_only() {
    let world = World::new().await;
    let (here, there) = (
        world.sign_in("acme", "ada").await,
        world.sign_in("other", "ada").await,
    );
    let status = async |slug: &str, token: &str| world.call_with(slug, token).await.status;
    assert_eq!(status("acme", &here.token).await, StatusCode::OK);
    assert_eq!(status("other", &there.token).await, StatusCode::OK);
    // The row alone, with no grant ended: what is in memory refuses, not the store.
    let block = ClientBlock {
        id: ClientBlockId::generate(world.clock.as_ref(), &SystemEntropy),
        project_id: world.project,
        gateway_id: world.gateway_id("acme"),
        client_id: "client-1".to_owned(),
        client_name: "Example".to_owned(),
        created_at: world.app.now(),
    };
    let mut tx = world.app.store.write().await.unwrap();
    assert!(client_block::insert(&mut tx, &block).await.unwrap());
    world.commit(tx).await;
    assert_eq!(status("acme", &here.token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("other", &there.token).await, StatusCode::OK);
    // Nor does a token that was never seen here.
    let late = world.sign_in("acme", "bob").await;
    assert_eq!(status("acme", &late.token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_the_mode_of_its_gateway() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_mins(61));
    world.app.refresh_directory().await.unwrap();
    assert_eq!(
        world.call_with("acme", &ada.token).await.status,
        StatusCode::UNAUTHORIZED
    );
    let bob = world.sign_in("acme", "bob").await;
    assert_eq!(world.call_with("acme", &bob.token).await.status, StatusCode::OK);
    let mut tx = world.app.store.write().await.unwrap();
    let id = world.gateway_id("acme");
    let mut row = gateway::find(&mut tx, world.project, id).await.unwrap().unwrap();
    let seen = row.updated_at;
    row.authentication = Authentication::Headers;
    gateway::update(&mut tx, &row, seen).await.unwrap();
    world.commit(tx).await;
    let answer = world.call_with("acme", &bob.token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(!answer.header("www-authenticate").contains("resource_metadata"));
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {}", ada.token))
        .header("content-type", "application/json")
        .body(" ".repeat(5 * 1024 * 1024))
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let refused = answer.json();
    assert_eq!(refused["jsonrpc"], "2.0");
    assert_eq!(refused["error"]["code"], -32600);
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("4 MiB"),
        "{refused}"
    );
    assert_eq!(world.upstream.count(), 0);
}

#[tokio::test]
async fn a_revocation_holds_after_the_clock_ran_ahead_and_came_back() {
    let world = World::new().await;
    let (ended, kept) = (
        world.sign_in("acme", "ada").await,
        world.sign_in("acme", "bob").await,
    );
    for one in [&ended, &kept] {
        assert_eq!(world.call_with("acme", &one.token).await.status, StatusCode::OK);
    }
    let (now, reason) = (world.app.now(), RevocationReason::Administrator);
    let mut tx = world.app.store.write().await.unwrap();
    grant::revoke(&mut tx, world.project, ended.grant, reason, now)
        .await
        .unwrap();
    world.commit(tx).await;
    // By the wrong time the revocation has expired: it is forgotten in memory and in the database.
    let ahead = Duration::from_hours(48);
    world.clock.advance(ahead);
    world.app.refresh_directory().await.unwrap();
    let mut tx = world.app.store.write().await.unwrap();
    let gone = revocation::prune(&mut tx, world.app.now(), 10).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(gone, 1);
    world.clock.set_back(ahead);
    world.app.refresh_directory().await.unwrap();
    for (one, status) in [(&ended, StatusCode::UNAUTHORIZED), (&kept, StatusCode::OK)] {
        assert_eq!(world.call_with("acme", &one.token).await.status, status);
    }
}
