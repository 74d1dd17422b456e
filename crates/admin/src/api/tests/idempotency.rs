//! `Idempotency-Key`: a creation that is repeated gets its answer again and makes nothing.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    bench::{Answer, Bench, Tenant},
    people::{self, Browser},
};

async fn create(bench: &Bench, key: &str, path: &str, header: &str, body: Value) -> Answer {
    let headers = [("idempotency-key", header)];
    bench
        .with(Method::POST, path, Some(key), &headers, Some(body))
        .await
}

async fn count(bench: &Bench, tenant: &Tenant, what: &str) -> usize {
    let list = bench
        .get(&tenant.owner, &tenant.path(&format!("{what}?limit=200")))
        .await
        .expect(200);
    list.body["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_makes_nothing_again() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let keys = acme.path("api-keys");
    let new = json!({"name": "deploy", "role": "admin"});
    let before = (
        count(&bench, &acme, "api-keys").await,
        acme.actions(&bench).await.len(),
    );
    let first = create(&bench, &acme.owner, &keys, "a-1", new.clone())
        .await
        .expect(201);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    bench
        .get(&first.text("key"), &acme.path("gateways"))
        .await
        .expect(200);
    let second = create(&bench, &acme.owner, &keys, "a-1", new.clone())
        .await
        .expect(201);
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(second.body["key"], Value::Null, "a key is shown once");
    assert!(second.text("notice").contains("`key`") && first.body.get("notice").is_none());
    for (name, value) in first.body.as_object().unwrap() {
        assert!(name == "key" || second.body[name] == *value, "{name}");
    }
    for name in ["content-type", "location", "etag"] {
        assert_eq!(second.headers[name], first.headers[name]);
    }
    let after = (
        count(&bench, &acme, "api-keys").await,
        acme.actions(&bench).await.len(),
    );
    assert_eq!(after, (before.0 + 1, before.1 + 1));

    // The key is not stored anywhere.
    let key = first.text("key");
    bench.app.gateways().store.close().await;
    let folder = std::fs::read_dir(bench.folder.path()).unwrap();
    for file in folder
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            !bytes.windows(key.len()).any(|window| window == key.as_bytes()),
            "{file:?}"
        );
    }
}

#[tokio::test]
async fn another_body_is_refused_and_another_caller_or_path_is_another_request() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let secret =
        |name: &str| json!({"name": name, "value": "canary", "origins": ["https://mcp.example.com"]});
    let path = acme.path("secrets");
    create(&bench, &acme.admin, &path, "k", secret("ONE"))
        .await
        .expect(201);
    let refused = create(&bench, &acme.admin, &path, "k", secret("TWO"))
        .await
        .expect(422);
    assert!(
        refused.text("detail").contains("Idempotency-Key"),
        "{:#}",
        refused.body
    );
    assert_eq!(count(&bench, &acme, "secrets").await, 1);
    create(&bench, &acme.owner, &path, "k", secret("TWO"))
        .await
        .expect(201);
    create(&bench, &other.admin, &other.path("secrets"), "k", secret("ONE"))
        .await
        .expect(201);
    let server = json!({"slug": "tools", "url": "https://mcp.example.com/mcp"});
    create(&bench, &acme.admin, &acme.path("servers"), "k", server)
        .await
        .expect(201);
    // A caller that cannot create learns nothing about what others did.
    create(&bench, &acme.viewer, &path, "k", secret("ONE"))
        .await
        .expect(403);
    create(&bench, "gwk_wrong", &path, "k", secret("ONE"))
        .await
        .expect(401);
    assert_eq!(count(&bench, &acme, "secrets").await, 2);
}

#[tokio::test]
async fn what_was_refused_may_be_sent_again() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let path = acme.path("secrets");
    let new = |origin: &str| json!({"name": "ONE", "value": "canary", "origins": [origin]});
    create(&bench, &acme.admin, &path, "k", new("nonsense"))
        .await
        .expect(422);
    create(&bench, &acme.admin, &path, "k", new("https://mcp.example.com"))
        .await
        .expect(201);
    // A name that is taken is found only inside the transaction.
    create(&bench, &acme.admin, &path, "l", new("https://mcp.example.com"))
        .await
        .expect(422);
    let id = bench.get(&acme.admin, &path).await.expect(200).body["items"][0]["id"].clone();
    let one = acme.path(&format!("secrets/{}", id.as_str().unwrap()));
    bench.delete(&acme.admin, &one).await.expect(204);
    create(&bench, &acme.admin, &path, "l", new("https://mcp.example.com"))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_header_that_is_not_a_key_is_reported() {
    let bench = Bench::new().await;
    let long = "k".repeat(256);
    for wrong in ["", "two words", long.as_str(), "caf\u{e9}"] {
        let answer = create(
            &bench,
            &bench.instance,
            "/projects",
            wrong,
            json!({"name": "Acme"}),
        )
        .await;
        assert!(answer.expect(400).text("detail").contains("Idempotency-Key"));
    }
    let headers = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let body = Some(json!({"name": "Acme"}));
    let twice = bench
        .with(Method::POST, "/projects", Some(&bench.instance), &headers, body)
        .await;
    twice.expect(400);
    let list = bench.get(&bench.instance, "/projects").await.expect(200);
    assert_eq!(list.body["items"], json!([]));
    let longest = "k".repeat(255);
    create(
        &bench,
        &bench.instance,
        "/projects",
        &longest,
        json!({"name": "Acme"}),
    )
    .await
    .expect(201);
}

#[tokio::test]
async fn of_many_at_once_one_creates_and_all_get_its_answer() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    bench.stand_still();
    let path = acme.path("gateways");
    let new = json!({"name": "Agents", "authentication_mode": "headers"});
    let before = count(&bench, &acme, "gateways").await;
    let all = (0..20).map(|_| create(&bench, &acme.admin, &path, "k", new.clone()));
    let answers = futures_util::future::join_all(all).await;
    for answer in &answers {
        assert_eq!(answer.status.as_u16(), 201, "{:#}", answer.body);
        assert_eq!(answer.body, answers[0].body);
    }
    let replayed = |answer: &&Answer| answer.headers.contains_key("idempotency-replayed");
    assert_eq!(answers.iter().filter(replayed).count(), 19);
    assert_eq!(count(&bench, &acme, "gateways").await, before + 1);
}

#[tokio::test]
async fn an_answer_is_remembered_for_a_day() {
    let bench = Bench::new().await;
    let new = json!({"name": "Acme"});
    create(&bench, &bench.instance, "/projects", "k", new.clone())
        .await
        .expect(201);
    bench.clock.advance(Duration::from_hours(23));
    create(&bench, &bench.instance, "/projects", "k", new.clone())
        .await
        .expect(201);
    bench.clock.advance(Duration::from_hours(1));
    let taken = create(&bench, &bench.instance, "/projects", "k", new)
        .await
        .expect(422);
    assert_eq!(taken.pointers(), ["/name"]);
}

/// Asks in a browser, with the header.
async fn create_as(bench: &Bench, person: &Browser, path: &str, new: Value) -> Answer {
    let headers = [
        ("cookie", person.0.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("idempotency-key", "k"),
    ];
    bench.with(Method::POST, path, None, &headers, Some(new)).await
}

#[tokio::test]
async fn a_caller_that_may_no_longer_create_gets_no_answer_again() {
    let bench = Bench::new().await;
    let (ada, project) = people::first(&bench).await;
    let grace = people::invited(&bench, &ada, &project, "grace@example.com", "owner").await;
    let keys = format!("/projects/{project}/api-keys");
    let new = json!({"name": "deploy", "role": "owner"});
    let first = create_as(&bench, &grace, &keys, new.clone()).await.expect(201);
    assert!(first.text("key").starts_with("gwk_"));
    // While she is an owner she may ask again; the key is not in the answer.
    let again = create_as(&bench, &grace, &keys, new.clone()).await.expect(201);
    assert_eq!(
        (&again.body["key"], &again.body["id"]),
        (&Value::Null, &first.body["id"])
    );
    let members = format!("/projects/{project}/members");
    let listed = ada.get(&bench, &members).await.expect(200);
    let found = listed.body["items"].as_array().unwrap().iter();
    let found = found
        .into_iter()
        .find(|item| item["email"] == "grace@example.com")
        .unwrap();
    let member = format!("{members}/{}", found["account_id"].as_str().unwrap());
    let lower = Some(json!({"role": "viewer"}));
    ada.send(&bench, Method::PATCH, &member, lower).await.expect(200);
    create_as(&bench, &grace, &keys, new.clone()).await.expect(401);
    let grace = people::signed_in(&bench, "grace@example.com").await;
    create_as(&bench, &grace, &keys, new.clone()).await.expect(403);
    // Another body does not tell her more.
    create_as(&bench, &grace, &keys, json!({"name": "x"}))
        .await
        .expect(403);
    ada.send(&bench, Method::DELETE, &member, None).await.expect(204);
    let grace = people::signed_in(&bench, "grace@example.com").await;
    create_as(&bench, &grace, &keys, new).await.expect(404);
}

#[tokio::test]
async fn a_key_that_has_ended_gets_no_answer_again() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let (path, end) = (acme.path("api-keys"), bench.now().plus(Duration::from_mins(2)));
    let new = |name: &str| json!({"name": name, "role": "owner", "expires_at": end.to_rfc3339()});
    let temporary = bench.post(&acme.owner, &path, new("short")).await.expect(201);
    let made = create(&bench, &temporary.text("key"), &path, "k", new("made"))
        .await
        .expect(201);
    bench.clock.advance(Duration::from_mins(2));
    for key in [temporary, made] {
        create(&bench, &key.text("key"), &path, "k", new("made"))
            .await
            .expect(401);
    }
}

#[tokio::test]
async fn every_credential_is_left_out_of_what_is_repeated() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let client = json!({
        "name": "Portal", "redirect_uris": ["https://portal.example.com/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    for (path, new, member) in [
        (
            "api-keys".to_owned(),
            json!({"name": "a", "role": "viewer"}),
            "key",
        ),
        (
            "invitations".to_owned(),
            json!({"email": "a@example.com", "role": "viewer"}),
            "link",
        ),
        (
            format!("gateways/{gateway}/preregistered-clients"),
            client,
            "client_secret",
        ),
        (format!("user-sources/{source}/test-sign-ins"), Value::Null, "url"),
    ] {
        let path = acme.path(&path);
        let first = create(&bench, &acme.owner, &path, "k", new.clone())
            .await
            .expect(201);
        assert!(first.text(member).len() > 20);
        let again = create(&bench, &acme.owner, &path, "k", new).await.expect(201);
        assert_eq!(again.body[member], Value::Null, "{path}");
        assert_eq!(again.body["id"], first.body["id"]);
        assert!(again.text("notice").contains(member));
    }
}
