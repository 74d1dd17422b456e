//! Servers are asked when they are saved, and whenever someone wants to see them.

use serde_json::json;

use super::bench::Bench;
use crate::testing::servers::{TestServer, dead_url};

#[tokio::test]
async fn a_server_that_does_not_answer_is_saved_with_a_warning() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let dead = json!({"slug": "dead", "url": dead_url().await, "retries": 0});
    let saved = bench
        .post(&acme.admin, &acme.path("servers"), dead)
        .await
        .expect(201);
    assert_eq!(saved.body["warnings"][0]["pointer"], "/url");
    let told = saved.body["warnings"][0]["detail"].as_str().unwrap();
    assert!(
        told.starts_with("The server cannot be reached: ") && told.contains("Check the URL"),
        "{told}"
    );
    let path = acme.path(&format!("servers/{}", saved.text("id")));
    let alive = TestServer::with(json!([{"name": "a", "inputSchema": {}}])).await;
    let moved = json!({"url": alive.url});
    let saved = bench.patch(&acme.admin, &path, moved).await.expect(200);
    assert_eq!(saved.body["warnings"], json!([]));
    let asked = alive.received().len();
    let renamed = bench
        .patch(&acme.admin, &path, json!({"name": "Tools"}))
        .await
        .expect(200);
    assert_eq!(renamed.body["warnings"], json!([]));
    assert_eq!(alive.received().len(), asked, "another name needs no asking");
    let bare = TestServer::with(json!([])).await;
    let empty = bench
        .patch(&acme.admin, &path, json!({"url": bare.url}))
        .await
        .expect(200);
    assert!(
        empty.body["warnings"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("has no tools")
    );
}

#[tokio::test]
async fn a_check_says_what_a_server_is_and_what_it_has() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let server = TestServer::with(json!([
        {"name": "a", "description": "Does a.", "inputSchema": {}, "annotations": {"readOnlyHint": true}},
        {"title": "without a name"},
    ]))
    .await;
    let new = json!({"slug": "tools", "url": server.url, "identity": "assertion"});
    let saved = bench
        .post(&acme.admin, &acme.path("servers"), new)
        .await
        .expect(201);
    let path = acme.path(&format!("servers/{}/check", saved.text("id")));
    let asked = server.received().len();
    let seen = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(server.received().len(), asked, "it was seen a moment ago");
    assert_eq!(seen.body["answers"], true);
    assert_eq!(seen.body["problem"], json!(null));
    assert_eq!(seen.body["protocol_version"], "2026-07-28");
    assert_eq!(
        (seen.text("server_name"), seen.text("server_version")),
        ("Shelf <b>".to_owned(), "3.1".to_owned())
    );
    assert_eq!(seen.body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(seen.body["tools"][0]["read_only"], true);
    let names = json!({"without_prefix": "a", "with_prefix": "tools_a"});
    assert_eq!(seen.body["tools"][0]["shown_as"], names);
    assert_eq!(seen.body["left_out"].as_array().unwrap().len(), 1);
    assert!(
        server
            .received()
            .iter()
            .all(|headers| !headers.contains_key("gatewright-assertion")),
        "nobody is spoken of"
    );
    server.answer_with(401);
    let refused = bench.post(&acme.admin, &path, json!({})).await.expect(200);
    assert_eq!(refused.body["answers"], false);
    assert!(server.received().len() > asked);
    // It may answer only when it receives the identity of the user.
    assert_eq!(refused.body["problem"]["pointer"], "/identity");
    bench.post(&acme.viewer, &path, json!({})).await.expect(403);
}

#[tokio::test]
async fn a_short_prefix_is_unique_in_the_project_and_goes_with_null() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let server = TestServer::with(json!([{"name": "files.read", "inputSchema": {}}])).await;
    let new = |slug: &str, prefix: &str| json!({"slug": slug, "url": server.url, "prefix": prefix});
    let servers = acme.path("servers");
    let made = bench
        .post(&acme.admin, &servers, new("github", "gh"))
        .await
        .expect(201);
    assert_eq!(made.text("prefix"), "gh");
    let path = acme.path(&format!("servers/{}", made.text("id")));
    let seen = bench
        .get(&acme.viewer, &format!("{path}/check"))
        .await
        .expect(200);
    let shown = &seen.body["tools"][0]["shown_as"];
    let starts = |name: &str, with: &str| shown[name].as_str().unwrap().starts_with(with);
    assert!(
        starts("without_prefix", "files_read_x") && starts("with_prefix", "gh_files_read_x"),
        "{shown}"
    );
    for (slug, prefix, pointer) in [
        ("other", "gh", "/prefix"),
        ("gh", "", "/slug"),
        ("other", "G", "/prefix"),
    ] {
        let refused = bench
            .post(&acme.admin, &servers, new(slug, prefix))
            .await
            .expect(422);
        assert_eq!(refused.pointers(), [pointer], "{slug} {prefix}");
    }
    let other = bench
        .post(&acme.admin, &servers, new("other", ""))
        .await
        .expect(201);
    assert_eq!(other.body["prefix"], json!(null));
    for prefix in [json!("github"), json!(null), json!("")] {
        let changed = bench
            .patch(&acme.admin, &path, json!({"prefix": prefix}))
            .await
            .expect(200);
        let expected = if prefix == json!("") { json!(null) } else { prefix };
        assert_eq!(changed.body["prefix"], expected);
    }
    bench
        .post(&acme.admin, &servers, new("third", "gh"))
        .await
        .expect(201);
    let events = bench
        .get(&acme.viewer, &acme.path("audit-events"))
        .await
        .expect(200);
    let changes = events.body["items"].to_string();
    assert!(
        changes.contains(r#"{"after":"github","before":"gh","field":"prefix"}"#),
        "{changes}"
    );
}

#[tokio::test]
async fn a_server_can_be_asked_for_versions_with_sessions_only() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let server = TestServer::with(json!([{"name": "a", "inputSchema": {}}])).await;
    let new = |slug: &str, protocol: &str| json!({"slug": slug, "url": server.url, "protocol": protocol});
    let servers = acme.path("servers");
    let made = bench
        .post(&acme.admin, &servers, json!({"slug": "one", "url": server.url}))
        .await
        .expect(201);
    assert_eq!(made.text("protocol"), "automatic");
    assert_eq!(made.body["warnings"], json!([]));
    let path = acme.path(&format!("servers/{}", made.text("id")));
    // It is asked again, and this one has no sessions.
    let changed = bench
        .patch(&acme.admin, &path, json!({"protocol": "sessions_only"}))
        .await
        .expect(200);
    assert_eq!(changed.text("protocol"), "sessions_only");
    assert_eq!(
        changed.body["warnings"][0]["pointer"], "/protocol",
        "{}",
        changed.body
    );
    let events = bench
        .get(&acme.viewer, &acme.path("audit-events"))
        .await
        .expect(200);
    let trail = events.body["items"].to_string();
    assert!(
        trail.contains(r#"{"after":"sessions_only","before":"automatic","field":"protocol"}"#),
        "{trail}"
    );
    let reset = bench
        .patch(&acme.admin, &path, json!({"protocol": null}))
        .await
        .expect(200);
    assert_eq!(reset.text("protocol"), "automatic");
    bench
        .post(&acme.admin, &servers, new("two", "sessions"))
        .await
        .expect(422);
}
