//! What comes in is read strictly, and every refusal says where and what to do.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::json;

use super::bench::{Bench, new_source};

const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn bodies_that_cannot_be_read_are_distinguished() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let send = async |content_type: Option<&str>, body: String| {
        let mut request = Request::post(format!("/api/v1{}", acme.path("servers")))
            .header(header::AUTHORIZATION, format!("Bearer {}", acme.admin));
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        bench.raw(request.body(Body::from(body)).unwrap()).await
    };
    let good = json!({"slug": "tools", "url": "https://mcp.example.com/mcp"}).to_string();
    send(None, good.clone()).await.expect(415);
    send(Some("text/plain"), good.clone()).await.expect(415);
    send(JSON, "{\"slug\": ".to_owned()).await.expect(400);
    send(JSON, "[".repeat(100_000)).await.expect(400);
    assert_eq!(send(JSON, "[]".to_owned()).await.expect(422).pointers(), [""]);
    send(JSON, format!("{{\"name\": \"{}\"}}", "x".repeat(3_000_000)))
        .await
        .expect(413);
    send(JSON, good).await.expect(201);
}

#[tokio::test]
async fn a_member_that_appears_twice_is_refused_and_nothing_is_saved() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let send = async |encoding: Option<&str>, body: &'static str| {
        let mut request = Request::post(format!("/api/v1{}", acme.path("servers")))
            .header(header::AUTHORIZATION, format!("Bearer {}", acme.admin))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(encoding) = encoding {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        bench.raw(request.body(Body::from(body)).unwrap()).await
    };
    let twice =
        r#"{"slug": "tools", "url": "https://mcp.example.com/a", "url": "https://mcp.example.com/b"}"#;
    assert_eq!(send(None, twice).await.expect(422).pointers(), ["/url"]);
    let inside = r#"{"slug": "tools", "url": "https://mcp.example.com/a", "headers": [{"name": "X-A", "value": "1", "value": "2"}]}"#;
    assert_eq!(
        send(None, inside).await.expect(422).pointers(),
        ["/headers/0/value"]
    );
    let once = r#"{"slug": "tools", "url": "https://mcp.example.com/a"}"#;
    let packed = send(Some("gzip"), once).await.expect(415);
    assert!(
        packed.text("detail").contains("Content-Encoding"),
        "{:#}",
        packed.body
    );
    let servers = bench.get(&acme.viewer, &acme.path("servers")).await.expect(200);
    assert_eq!(servers.body["items"], json!([]));
    send(Some("identity"), once).await.expect(201);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let typo = json!({"slag": "tools", "url": "https://mcp.example.com/mcp", "retries": "many"});
    let answer = bench
        .post(&acme.admin, &acme.path("servers"), typo)
        .await
        .expect(422);
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/retries", "/slag"]);
    assert!(answer.body.to_string().contains("`slug`"), "{:#}", answer.body);

    let wrong = json!({
        "name": "", "issuer": "http://login.example.com", "client_id": "", "client_secret": "",
        "scopes": ["profile"], "subject_claim": "nonce",
    });
    let answer = bench
        .post(&acme.admin, &acme.path("user-sources"), wrong)
        .await
        .expect(422);
    let pointers = [
        "/name",
        "/issuer",
        "/client_id",
        "/scopes",
        "/subject_claim",
        "/client_secret",
    ];
    assert_eq!(answer.pointers(), pointers);
    for error in answer.body["errors"].as_array().unwrap() {
        assert!(error["detail"].as_str().unwrap().len() > 20, "{error}");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    for number in 0..5 {
        let new = json!({"slug": format!("s{number}"), "url": "https://mcp.example.com/mcp"});
        bench
            .post(&acme.admin, &acme.path("servers"), new)
            .await
            .expect(201);
    }
    let mut slugs = Vec::new();
    let mut path = acme.path("servers?limit=2");
    loop {
        let answer = bench.get(&acme.viewer, &path).await.expect(200);
        let items = answer.body["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        slugs.extend(items.iter().map(|item| item["slug"].as_str().unwrap().to_owned()));
        match answer.body["next_cursor"].as_str() {
            Some(cursor) => path = acme.path(&format!("servers?limit=2&cursor={cursor}")),
            None => break,
        }
    }
    assert_eq!(slugs, ["s0", "s1", "s2", "s3", "s4"]);
    let gateway = "gw_0192f0c1a2b37c4d8e5f60718293a4b5";
    for (query, named) in [
        ("limit=0".to_owned(), "`limit`"),
        ("limit=201".to_owned(), "`limit`"),
        ("limit=x".to_owned(), "`limit`"),
        ("limit=1&limit=2".to_owned(), "`limit`"),
        ("cursor=%27--".to_owned(), "`cursor`"),
        ("cursor=srv_0192f0c1".to_owned(), "`cursor`"),
        (format!("cursor={gateway}"), "`cursor`"),
        ("lmit=2".to_owned(), "`lmit`"),
    ] {
        let answer = bench
            .get(&acme.viewer, &acme.path(&format!("servers?{query}")))
            .await
            .expect(400);
        assert!(
            answer.text("detail").contains(named),
            "{query}: {:#}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_change_starts_from_the_version_it_names() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let new = json!({"slug": "tools", "url": "https://mcp.example.com/mcp"});
    let created = bench
        .post(&acme.admin, &acme.path("servers"), new)
        .await
        .expect(201);
    let path = acme.path(&format!("servers/{}", created.text("id")));
    assert_eq!(created.headers[header::LOCATION], format!("/api/v1{path}"));
    bench.stand_still();
    let rename = async |name: &str, etag: &str| {
        let headers = [("if-match", etag)];
        let body = Some(json!({"name": name}));
        bench
            .with(Method::PATCH, &path, Some(&acme.admin), &headers, body)
            .await
    };
    let renamed = rename("One", created.etag()).await.expect(200);
    assert_ne!(renamed.etag(), created.etag(), "even within one millisecond");
    rename("Two", created.etag()).await.expect(412);
    let stale = [("if-match", created.etag())];
    bench
        .with(Method::DELETE, &path, Some(&acme.admin), &stale, None)
        .await
        .expect(412);
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!((read.text("name").as_str(), read.etag()), ("One", renamed.etag()));
    // A change that changes nothing keeps the version and leaves no event.
    let events = acme.actions(&bench).await.len();
    assert_eq!(rename("One", "*").await.expect(200).etag(), renamed.etag());
    assert_eq!(acme.actions(&bench).await.len(), events);
    let fresh = [("if-match", renamed.etag())];
    bench
        .with(Method::DELETE, &path, Some(&acme.admin), &fresh, None)
        .await
        .expect(204);
    bench.get(&acme.viewer, &path).await.expect(404);
}

#[tokio::test]
async fn a_patch_merges_and_null_resets() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let mut new = new_source("Okta");
    new["description"] = json!("for staff");
    new["scopes"] = json!(["openid", "groups"]);
    let source = bench
        .post(&acme.admin, &acme.path("user-sources"), new)
        .await
        .expect(201);
    let path = acme.path(&format!("user-sources/{}", source.text("id")));
    let merged = bench
        .patch(&acme.admin, &path, json!({"name": "Okta 2"}))
        .await
        .expect(200);
    assert_eq!(merged.text("name"), "Okta 2");
    assert_eq!(merged.text("description"), "for staff");
    let reset = json!({"description": null, "scopes": null, "skip_validation": true});
    let reset = bench.patch(&acme.admin, &path, reset).await.expect(200);
    assert_eq!(reset.text("description"), "");
    assert_eq!(reset.body["scopes"], json!(["openid", "profile", "email"]));
    let refused = json!({"name": null, "client_secret": null});
    let refused = bench.patch(&acme.admin, &path, refused).await.expect(422);
    assert_eq!(refused.pointers(), ["/client_secret", "/name"]);

    let new =
        json!({"name": "G", "authentication_mode": "headers", "settings": {"access_token_seconds": 600}});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201);
    let path = acme.path(&format!("gateways/{}", gateway.text("id")));
    let change = json!({"settings": {"dynamic_registration": false}});
    let merged = bench.patch(&acme.admin, &path, change).await.expect(200);
    assert_eq!(merged.body["settings"]["access_token_seconds"], 600);
    assert_eq!(merged.body["settings"]["dynamic_registration"], false);
    let change = json!({"settings": {"access_token_seconds": null, "grant_max_secnods": 1}});
    let refused = bench.patch(&acme.admin, &path, change).await.expect(422);
    assert_eq!(refused.pointers(), ["/settings/grant_max_secnods"]);
}

#[tokio::test]
async fn null_is_refused_if_there_is_no_default() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "G", "active").await;
    let user = bench.user(&acme, &source, "alice").await;
    for (path, member, values) in [
        (format!("gateways/{gateway}"), "status", "`active` or `inactive`"),
        (
            format!("gateways/{gateway}"),
            "authentication_mode",
            "`project_members` or `user_source` or `headers`",
        ),
        (
            format!("user-sources/{source}"),
            "status",
            "`active` or `inactive`",
        ),
        (format!("users/{user}"), "status", "`active` or `blocked`"),
    ] {
        let path = acme.path(&path);
        let before = bench.get(&acme.viewer, &path).await.expect(200).body;
        let null = json!({member: null});
        let refused = bench.patch(&acme.admin, &path, null).await.expect(422);
        assert_eq!(refused.pointers(), [format!("/{member}")], "{path}");
        assert!(refused.text("detail").contains(values), "{:#}", refused.body);
        let same = json!({member: before[member]});
        assert_eq!(
            bench.patch(&acme.admin, &path, same).await.expect(200).body[member],
            before[member]
        );
    }
}
