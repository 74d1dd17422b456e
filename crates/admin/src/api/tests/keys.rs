//! API keys: who makes which, and when they stop working.

use std::time::Duration;

use axum::http::{StatusCode, header};
use gatewright_domain::{Timestamp, api_key, entropy::SystemEntropy};
use serde_json::json;

use super::bench::Bench;
use crate::service;

#[tokio::test]
async fn the_first_instance_key_is_made_once() {
    let bench = Bench::new().await;
    assert!(service::instance::init(&bench.app).await.unwrap().is_none());
    let keys = bench.get(&bench.instance, "/api-keys").await.expect(200);
    let id = keys.body["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(keys.body["items"].as_array().unwrap().len(), 1);
    bench
        .delete(&bench.instance, &format!("/api-keys/{id}"))
        .await
        .expect(204);
    bench.get(&bench.instance, "/projects").await.expect(401);
    // Two at the same moment make one between them.
    let (one, two) = tokio::join!(
        service::instance::init(&bench.app),
        service::instance::init(&bench.app)
    );
    let made: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    let key = made[0].expose();
    bench.get(key, "/projects").await.expect(200);
    let another = bench
        .post(key, "/api-keys", json!({"name": "CI"}))
        .await
        .expect(201);
    assert_eq!(another.text("role"), "instance");
    let third = service::instance::new_key(&bench.app, "Lost the others")
        .await
        .unwrap();
    bench.get(third.expose(), "/projects").await.expect(200);
}

#[tokio::test]
async fn an_instance_key_makes_only_the_first_owner() {
    let bench = Bench::new().await;
    let project = bench
        .post(&bench.instance, "/projects", json!({"name": "Acme"}))
        .await
        .expect(201);
    let keys = format!("/projects/{}/api-keys", project.text("id"));
    let of_role = |role: &str| json!({"name": "first", "role": role});
    for role in ["viewer", "admin", "gateway"] {
        bench
            .post(&bench.instance, &keys, of_role(role))
            .await
            .expect(403);
    }
    let first = bench
        .post(&bench.instance, &keys, of_role("owner"))
        .await
        .expect(201);
    bench
        .post(&bench.instance, &keys, of_role("owner"))
        .await
        .expect(403);
    let owner = first.text("key");
    let listed = bench.get(&owner, &keys).await.expect(200);
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    // When no owner's key is left, the project can be had back.
    bench
        .delete(&owner, &format!("{keys}/{}", first.text("id")))
        .await
        .expect(204);
    bench.get(&owner, &keys).await.expect(401);
    bench
        .post(&bench.instance, &keys, of_role("owner"))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_key_stops_at_its_time_and_at_its_revocation() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let keys = acme.path("api-keys");
    let expires_at = bench.now().plus(Duration::from_mins(1)).to_rfc3339();
    let new = json!({"name": "CI", "role": "viewer", "expires_at": expires_at});
    let made = bench.post(&acme.owner, &keys, new).await.expect(201);
    let (key, id) = (made.text("key"), made.text("id"));
    bench.get(&key, &keys).await.expect(200);
    bench.clock.advance(Duration::from_mins(1));
    bench.get(&key, &keys).await.expect(401);
    let past = json!({"name": "CI", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(
        bench.post(&acme.owner, &keys, past).await.expect(422).pointers(),
        ["/expires_at"]
    );

    let read = bench.get(&acme.viewer, &format!("{keys}/{id}")).await.expect(200);
    assert!(read.body.get("key").is_none(), "the text is shown once");
    let new = json!({"name": "other", "role": "admin", "gateway_id": null});
    let made = bench.post(&acme.owner, &keys, new).await.expect(201);
    bench
        .delete(&acme.owner, &format!("{keys}/{}", made.text("id")))
        .await
        .expect(204);
    bench.get(&made.text("key"), &keys).await.expect(401);
    bench
        .delete(&acme.owner, &format!("{keys}/{}", made.text("id")))
        .await
        .expect(204);
    let revoked = bench
        .get(&acme.viewer, &format!("{keys}/{}", made.text("id")))
        .await
        .expect(200);
    assert!(revoked.body["revoked_at"].is_string());
    let actions = acme.actions(&bench).await;
    assert_eq!(
        actions
            .iter()
            .filter(|action| *action == "api_key.revoked")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_key_of_role_gateway_can_be_bound_to_a_gateway() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let new = json!({"name": "G", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201)
        .text("id");
    let keys = acme.path("api-keys");
    let bound = json!({"name": "Bound", "role": "gateway", "gateway_id": gateway});
    let made = bench.post(&acme.owner, &keys, bound).await.expect(201);
    assert_eq!(made.text("gateway_id"), gateway);
    let hash = gatewright_domain::token_hash::TokenHash::of(&made.text("key"));
    let is_known = || {
        bench
            .app
            .gateways()
            .directory
            .current()
            .unwrap()
            .gateway_key(&hash)
            .is_some()
    };
    assert!(is_known());
    bench
        .delete(&acme.owner, &format!("{keys}/{}", made.text("id")))
        .await
        .expect(204);
    assert!(!is_known());
    let wrong = json!({"name": "Bound", "role": "viewer", "gateway_id": gateway});
    assert_eq!(
        bench.post(&acme.owner, &keys, wrong).await.expect(422).pointers(),
        ["/gateway_id"]
    );
    let renamed = bench
        .patch(
            &acme.owner,
            &format!("{keys}/{}", made.text("id")),
            json!({"name": "Old"}),
        )
        .await;
    assert_eq!(renamed.expect(200).text("name"), "Old");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    bench.clock.advance(Duration::from_hours(1));
    bench.stand_still();
    bench.get(&acme.viewer, &acme.path("servers")).await.expect(200);
    assert!(
        bench
            .app
            .last_used
            .flush(&bench.app.gateways().store)
            .await
            .unwrap()
            > 0
    );
    let keys = bench.get(&acme.viewer, &acme.path("api-keys")).await.expect(200);
    let items = keys.body["items"].as_array().unwrap();
    let viewer = items.iter().find(|key| key["role"] == "viewer").unwrap();
    let last_used: Timestamp = serde_json::from_value(viewer["last_used_at"].clone()).unwrap();
    assert_eq!(last_used, bench.now());
}

#[tokio::test]
async fn a_key_cannot_outlive_the_key_that_makes_it() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let after = |minutes| bench.now().plus(Duration::from_mins(minutes)).to_rfc3339();
    let (sooner, end, later) = (after(5), after(10), after(11));
    let new = |expires_at: Option<&str>| json!({"name": "Key", "role": "owner", "expires_at": expires_at});
    for (path, maker) in [
        (acme.path("api-keys"), &acme.owner),
        ("/api-keys".to_owned(), &bench.instance),
    ] {
        let new = |expires_at: Option<&str>| {
            let mut new = new(expires_at);
            if path == "/api-keys" {
                new.as_object_mut().unwrap().remove("role");
            }
            new
        };
        let temporary = bench
            .post(maker, &path, new(Some(&end)))
            .await
            .expect(201)
            .text("key");
        for wrong in [None, Some(later.as_str())] {
            let refused = bench.post(&temporary, &path, new(wrong)).await.expect(422);
            assert_eq!(refused.pointers(), ["/expires_at"]);
            assert!(refused.text("detail").contains(&end), "{:#}", refused.body);
        }
        for right in [&end, &sooner] {
            bench.post(&temporary, &path, new(Some(right))).await.expect(201);
        }
        bench.post(maker, &path, new(None)).await.expect(201);
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_has_to_wait_and_valid_keys_keep_working() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    bench.get(&acme.viewer, &acme.path("gateways")).await.expect(200);
    let limited = async || {
        for tries in 0..1_000 {
            let unknown = api_key::generate(&SystemEntropy);
            let answer = bench.get(unknown.expose(), "/projects").await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                return Some((tries, answer));
            }
            answer.expect(401);
        }
        None
    };
    let (tries, answer) = limited().await.unwrap();
    assert!(tries >= 50, "some mistakes are free");
    let wait: u64 = answer.headers[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(wait > 0);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    bench.get(&acme.viewer, &acme.path("gateways")).await.expect(200);
}

#[tokio::test]
async fn an_invitation_ends_with_the_key_that_made_it() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let keys = acme.path("api-keys");
    let inviting_key = async || {
        let new = json!({"name": "inviting", "role": "owner"});
        bench.post(&acme.owner, &keys, new).await.expect(201)
    };
    let invite = async |key: &str, email: &str| {
        let new = json!({"email": email, "role": "owner"});
        let answer = bench.post(key, &acme.path("invitations"), new).await;
        acme.path(&format!("invitations/{}", answer.expect(201).text("id")))
    };
    let (revoked, rotated, stays) = (inviting_key().await, inviting_key().await, inviting_key().await);
    let one = invite(&revoked.text("key"), "one@example.com").await;
    let two = invite(&rotated.text("key"), "two@example.com").await;
    let three = invite(&stays.text("key"), "three@example.com").await;
    let path = format!("{keys}/{}", revoked.text("id"));
    bench.delete(&acme.owner, &path).await.expect(204);
    let path = format!("{keys}/{}/rotate", rotated.text("id"));
    bench
        .post(&acme.owner, &path, json!({"overlap_seconds": 60}))
        .await
        .expect(201);
    let status = async |path: &str| bench.get(&acme.viewer, path).await.expect(200).text("status");
    assert_eq!(status(&one).await, "revoked");
    assert_eq!(status(&two).await, "open");
    bench.clock.advance(Duration::from_mins(1));
    assert_eq!(
        (status(&two).await, status(&three).await),
        ("expired".to_owned(), "open".to_owned())
    );
    let actions = acme.actions(&bench).await;
    assert_eq!(
        actions
            .iter()
            .filter(|action| *action == "invitation.revoked")
            .count(),
        1
    );
}
