//! Rotating API keys: the new one works immediately, the old one until the overlap ends.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, Tenant};

const DAY: Duration = Duration::from_hours(24);

/// The id of the key of this name.
async fn id_of(bench: &Bench, tenant: &Tenant, name: &str) -> String {
    let keys = bench
        .get(&tenant.owner, &tenant.path("api-keys"))
        .await
        .expect(200);
    let keys = keys.body["items"].as_array().unwrap().clone();
    let key = keys.iter().find(|key| key["name"] == name).unwrap();
    key["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn both_keys_work_until_the_overlap_ends() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let old = id_of(&bench, &acme, "viewer").await;
    let path = acme.path(&format!("api-keys/{old}/rotate"));
    let list = acme.path("gateways");
    let made = bench.post(&acme.owner, &path, json!({})).await.expect(201);
    let new = made.text("key");
    assert_ne!(new, acme.viewer);
    assert_eq!(
        (made.text("name"), made.text("role")),
        ("viewer".into(), "viewer".into())
    );
    assert_eq!(made.body["expires_at"], Value::Null);
    for key in [&new, &acme.viewer] {
        bench.get(key, &list).await.expect(200);
        // It has gained no right.
        bench.post(key, &list, json!({})).await.expect(403);
    }
    let shown = bench
        .get(&acme.owner, &acme.path(&format!("api-keys/{old}")))
        .await
        .expect(200);
    assert_eq!(shown.text("successor_id"), made.text("id"));
    let actions = acme.actions(&bench).await;
    // Both happened in one change, so either may come first.
    let mut newest = actions[..2].to_vec();
    newest.sort();
    assert_eq!(newest, ["api_key.created", "api_key.rotated"]);
    let again = bench.post(&acme.owner, &path, json!({})).await.expect(409);
    assert!(
        again.text("detail").contains(&made.text("id")),
        "{:#}",
        again.body
    );
    assert_eq!(acme.actions(&bench).await.len(), actions.len());

    bench.clock.advance(DAY);
    bench.get(&new, &list).await.expect(200);
    bench.get(&acme.viewer, &list).await.expect(401);
}

#[tokio::test]
async fn the_overlap_is_bounded_and_may_be_nothing() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let id = id_of(&bench, &acme, "admin").await;
    let path = acme.path(&format!("api-keys/{id}/rotate"));
    let list = acme.path("gateways");
    for (wrong, pointer) in [
        (json!({"overlap_seconds": 604_801}), "/overlap_seconds"),
        (json!({"overlap_seconds": -1}), "/overlap_seconds"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
    ] {
        let refused = bench.post(&acme.owner, &path, wrong).await.expect(422);
        assert_eq!(refused.pointers(), [pointer]);
    }
    bench.get(&acme.admin, &list).await.expect(200);
    let made = bench
        .post(&acme.owner, &path, json!({"overlap_seconds": 0}))
        .await
        .expect(201);
    bench.get(&acme.admin, &list).await.expect(401);
    bench.get(&made.text("key"), &list).await.expect(200);
    let ended = bench.post(&acme.owner, &path, json!({})).await.expect(409);
    assert!(ended.text("detail").contains("rotated before"));

    let made = id_of(&bench, &acme, "viewer").await;
    let viewer = acme.path(&format!("api-keys/{made}"));
    bench.delete(&acme.owner, &viewer).await.expect(204);
    let revoked = bench
        .post(&acme.owner, &format!("{viewer}/rotate"), json!({}))
        .await
        .expect(409);
    assert!(revoked.text("detail").contains("no longer works"));
}

#[tokio::test]
async fn a_key_for_a_time_makes_itself_no_lasting_one() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let end = bench.now().plus(DAY * 3).to_rfc3339();
    let new = json!({"name": "lent", "role": "owner", "expires_at": end});
    let lent = bench
        .post(&acme.owner, &acme.path("api-keys"), new)
        .await
        .expect(201);
    let (id, lent) = (lent.text("id"), lent.text("key"));
    let path = acme.path(&format!("api-keys/{id}/rotate"));
    let later = bench.now().plus(DAY * 4).to_rfc3339();
    let refused = bench
        .post(&lent, &path, json!({"expires_at": later}))
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/expires_at"]);
    let owner = id_of(&bench, &acme, "owner").await;
    let refused = bench
        .post(&lent, &acme.path(&format!("api-keys/{owner}/rotate")), json!({}))
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/expires_at"]);
    // Its own successor expires with it; a key that does not expire can extend it.
    let at_once = json!({"overlap_seconds": 0});
    let made = bench.post(&lent, &path, at_once).await.expect(201);
    assert_eq!(made.text("expires_at"), end);
    let path = acme.path(&format!("api-keys/{}/rotate", made.text("id")));
    let made = bench
        .post(&acme.owner, &path, json!({"expires_at": later}))
        .await
        .expect(201);
    assert_eq!(made.text("expires_at"), later);
}

#[tokio::test]
async fn the_newest_key_is_not_rotated_while_the_one_before_works() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let first = id_of(&bench, &acme, "viewer").await;
    let key_path = |id: &str| acme.path(&format!("api-keys/{id}"));
    let rotate = async |id: &str| {
        let path = format!("{}/rotate", key_path(id));
        bench.post(&acme.owner, &path, json!({})).await
    };
    let second = rotate(&first).await.expect(201).text("id");
    let shown = bench.get(&acme.owner, &key_path(&first)).await.expect(200);
    let refused = rotate(&second).await.expect(409);
    let detail = refused.text("detail");
    assert!(
        detail.contains(&first) && detail.contains(&shown.text("expires_at")),
        "{detail}"
    );
    bench.clock.advance(DAY);
    let third = rotate(&second).await.expect(201).text("id");
    rotate(&third).await.expect(409);
    bench.delete(&acme.owner, &key_path(&second)).await.expect(204);
    rotate(&third).await.expect(201);
}

#[tokio::test]
async fn keys_of_gateways_and_of_the_instance_are_rotated_likewise() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let new = json!({"name": "Agents", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201)
        .text("id");
    let bound = json!({"name": "bound", "role": "gateway", "gateway_id": gateway});
    let bound = bench
        .post(&acme.owner, &acme.path("api-keys"), bound)
        .await
        .expect(201);
    let path = acme.path(&format!("api-keys/{}/rotate", bound.text("id")));
    let made = bench.post(&acme.owner, &path, json!({})).await.expect(201);
    assert_eq!(made.text("gateway_id"), gateway);
    assert_eq!(made.text("role"), "gateway");

    let keys = bench.get(&bench.instance, "/api-keys").await.expect(200);
    let id = keys.body["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api-keys/{id}/rotate");
    bench
        .with(Method::POST, &path, Some(&acme.owner), &[], Some(json!({})))
        .await
        .expect(403);
    let made = bench.post(&bench.instance, &path, json!({})).await.expect(201);
    assert_eq!(
        made.headers["location"],
        format!("/api/v1/api-keys/{}", made.text("id"))
    );
    for key in [made.text("key"), bench.instance.clone()] {
        bench.get(&key, "/projects").await.expect(200);
    }
    bench.clock.advance(DAY);
    bench.get(&made.text("key"), "/projects").await.expect(200);
    bench.get(&bench.instance, "/projects").await.expect(401);
}

#[tokio::test]
async fn keys_and_users_are_changed_from_the_version_that_was_seen() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let user = bench.user(&acme, &source, "ada").await;
    let key = id_of(&bench, &acme, "viewer").await;
    for (path, change) in [
        (acme.path(&format!("users/{user}")), json!({"status": "blocked"})),
        (acme.path(&format!("api-keys/{key}")), json!({"name": "Reader"})),
    ] {
        let seen = bench.get(&acme.owner, &path).await.expect(200).etag().to_owned();
        let with = async |method, tag: &str, body| {
            let headers = [("if-match", tag)];
            bench.with(method, &path, Some(&acme.owner), &headers, body).await
        };
        with(Method::PATCH, "\"other\"", Some(change.clone()))
            .await
            .expect(412);
        with(Method::DELETE, "\"other\"", None).await.expect(412);
        assert_eq!(bench.get(&acme.owner, &path).await.expect(200).etag(), seen);
        let changed = with(Method::PATCH, &seen, Some(change.clone())).await.expect(200);
        assert_ne!(changed.etag(), seen);
        with(Method::DELETE, &seen, None).await.expect(412);
        with(Method::DELETE, changed.etag(), None).await.expect(204);
    }
}
