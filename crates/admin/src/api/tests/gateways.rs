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
    // A slug once used never goes to another project; its own project can use it again.
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
            .gateways()
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
async fn an_inactive_gateway_returns_404_from_the_next_request_on() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let new = json!({"name": "G", "slug": "g", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    let path = acme.path(&format!("gateways/{}", gateway.text("id")));
    let is_there = || {
        bench
            .app
            .gateways()
            .directory
            .current()
            .unwrap()
            .gateway("g")
            .is_some()
    };
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

#[tokio::test]
async fn a_gateway_whose_source_was_deleted_says_so_and_everything_else_of_it_can_be_changed() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let (gone, other) = (
        acme.source(&bench, "Gone").await,
        acme.source(&bench, "Other").await,
    );
    let gateway = acme.gateway_of(&bench, &gone, "Agents", "inactive").await;
    let path = acme.path(&format!("gateways/{gateway}"));
    let change = async |body| bench.patch(&acme.admin, &path, body).await;
    bench
        .delete(&acme.admin, &acme.path(&format!("user-sources/{gone}")))
        .await
        .expect(204);

    let more =
        json!({"name": "Renamed", "description": "For the desk", "settings": {"access_token_seconds": 600}});
    assert_eq!(change(more).await.expect(200).text("name"), "Renamed");
    // A form sends everything it shows, the source included.
    let whole =
        json!({"instructions": "Be kind.", "authentication_mode": "user_source", "user_source_id": gone});
    assert_eq!(change(whole).await.expect(200).text("user_source_id"), gone);
    let activated = json!({"status": "active"});
    let refused = change(activated.clone()).await.expect(409);
    assert!(
        refused.text("detail").contains("was deleted"),
        "{:#}",
        refused.body
    );
    let refused = bench
        .patch(&acme.admin, &format!("{path}?dry_run=true"), activated)
        .await;
    refused.expect(409);

    // No other gateway gets it, and no new one.
    let spare = acme.gateway_of(&bench, &other, "Spare", "inactive").await;
    let spare = acme.path(&format!("gateways/{spare}"));
    let attach = json!({"user_source_id": gone});
    let refused = bench.patch(&acme.admin, &spare, attach).await.expect(422);
    assert_eq!(refused.pointers(), ["/user_source_id"]);
    let new = json!({
        "name": "New", "authentication_mode": "user_source", "user_source_id": gone, "status": "inactive",
    });
    let refused = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/user_source_id"]);

    let mended = change(json!({"user_source_id": other, "status": "active"}))
        .await
        .expect(200);
    assert_eq!(mended.text("status"), "active");
}

#[tokio::test]
async fn an_unknown_id_in_a_body_is_a_violation_of_its_member_and_an_unknown_id_in_the_path_is_not_found() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let id = |prefix: &str| format!("{prefix}_01900000000070008000000000000001");
    let (source, server, gateway) = (id("src"), id("srv"), id("gw"));
    let with = |more: serde_json::Value| {
        let mut new = json!({"name": "New", "authentication_mode": "headers"});
        new.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        new
    };
    let of_source = json!({"authentication_mode": "user_source", "user_source_id": source});
    let of_tools = json!({"allowed_tools": [{"server": server, "tool": "search"}]});
    let of_prompts = json!({"allowed_prompts": [{"server": server, "prompt": "ask"}]});
    let of_resources = json!({"allowed_resources": [{"server": server, "uri": "file:///a"}]});
    let key = json!({"name": "bound", "role": "gateway", "gateway_id": gateway});
    for (path, body, pointer) in [
        ("gateways", with(of_source), "/user_source_id"),
        ("gateways", with(json!({"servers": [server]})), "/servers/0"),
        ("gateways", with(of_tools), "/allowed_tools/0/server"),
        ("gateways", with(of_prompts), "/allowed_prompts/0/server"),
        ("gateways", with(of_resources), "/allowed_resources/0/server"),
        ("api-keys", key, "/gateway_id"),
    ] {
        let refused = bench.post(&acme.owner, &acme.path(path), body).await.expect(422);
        assert_eq!(refused.pointers(), [pointer]);
        assert!(
            refused.text("detail").contains("with this ID in this project"),
            "{pointer}"
        );
    }
    let nowhere = acme.path(&format!("gateways/{gateway}"));
    bench
        .patch(&acme.admin, &nowhere, json!({"name": "Renamed"}))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_gateway_says_when_names_begin_with_the_prefix_of_their_server() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let new = json!({"name": "G", "slug": "g", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    assert_eq!(gateway.text("prefix_mode"), "when_several");
    let path = acme.path(&format!("gateways/{}", gateway.text("id")));
    for (set, mode) in [
        (json!("always"), "always"),
        (json!("never"), "never"),
        (json!(null), "when_several"),
    ] {
        let changed = bench
            .patch(&acme.admin, &path, json!({"prefix_mode": set}))
            .await
            .expect(200);
        assert_eq!(changed.text("prefix_mode"), mode);
        assert_eq!(
            bench
                .get(&acme.viewer, &path)
                .await
                .expect(200)
                .text("prefix_mode"),
            mode
        );
    }
    let renamed = bench
        .patch(&acme.admin, &path, json!({"name": "H"}))
        .await
        .expect(200);
    assert_eq!(renamed.text("prefix_mode"), "when_several");
    bench
        .patch(&acme.admin, &path, json!({"prefix_mode": "sometimes"}))
        .await
        .expect(422);
    let events = bench
        .get(&acme.viewer, &acme.path("audit-events"))
        .await
        .expect(200);
    let of_first_change = &events.body["items"][3]["changes"];
    assert_eq!(
        *of_first_change,
        json!([{"field": "prefix_mode", "before": "when_several", "after": "always"}]),
        "{}",
        events.body
    );
}

#[tokio::test]
async fn a_gateway_says_whether_the_instructions_of_its_servers_follow() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let new = json!({"name": "G", "slug": "g", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    assert_eq!(gateway.body["server_instructions"], json!(false));
    let path = acme.path(&format!("gateways/{}", gateway.text("id")));
    for (set, is_on) in [
        (json!({"server_instructions": true}), true),
        (json!({"name": "H"}), true),
        (json!({"server_instructions": null}), false),
    ] {
        let changed = bench.patch(&acme.admin, &path, set).await.expect(200);
        assert_eq!(changed.body["server_instructions"], json!(is_on));
    }
}
