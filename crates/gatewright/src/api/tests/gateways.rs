//! Gateways: slugs, modes, and what a change of mode ends.

use gatewright_store::revocation::Denied;
use serde_json::json;

use super::bench::Bench;

#[tokio::test]
async fn a_slug_is_unique_in_the_instance_and_minted_when_empty() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let new = |slug: &str| json!({"name": "My Agents", "slug": slug, "authentication_mode": "headers"});
    let minted = bench
        .post(&acme.admin, &acme.path("gateways"), new(""))
        .await
        .expect(201);
    assert!(minted.text("slug").starts_with("my-agents-"));
    let named = bench
        .post(&acme.admin, &acme.path("gateways"), new("Agents"))
        .await
        .expect(201);
    let taken = bench
        .post(&other.admin, &other.path("gateways"), new("agents"))
        .await
        .expect(422);
    assert_eq!(taken.pointers(), ["/slug"], "whatever the case");
    // A slug once used is never given to another project; its own may have it again.
    let path = acme.path(&format!("gateways/{}", named.text("id")));
    bench.delete(&acme.admin, &path).await.expect(204);
    bench
        .post(&other.admin, &other.path("gateways"), new("agents"))
        .await
        .expect(422);
    bench
        .post(&acme.admin, &acme.path("gateways"), new("agents"))
        .await
        .expect(201);
}

#[tokio::test]
async fn who_the_users_are_must_be_said_and_members_need_no_source() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let create = async |body| bench.post(&acme.admin, &acme.path("gateways"), body).await;
    let refused = create(json!({"name": "G"})).await.expect(422);
    assert_eq!(refused.pointers(), ["/authentication_mode"]);
    let told = refused.text("detail");
    for mode in ["`user_source`", "`project_members`", "`headers`"] {
        assert!(told.contains(mode), "{told}");
    }
    let source = acme.source(&bench, "One").await;
    let both = json!({"name": "G", "authentication_mode": "project_members", "user_source_id": source});
    assert_eq!(create(both).await.expect(422).pointers(), ["/user_source_id"]);
    let made = create(json!({"name": "G", "authentication_mode": "project_members"})).await;
    assert_eq!(made.expect(201).text("authentication_mode"), "project_members");
}

#[tokio::test]
async fn a_change_of_mode_or_source_ends_the_grants() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let (one, two) = (acme.source(&bench, "One").await, acme.source(&bench, "Two").await);
    let gateway = acme.gateway_of(&bench, &one, "Agents", "active").await;
    let path = acme.path(&format!("gateways/{gateway}"));
    let user = bench.user(&acme, &one, "ada").await;
    let grants = acme.path(&format!("users/{user}/grants"));
    let live = async || {
        bench.get(&acme.viewer, &grants).await.expect(200).body["items"]
            .as_array()
            .unwrap()
            .len()
    };

    let grant = bench.grant(&acme, user, &one, &gateway).await;
    assert_eq!(live().await, 1);
    bench
        .patch(&acme.admin, &path, json!({"name": "Renamed"}))
        .await
        .expect(200);
    assert_eq!(live().await, 1, "a new name ends nothing");
    bench
        .patch(&acme.admin, &path, json!({"user_source_id": two}))
        .await
        .expect(200);
    assert_eq!(live().await, 0);
    assert!(
        bench
            .app
            .directory
            .current()
            .unwrap()
            .denies(Denied::Grant(grant))
    );

    bench
        .patch(&acme.admin, &path, json!({"user_source_id": one}))
        .await
        .expect(200);
    bench.grant(&acme, user, &one, &gateway).await;
    assert_eq!(live().await, 1);
    let changed = bench
        .patch(&acme.admin, &path, json!({"authentication_mode": "headers"}))
        .await
        .expect(200);
    assert!(
        changed.body["user_source_id"].is_null(),
        "leaving the mode leaves its source"
    );
    assert_eq!(live().await, 0);
    let back = bench
        .patch(&acme.admin, &path, json!({"authentication_mode": "user_source"}))
        .await
        .expect(422);
    assert_eq!(back.pointers(), ["/user_source_id"]);
}

#[tokio::test]
async fn an_inactive_gateway_is_gone_from_the_next_request_on() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let new = json!({"name": "G", "slug": "g", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    let path = acme.path(&format!("gateways/{}", gateway.text("id")));
    let is_there = || bench.app.directory.current().unwrap().gateway("g").is_some();
    assert!(is_there());
    bench
        .patch(&acme.admin, &path, json!({"status": "inactive"}))
        .await
        .expect(200);
    assert!(!is_there());
    bench
        .patch(&acme.admin, &path, json!({"status": "active"}))
        .await
        .expect(200);
    assert!(is_there());
    bench.delete(&acme.admin, &path).await.expect(204);
    assert!(!is_there());
    let actions = acme.actions(&bench).await;
    assert_eq!(
        actions[..4],
        [
            "gateway.deleted",
            "gateway.updated",
            "gateway.updated",
            "gateway.created"
        ]
    );
}

#[tokio::test]
async fn gateways_are_found_by_text_mode_and_status() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    for (name, mode, status) in [
        ("Support", "headers", "active"),
        ("Support at night", "headers", "inactive"),
        ("Office", "project_members", "active"),
    ] {
        let new = json!({"name": name, "authentication_mode": mode, "status": status});
        bench
            .post(&acme.admin, &acme.path("gateways"), new)
            .await
            .expect(201);
    }
    let count = async |query: &str| {
        let answer = bench
            .get(&acme.viewer, &acme.path(&format!("gateways{query}")))
            .await
            .expect(200);
        answer.body["items"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 3);
    assert_eq!(count("?search=SUPPORT").await, 2);
    assert_eq!(count("?authentication_mode=project_members").await, 1);
    assert_eq!(count("?search=support&status=active").await, 1);
    bench
        .get(&acme.viewer, &acme.path("gateways?status=nonsense"))
        .await
        .expect(400);
}
