//! End users: blocking, deleting and ending grants act on the next request.

use gatewright_store::revocation::Denied;
use serde_json::json;

use super::bench::Bench;

#[tokio::test]
async fn blocking_ends_grants_and_unblocking_brings_none_back() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let user = bench.user(&acme, &source, "ada").await;
    bench.grant(&acme, user, &source, &gateway).await;
    let path = acme.path(&format!("users/{user}"));
    let denied = || {
        bench
            .app
            .gateways()
            .directory
            .current()
            .unwrap()
            .denies(Denied::User(user))
    };
    let grants = async || {
        let answer = bench
            .get(&acme.viewer, &format!("{path}/grants"))
            .await
            .expect(200);
        answer.body["items"].as_array().unwrap().len()
    };
    assert!(!denied());
    assert_eq!(grants().await, 1);
    let blocked = bench
        .patch(&acme.admin, &path, json!({"status": "blocked"}))
        .await
        .expect(200);
    assert_eq!(blocked.text("status"), "blocked");
    assert!(denied());
    assert_eq!(grants().await, 0);
    bench
        .patch(&acme.admin, &path, json!({"status": "active"}))
        .await
        .expect(200);
    assert!(!denied());
    assert_eq!(grants().await, 0);
    assert_eq!(
        acme.actions(&bench).await[..2],
        ["user.unblocked", "user.blocked"]
    );
    bench
        .patch(&acme.admin, &path, json!({"status": "asleep"}))
        .await
        .expect(422);
}

#[tokio::test]
async fn grants_end_one_by_one_or_all_at_once() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let (ada, bob) = (
        bench.user(&acme, &source, "ada").await,
        bench.user(&acme, &source, "bob").await,
    );
    let first = bench.grant(&acme, ada, &source, &gateway).await;
    let second = bench.grant(&acme, ada, &source, &gateway).await;
    bench.grant(&acme, ada, &source, &gateway).await;
    let of_bob = bench.grant(&acme, bob, &source, &gateway).await;
    let denies = |grant| {
        bench
            .app
            .gateways()
            .directory
            .current()
            .unwrap()
            .denies(Denied::Grant(grant))
    };
    let grants = acme.path(&format!("users/{ada}/grants"));
    // Another user's grant is not under this user.
    bench
        .delete(&acme.admin, &format!("{grants}/{of_bob}"))
        .await
        .expect(404);
    assert!(!denies(of_bob));
    // Nor under another project, for its owner.
    let other = bench.tenant("Other").await;
    for path in [
        acme.path(&format!("users/{ada}/grants/{first}")),
        other.path(&format!("users/{ada}/grants/{first}")),
        other.path(&format!("users/{ada}/grants")),
    ] {
        bench.delete(&other.owner, &path).await.expect(404);
    }
    assert!(!denies(first));
    bench
        .delete(&acme.admin, &format!("{grants}/{first}"))
        .await
        .expect(204);
    assert!(denies(first));
    bench
        .delete(&acme.admin, &format!("{grants}/{first}"))
        .await
        .expect(404);
    // That the gateway is switched off keeps no grant from being ended.
    let switched = acme.path(&format!("gateways/{gateway}"));
    bench
        .patch(&acme.admin, &switched, json!({"status": "inactive"}))
        .await
        .expect(200);
    bench
        .delete(&acme.admin, &format!("{grants}/{second}"))
        .await
        .expect(204);
    assert!(denies(second));
    let ended = bench.delete(&acme.admin, &grants).await.expect(200);
    assert_eq!(ended.body["grants_ended"], 1);
    assert!(!denies(of_bob));

    let path = acme.path(&format!("users/{bob}"));
    bench.delete(&acme.admin, &path).await.expect(204);
    bench.get(&acme.viewer, &path).await.expect(404);
    assert!(
        bench
            .app
            .gateways()
            .directory
            .current()
            .unwrap()
            .denies(Denied::User(bob))
    );
    assert_eq!(
        acme.actions(&bench).await[..5],
        [
            "user.deleted",
            "user.grants_ended",
            "grant.ended",
            "gateway.updated",
            "grant.ended"
        ]
    );
}

#[tokio::test]
async fn users_are_found_by_text_and_source() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let (one, two) = (acme.source(&bench, "One").await, acme.source(&bench, "Two").await);
    bench.user(&acme, &one, "ada").await;
    bench.user(&acme, &two, "ada").await;
    bench.user(&acme, &two, "bob").await;
    let count = async |query: &str| {
        let answer = bench
            .get(&acme.viewer, &acme.path(&format!("users{query}")))
            .await
            .expect(200);
        answer.body["items"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 3, "a person in two sources is two users");
    assert_eq!(count("?search=ADA").await, 2);
    assert_eq!(count(&format!("?user_source_id={two}")).await, 2);
    assert_eq!(count(&format!("?user_source_id={two}&search=ada")).await, 1);
    bench
        .get(&acme.viewer, &acme.path("users?user_source_id=nonsense"))
        .await
        .expect(400);
}
