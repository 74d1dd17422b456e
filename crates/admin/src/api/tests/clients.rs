//! Clients of a gateway: registered beforehand, in use, blocked.

use gatewright_store::revocation::Denied;
use serde_json::{Value, json};

use super::bench::Bench;
use crate::jose::signer::{Signer, SignerKind};

#[tokio::test]
async fn a_client_is_registered_changed_rotated_and_deleted() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let clients = acme.path(&format!("gateways/{gateway}/preregistered-clients"));
    let new = json!({
        "name": "Ticket desk", "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let made = bench.post(&acme.admin, &clients, new.clone()).await.expect(201);
    let (id, secret) = (made.text("id"), made.text("client_secret"));
    let path = format!("{clients}/{id}");
    assert_eq!(made.headers["location"], format!("/api/v1{path}"));
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert!(read.body.get("client_secret").is_none());
    assert_eq!(read.etag(), made.etag());
    assert!(read.body["secret_changed_at"].is_string() && read.body["previous_secret_until"].is_null());
    let taken = bench.post(&acme.admin, &clients, new).await.expect(422);
    assert_eq!(taken.pointers(), ["/name"]);

    let renamed = bench
        .patch(&acme.admin, &path, json!({"name": "Help desk"}))
        .await
        .expect(200);
    assert_eq!(renamed.text("name"), "Help desk");
    assert_eq!(renamed.body["redirect_uris"], json!(["https://app.example/cb"]));
    let stale = [("if-match", read.etag())];
    let rotate = format!("{path}/rotate-secret");
    bench
        .with(
            "POST".parse().unwrap(),
            &rotate,
            Some(&acme.admin),
            &stale,
            Some(json!({})),
        )
        .await
        .expect(412);
    let rotated = bench.post(&acme.admin, &rotate, json!({})).await.expect(200);
    assert_ne!(rotated.text("client_secret"), secret);
    assert!(rotated.body["previous_secret_until"].is_string());
    let long = json!({"overlap_seconds": 31 * 86_400});
    let refused = bench.post(&acme.admin, &rotate, long).await.expect(422);
    assert_eq!(refused.pointers(), ["/overlap_seconds"]);

    bench.delete(&acme.admin, &path).await.expect(204);
    bench.get(&acme.viewer, &path).await.expect(404);
    assert_eq!(
        acme.actions(&bench).await[..4],
        [
            "preregistered_client.deleted",
            "preregistered_client.secret_rotated",
            "preregistered_client.updated",
            "preregistered_client.created"
        ]
    );
    // A secret appears only in the two responses that created one.
    let visible = bench.everything_visible();
    assert_eq!(visible.matches(&secret).count(), 1);
    assert_eq!(visible.matches(&rotated.text("client_secret")).count(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_client_is_reported_by_its_place() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let clients = acme.path(&format!("gateways/{gateway}/preregistered-clients"));
    let empty = bench.post(&acme.admin, &clients, json!({})).await.expect(422);
    assert_eq!(
        empty.pointers(),
        ["/name", "/redirect_uris", "/token_endpoint_auth_method"]
    );
    let new = json!({
        "name": "App", "redirect_uris": ["https://app.example/cb", "javascript:alert(1)"],
        "token_endpoint_auth_method": "tls_client_auth",
    });
    let wrong = bench.post(&acme.admin, &clients, new).await.expect(422);
    assert_eq!(
        wrong.pointers(),
        ["/redirect_uris/1", "/token_endpoint_auth_method"]
    );
    let new = json!({
        "name": "App", "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none",
    });
    let made = bench.post(&acme.admin, &clients, new).await.expect(201);
    assert!(made.body["client_secret"].is_null());
    let path = format!("{clients}/{}", made.text("id"));
    bench
        .post(&acme.admin, &format!("{path}/rotate-secret"), json!({}))
        .await
        .expect(409);
    let without = json!({"redirect_uris": null});
    let refused = bench.patch(&acme.admin, &path, without).await.expect(422);
    assert_eq!(refused.pointers(), ["/redirect_uris"]);
    let nowhere = acme.path("gateways/gw_0192f0c1a2b37c4d8e5f60718293a4b5/preregistered-clients");
    bench.get(&acme.viewer, &nowhere).await.expect(404);
}

#[tokio::test]
async fn a_client_that_signs_brings_public_keys_and_nothing_else() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let clients = acme.path(&format!("gateways/{gateway}/preregistered-clients"));
    let with = |method: &str, jwks: Value| {
        json!({
            "name": "Signing", "redirect_uris": ["https://app.example/cb"],
            "token_endpoint_auth_method": method, "jwks": jwks,
        })
    };
    let public = Signer::new(SignerKind::P256, Some("k1")).jwk();
    let mut private = public.clone();
    private["d"] = json!("AAAA");
    for (method, jwks) in [
        ("private_key_jwt", Value::Null),
        ("private_key_jwt", json!({})),
        ("private_key_jwt", json!({"keys": []})),
        ("private_key_jwt", json!({"keys": [private]})),
        ("private_key_jwt", json!({"keys": [{"kty": "oct", "k": "AAAA"}]})),
        (
            "private_key_jwt",
            json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}),
        ),
        ("none", json!({"keys": [public]})),
    ] {
        let wrong = bench
            .post(&acme.admin, &clients, with(method, jwks.clone()))
            .await;
        assert_eq!(wrong.expect(422).pointers(), ["/jwks"], "{method} {jwks}");
    }
    let keys = json!({"keys": [public]});
    let made = bench
        .post(&acme.admin, &clients, with("private_key_jwt", keys.clone()))
        .await
        .expect(201);
    assert_eq!(made.body["jwks"], keys);
    assert!(made.body["client_secret"].is_null());
    let path = format!("{clients}/{}", made.text("id"));
    let both = json!({"keys": [public, Signer::new(SignerKind::Ed25519, Some("k2")).jwk()]});
    let changed = bench
        .patch(&acme.admin, &path, json!({"jwks": both}))
        .await
        .expect(200);
    assert_eq!(changed.body["jwks"], both);
    let cleared = bench.patch(&acme.admin, &path, json!({"jwks": null})).await;
    assert_eq!(cleared.expect(422).pointers(), ["/jwks"]);
    bench
        .post(&acme.admin, &format!("{path}/rotate-secret"), json!({}))
        .await
        .expect(409);
}

#[tokio::test]
async fn clients_in_use_are_listed_blocked_and_unblocked() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let user = bench.user(&acme, &source, "ada").await;
    let document = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    bench.grant_to(&acme, user, &source, &gateway, document).await;
    let grant = bench.grant_to(&acme, user, &source, &gateway, document).await;
    let of_gateway = acme.path(&format!("gateways/{gateway}"));
    let list = async || {
        let answer = bench.get(&acme.viewer, &format!("{of_gateway}/clients")).await;
        answer.expect(200).body["items"].clone()
    };
    let listed = list().await;
    assert_eq!(listed[0]["client_id"], document);
    assert_eq!(listed[0]["kind"], "metadata_document");
    assert_eq!(listed[0]["grants"], 2);

    let blocked = format!("{of_gateway}/blocked-clients");
    let denies = |what| bench.app.gateways().directory.current().unwrap().denies(what);
    let client = Denied::client(gateway.parse().unwrap(), document);
    assert!(!denies(client) && !denies(Denied::Grant(grant)));
    let body = json!({"client_id": document});
    let block = bench.post(&acme.admin, &blocked, body.clone()).await.expect(201);
    assert_eq!(block.text("client_name"), "Claude");
    assert!(denies(client) && denies(Denied::Grant(grant)));
    assert_eq!(list().await, json!([]));
    bench.post(&acme.admin, &blocked, body).await.expect(409);
    let wrong = json!({"client_id": "v1.sealed.id"});
    let wrong = bench.post(&acme.admin, &blocked, wrong).await.expect(422);
    assert_eq!(wrong.pointers(), ["/client_id"]);
    let listed = bench.get(&acme.viewer, &blocked).await.expect(200);
    assert_eq!(listed.body["items"][0]["id"], block.text("id"));

    let other = bench.tenant("Other").await;
    let path = format!("{blocked}/{}", block.text("id"));
    bench.delete(&other.owner, &path).await.expect(404);
    assert!(denies(client));
    bench.delete(&acme.admin, &path).await.expect(204);
    bench.delete(&acme.admin, &path).await.expect(404);
    // The client is welcome again; what was ended stays so.
    assert!(!denies(client) && denies(Denied::Grant(grant)));
    assert_eq!(list().await, json!([]));
    assert_eq!(
        acme.actions(&bench).await[..2],
        ["client.unblocked", "client.blocked"]
    );
}

#[tokio::test]
async fn a_client_of_another_project_is_not_there() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let new = json!({
        "name": "App", "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "client_secret_basic",
    });
    let place = format!("gateways/{gateway}/preregistered-clients");
    let made = bench
        .post(&acme.admin, &acme.path(&place), new.clone())
        .await
        .expect(201);
    let object = format!("{place}/{}", made.text("id"));
    for path in [acme.path(&object), other.path(&object)] {
        bench.get(&other.owner, &path).await.expect(404);
        bench.patch(&other.owner, &path, json!({})).await.expect(404);
        let rotate = format!("{path}/rotate-secret");
        bench.post(&other.owner, &rotate, json!({})).await.expect(404);
        bench.delete(&other.owner, &path).await.expect(404);
    }
    for list in [
        &place,
        &format!("gateways/{gateway}/clients"),
        &format!("gateways/{gateway}/blocked-clients"),
    ] {
        bench.get(&acme.viewer, &acme.path(list)).await.expect(200);
        bench.get(&other.owner, &acme.path(list)).await.expect(404);
        bench.get(&other.owner, &other.path(list)).await.expect(404);
    }
    bench
        .post(&other.owner, &other.path(&place), new)
        .await
        .expect(404);
    let block = json!({"client_id": made.text("id")});
    let blocked = other.path(&format!("gateways/{gateway}/blocked-clients"));
    bench.post(&other.owner, &blocked, block).await.expect(404);
    let read = bench.get(&acme.viewer, &acme.path(&object)).await.expect(200);
    assert_eq!(read.etag(), made.etag());
}
