//! Secrets and the servers whose headers name them: a value goes only where it was entered for.

use serde_json::{Value, json};

use super::bench::Bench;

fn new_secret(value: &str) -> Value {
    json!({"name": "TOKEN", "value": value, "origins": ["https://mcp.example.com/"]})
}

fn new_server(url: &str) -> Value {
    json!({"slug": "tools", "url": url, "headers": [{"name": "Authorization", "value": "Bearer ${secret:TOKEN}"}]})
}

#[tokio::test]
async fn a_secret_goes_only_to_its_origins() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let (secrets, servers) = (acme.path("secrets"), acme.path("servers"));
    let unknown = bench
        .post(&acme.admin, &servers, new_server("https://mcp.example.com/mcp"))
        .await
        .expect(422);
    assert_eq!(unknown.pointers(), ["/headers/0/value"]);
    let secret = bench
        .post(&acme.admin, &secrets, new_secret("canary-one"))
        .await
        .expect(201);
    assert_eq!(secret.body["origins"], json!(["https://mcp.example.com"]));
    let elsewhere = bench
        .post(&acme.admin, &servers, new_server("https://evil.example.com/mcp"))
        .await
        .expect(422);
    let told = elsewhere.body.to_string();
    assert!(
        told.contains("`TOKEN`") && told.contains("https://evil.example.com"),
        "{told}"
    );
    let server = bench
        .post(&acme.admin, &servers, new_server("https://mcp.example.com/mcp"))
        .await
        .expect(201);
    let server_path = acme.path(&format!("servers/{}", server.text("id")));
    let secret_path = acme.path(&format!("secrets/{}", secret.text("id")));

    let moved = json!({"url": "https://evil.example.com/mcp"});
    let refused = bench
        .patch(&acme.admin, &server_path, moved.clone())
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/headers/0/value"]);
    assert_eq!(
        bench.get(&acme.viewer, &server_path).await.text("url"),
        "https://mcp.example.com/mcp"
    );
    let widened = json!({"origins": ["https://mcp.example.com", "https://evil.example.com"]});
    let refused = bench
        .patch(&acme.admin, &secret_path, widened.clone())
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/value"]);
    let mut typed = widened;
    typed["value"] = json!("canary-two");
    bench.patch(&acme.admin, &secret_path, typed).await.expect(200);
    bench.patch(&acme.admin, &server_path, moved).await.expect(200);

    // What a server still needs stays.
    let narrowed = json!({"origins": ["https://mcp.example.com"]});
    let refused = bench
        .patch(&acme.admin, &secret_path, narrowed.clone())
        .await
        .expect(409);
    assert_eq!(
        refused.body["servers"],
        json!([{"id": server.text("id"), "name": "tools"}])
    );
    let refused = bench.delete(&acme.admin, &secret_path).await.expect(409);
    assert_eq!(refused.body["servers"][0]["name"], "tools");
    bench
        .patch(&acme.admin, &server_path, json!({"headers": []}))
        .await
        .expect(200);
    bench.patch(&acme.admin, &secret_path, narrowed).await.expect(200);
    bench.delete(&acme.admin, &secret_path).await.expect(204);

    let actions = acme.actions(&bench).await;
    let of = |prefix: &str| {
        actions
            .iter()
            .filter(|action| action.starts_with(prefix))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("secret."),
        [
            "secret.deleted",
            "secret.updated",
            "secret.deletion_refused",
            "secret.update_refused",
            "secret.updated",
            "secret.created"
        ]
    );
    assert_eq!(
        of("server."),
        ["server.updated", "server.updated", "server.created"]
    );
    bench.app.gateways().store.close().await;
    assert!(!bench.everything_visible().contains("canary"));
}

#[tokio::test]
async fn the_directory_sends_what_was_saved() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    bench
        .post(&acme.admin, &acme.path("secrets"), new_secret("canary-one"))
        .await
        .expect(201);
    let new = new_server("https://mcp.example.com/mcp");
    bench
        .post(&acme.admin, &acme.path("servers"), new)
        .await
        .expect(201);
    let new = json!({"name": "G", "slug": "g", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    assert_eq!(gateway.text("url"), "http://127.0.0.1:8080/mcp/g");
    let directory = bench.app.gateways().directory.current().unwrap();
    let entry = directory.gateway("g").unwrap();
    assert_eq!(entry.servers[0].problem, None);
    assert_eq!(entry.servers[0].headers[0].1, "Bearer canary-one");
    assert!(!format!("{entry:?}").contains("canary"), "Debug hides it");
}

#[tokio::test]
async fn headers_of_identity_and_of_http_cannot_be_set() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let with = |name: &str, value: &str| json!({"slug": "tools", "url": "https://mcp.example.com/mcp", "headers": [{"name": name, "value": value}]});
    let servers = acme.path("servers");
    for name in [
        "Gatewright-Assertion",
        "gatewright_user_id",
        "Arcade-User-ID",
        "Host",
        "Mcp-Session-Id",
        "Connection",
    ] {
        let refused = bench
            .post(&acme.admin, &servers, with(name, "x"))
            .await
            .expect(422);
        assert_eq!(refused.pointers(), ["/headers/0/name"], "{name}");
    }
    let injected = bench
        .post(&acme.admin, &servers, with("X-Team", "a\r\nHost: evil"))
        .await
        .expect(422);
    assert_eq!(injected.pointers(), ["/headers/0/value"]);
    for url in [
        "http://169.254.169.254/latest",
        "http://100.100.100.200/",
        "file:///etc/passwd",
    ] {
        let refused = bench
            .post(&acme.admin, &servers, json!({"slug": "tools", "url": url}))
            .await
            .expect(422);
        assert_eq!(refused.pointers(), ["/url"], "{url}");
    }
    let server = bench
        .post(&acme.admin, &servers, with("X-Team", "platform"))
        .await
        .expect(201);
    let taken = bench
        .post(&acme.admin, &servers, with("X-Team", "platform"))
        .await
        .expect(422);
    assert_eq!(taken.pointers(), ["/slug"]);

    let new = json!({"name": "G", "authentication_mode": "headers", "servers": [server.text("id")]});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    let path = acme.path(&format!("servers/{}", server.text("id")));
    let refused = bench.delete(&acme.admin, &path).await.expect(409);
    assert_eq!(
        refused.body["gateways"],
        json!([{"id": gateway.text("id"), "name": "G"}])
    );
    let path_of_gateway = acme.path(&format!("gateways/{}", gateway.text("id")));
    bench
        .patch(&acme.admin, &path_of_gateway, json!({"servers": []}))
        .await
        .expect(200);
    bench.delete(&acme.admin, &path).await.expect(204);
}

#[tokio::test]
async fn a_header_in_plain_text_leaves_no_trace_of_its_value_in_the_audit_trail() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let secret = new_secret("canary-one");
    bench
        .post(&acme.admin, &acme.path("secrets"), secret)
        .await
        .expect(201);
    let headers = |values: [&str; 3]| {
        let named = ["X-Plain", "X-Mixed", "X-Reference"].into_iter().zip(values);
        let headers: Vec<_> = named
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        json!({"slug": "tools", "url": "https://mcp.example.com/mcp", "headers": headers})
    };
    let first = headers([
        "canary-typed",
        "canary-half ${secret:TOKEN}",
        "Bearer ${secret:TOKEN}",
    ]);
    let server = bench
        .post(&acme.admin, &acme.path("servers"), first)
        .await
        .expect(201);
    let path = acme.path(&format!("servers/{}", server.text("id")));
    let newest = async || {
        let events = bench
            .get(&acme.viewer, &acme.path("audit-events"))
            .await
            .expect(200);
        events.body["items"][0].clone()
    };
    let created = newest().await;
    assert!(!created.to_string().contains("canary"), "{created:#}");
    let changes = created["changes"].to_string();
    assert!(!changes.contains("digest") && !changes.contains("characters"));
    let reference = json!({"field": "headers.X-Reference", "after": "Bearer ${secret:TOKEN}"});
    assert!(
        created["changes"].as_array().unwrap().contains(&reference),
        "{created:#}"
    );
    let second = headers([
        "canary-other",
        "canary-half ${secret:TOKEN}",
        "${secret:TOKEN}${secret:TOKEN}",
    ]);
    bench.patch(&acme.admin, &path, second).await.expect(200);
    let updated = newest().await;
    assert!(!updated.to_string().contains("canary"), "{updated:#}");
    assert_eq!(
        updated["changes"],
        json!([
            {"field": "headers.X-Reference", "before": "Bearer ${secret:TOKEN}", "after": "${secret:TOKEN}${secret:TOKEN}"},
            {"field": "headers.X-Plain"},
        ]),
        "what changed is told, and nothing else"
    );
}
