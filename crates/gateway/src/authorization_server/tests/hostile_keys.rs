//! Strangers who publish keys that make work, and send what proves nothing.

use std::net::IpAddr;

use gatewright_oauth::client_assertion::TYPE;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{
    host,
    signing::{CLIENT, assert_refused, claims, redeem, text},
    world::{Answer, REDIRECT, World, encode},
};
use crate::jose::signer::{Signer, SignerKind};

/// The document of a client with these keys, where a fetch would put it.
async fn describe(world: &World, client: &str, keys: &[Value]) {
    let document = json!({
        "client_id": client, "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys},
    });
    host::publish(world, &document).await;
}

/// A refresh with an assertion, from an address; the token does not exist.
async fn refresh_from(world: &World, address: &str, client: &str, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", "made up"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    let request = Request::post("/mcp/acme/oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(encode(&form))
        .unwrap();
    let address: IpAddr = address.parse().unwrap();
    world.send_from(address, request).await
}

#[tokio::test]
async fn of_many_keys_few_are_read_and_the_assertion_names_its_own() {
    let world = World::new().await;
    let signers: Vec<_> = (0..43)
        .map(|number| Signer::new(SignerKind::P256, Some(&format!("k{number}"))))
        .collect();
    let keys: Vec<_> = signers.iter().map(Signer::jwk).collect();
    describe(&world, CLIENT, &keys).await;
    let code = world.code(CLIENT).await;
    let unnamed = signers[0].token_with(&json!({"alg": "ES256"}), &claims(&world, CLIENT));
    let answer = redeem(&world, CLIENT, &code, Some(&unnamed)).await;
    assert_refused(&answer, "no kid beside several keys");
    assert!(answer.body.contains("kid"), "{}", answer.body);
    let behind = signers[20].token(&claims(&world, CLIENT));
    assert_refused(
        &redeem(&world, CLIENT, &code, Some(&behind)).await,
        "the 21st key",
    );
    let within = signers[19].token(&claims(&world, CLIENT));
    text(
        &redeem(&world, CLIENT, &code, Some(&within)).await,
        "access_token",
    );
}

#[tokio::test]
async fn assertions_that_prove_nothing_are_limited_and_others_go_on() {
    let world = World::new().await;
    let (good, stranger) = (
        Signer::new(SignerKind::P256, Some("k1")),
        Signer::new(SignerKind::P256, Some("k1")),
    );
    describe(&world, CLIENT, &[good.jwk()]).await;
    let home = "198.51.100.7";
    let proven = refresh_from(&world, home, CLIENT, &good.token(&claims(&world, CLIENT))).await;
    assert_eq!(proven.error(), "invalid_grant", "{}", proven.body);
    let forged = stranger.token(&claims(&world, CLIENT));
    for _ in 0..200 {
        let answer = refresh_from(&world, "203.0.113.7", CLIENT, &forged).await;
        assert_refused(&answer, "a forged assertion");
    }
    let limited = refresh_from(&world, "203.0.113.8", CLIENT, &forged).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.header("retry-after"), "60");
    let measures = world.app.telemetry.encode().unwrap();
    for line in [
        "gatewright_tokens_total{outcome=\"limited\"} 1",
        "gatewright_rate_limited_total{route=\"/mcp/{slug}/oauth2/token\"} 1",
    ] {
        assert!(measures.lines().any(|found| found == line), "{measures}");
    }
    // The client itself continues from its known network, and others from everywhere else.
    for address in [home, "192.0.2.9"] {
        let assertion = good.token(&claims(&world, CLIENT));
        let answer = refresh_from(&world, address, CLIENT, &assertion).await;
        assert_eq!(answer.error(), "invalid_grant", "{address}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_full_pool_answers_not_now_and_recovers() {
    let world = World::new().await;
    let signer = Signer::new(SignerKind::P256, Some("k1"));
    describe(&world, CLIENT, &[signer.jwk()]).await;
    let code = world.code(CLIENT).await;
    let full = world.app.authorization_server.client_keys.fill().await;
    let assertion = signer.token(&claims(&world, CLIENT));
    let answer = redeem(&world, CLIENT, &code, Some(&assertion)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
    drop(full);
    text(
        &redeem(&world, CLIENT, &code, Some(&assertion)).await,
        "access_token",
    );
}
