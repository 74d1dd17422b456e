//! What saving a User Source says about its provider, and what happens while the provider takes its time to answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, Router, http::Method, routing::get};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

use super::{
    bench::{Bench, Tenant},
    document::document,
};

/// A provider that can be made to wait with its discovery document.
#[derive(Clone, Default)]
struct Provider {
    holds: Arc<AtomicBool>,
    asked: Arc<Notify>,
    free: Arc<Notify>,
}

impl Provider {
    /// Serves for as long as the test runs; returns the issuer.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "claims_supported": ["sub", "email"],
        });
        let provider = self.clone();
        let discovery = async move || {
            if provider.holds.swap(false, Ordering::SeqCst) {
                provider.asked.notify_one();
                provider.free.notified().await;
            }
            Json(document)
        };
        // The public key of RFC 7517 appendix A.1.
        let keys = json!({"keys": [{
            "kty": "EC", "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        }]});
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(async move || Json(keys)));
        tokio::spawn(axum::serve(listener, router).into_future());
        issuer
    }

    fn hold(&self) {
        self.holds.store(true, Ordering::SeqCst);
    }
}

fn pointers(body: &Value) -> Vec<&str> {
    let warnings = body["warnings"].as_array().unwrap();
    warnings
        .iter()
        .map(|warning| {
            assert!(!warning["detail"].as_str().unwrap().is_empty());
            warning["pointer"].as_str().unwrap()
        })
        .collect()
}

/// A source of the provider; its path and its version.
async fn saved(bench: &Bench, acme: &Tenant, issuer: &str) -> (String, String) {
    let new = json!({"name": "Demo", "issuer": issuer, "client_id": "client-1", "client_secret": "s"});
    let answer = bench
        .post(&acme.admin, &acme.path("user-sources"), new)
        .await
        .expect(201);
    assert_eq!(
        pointers(&answer.body),
        ["/callback"],
        "it does not name itself in its answers"
    );
    let tag = answer.etag().to_owned();
    (acme.path(&format!("user-sources/{}", answer.text("id"))), tag)
}

#[tokio::test]
async fn warnings_are_in_the_response() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let issuer = Provider::default().serve().await;
    let (path, _) = saved(&bench, &acme, &issuer).await;
    for (claim, warned) in [("email", true), ("employee_number", true), ("sub", false)] {
        let answer = bench
            .patch(&acme.admin, &path, json!({"subject_claim": claim}))
            .await
            .expect(200);
        let expected: &[&str] = if warned {
            &["/callback", "/subject_claim"]
        } else {
            &["/callback"]
        };
        assert_eq!(pointers(&answer.body), expected, "{claim}");
    }
    let renamed = bench
        .patch(&acme.admin, &path, json!({"name": "Renamed"}))
        .await
        .expect(200);
    assert_eq!(renamed.body["warnings"], json!([]), "nobody was asked");
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert!(read.body.get("warnings").is_none());
    let schemas = &document(&bench).await["components"]["schemas"];
    let saved = schemas["SavedUserSource"].to_string();
    assert!(
        saved.contains("\"warnings\"") && saved.contains("#/components/schemas/UserSource\""),
        "{saved}"
    );
    assert!(schemas["Warning"]["properties"]["pointer"].is_object());
    assert_eq!(read.body["needs_attention"], false);
    assert_eq!(read.body["client_secret_in_use"], "current");
}

#[tokio::test]
async fn a_version_that_was_overtaken_while_the_provider_was_asked_changes_nothing() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let provider = Provider::default();
    let issuer = provider.serve().await;
    bench.stand_still();
    let (path, tag) = saved(&bench, &acme, &issuer).await;
    let change = json!({"status": "inactive", "skip_validation": false});
    let overtaken = async |headers: &[(&str, &str)], description: &str| {
        provider.hold();
        let slow = bench.with(
            Method::PATCH,
            &path,
            Some(&acme.admin),
            headers,
            Some(change.clone()),
        );
        let meanwhile = async {
            provider.asked.notified().await;
            let change = json!({"description": description});
            bench.patch(&acme.admin, &path, change).await.expect(200);
            provider.free.notify_one();
        };
        let (slow, ()) = tokio::join!(slow, meanwhile);
        slow
    };
    overtaken(&[("if-match", &tag)], "One").await.expect(412);
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(
        (read.text("status"), read.text("description")),
        ("active".into(), "One".into())
    );
    // Who does not care about versions gets the change of the status alone.
    overtaken(&[], "Two").await.expect(200);
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(
        (read.text("status"), read.text("description")),
        ("inactive".into(), "Two".into())
    );
}

#[tokio::test]
async fn what_a_sign_in_notes_moves_no_version_and_no_edit_undoes_it() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let provider = Provider::default();
    let issuer = provider.serve().await;
    bench.stand_still();
    let (path, _) = saved(&bench, &acme, &issuer).await;
    let rotate = json!({"client_secret": "another", "skip_validation": true});
    let rotated = bench.patch(&acme.admin, &path, rotate).await.expect(200);
    let (tag, edited_at) = (rotated.etag().to_owned(), rotated.text("updated_at"));
    let id: gatewright_domain::id::UserSourceId = rotated.text("id").parse().unwrap();
    let stored = async || {
        let mut tx = bench.app.gateways().store.read().await.unwrap();
        let found = gatewright_store::user_source::find(&mut tx, acme.project(), id).await;
        found.unwrap().unwrap()
    };
    let current = stored().await.client_secret.current;
    // While a slow edit waits for the provider, a sign-in confirms the new secret.
    provider.hold();
    let change = json!({"description": "Slow", "skip_validation": false});
    let headers = [("if-match", tag.as_str())];
    let slow = bench.with(Method::PATCH, &path, Some(&acme.admin), &headers, Some(change));
    let meanwhile = async {
        provider.asked.notified().await;
        let mut tx = bench.app.gateways().store.write().await.unwrap();
        let now = bench.now();
        let accepted =
            gatewright_store::user_source::note_secret_accepted(&mut tx, acme.project(), id, &current, now);
        assert!(accepted.await.unwrap());
        tx.commit().await.unwrap();
        let read = bench.get(&acme.viewer, &path).await.expect(200);
        assert_eq!(
            (read.text("updated_at"), read.etag().to_owned()),
            (edited_at.clone(), tag.clone())
        );
        provider.free.notify_one();
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    let saved = slow.expect(200);
    assert_eq!(saved.text("description"), "Slow");
    assert_ne!(saved.etag(), tag, "an edit does move it");
    let slots = stored().await.client_secret;
    assert_eq!((slots.current, slots.previous), (current.clone(), None));
    assert!(slots.confirmed_at.is_some());
    // The same for a change of the secret itself: the one that just worked is the fallback of the new one.
    provider.hold();
    let change = json!({"client_secret": "a third", "skip_validation": false});
    let slow = bench.with(Method::PATCH, &path, Some(&acme.admin), &[], Some(change));
    let meanwhile = async {
        provider.asked.notified().await;
        let mut tx = bench.app.gateways().store.write().await.unwrap();
        let now = bench.now();
        let refused =
            gatewright_store::user_source::note_secret_refused(&mut tx, acme.project(), id, &current, now);
        assert!(refused.await.unwrap());
        tx.commit().await.unwrap();
        provider.free.notify_one();
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    slow.expect(200);
    let slots = stored().await.client_secret;
    assert_eq!(slots.previous, Some(current));
}

#[tokio::test]
async fn a_secret_the_provider_refuses_shows_in_the_answer() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let id = acme.source(&bench, "Okta").await;
    let path = acme.path(&format!("user-sources/{id}"));
    let rotate = json!({"client_secret": "another", "skip_validation": true});
    let rotated = bench.patch(&acme.admin, &path, rotate).await.expect(200);
    assert_eq!(rotated.body["client_secret_in_use"], "current");
    let mut tx = bench.app.gateways().store.write().await.unwrap();
    let source = gatewright_store::user_source::find(&mut tx, acme.project(), id.parse().unwrap());
    let source = source.await.unwrap().unwrap();
    let current = &source.client_secret.current;
    gatewright_store::user_source::note_secret_refused(
        &mut tx,
        source.project_id,
        source.id,
        current,
        bench.now(),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(read.body["client_secret_in_use"], "previous");
    assert_eq!(read.body["needs_attention"], true);
}

#[tokio::test]
async fn the_content_of_an_issuer_that_is_not_a_provider_is_not_quoted() {
    const CANARY: &str = "canary of an inner service";
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    for (status, content_type, body) in [
        (200, "text/html", "<h1>canary of an inner service</h1>"),
        (200, "application/json", "canary of an inner service"),
        (
            200,
            "application/json",
            r#"{"secret":"canary of an inner service"}"#,
        ),
        (302, "text/plain", CANARY),
        (
            401,
            "application/json",
            r#"{"error":"canary of an inner service"}"#,
        ),
        (500, "text/plain", CANARY),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let answer = async move || {
            axum::http::Response::builder()
                .status(status)
                .header("content-type", content_type)
                .header("location", CANARY)
                .header("server", CANARY)
                .body(axum::body::Body::from(body))
                .unwrap()
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        let new = json!({"name": "Inner", "issuer": issuer, "client_id": "c", "client_secret": "s"});
        let refused = bench
            .post(&acme.admin, &acme.path("user-sources"), new.clone())
            .await
            .expect(422);
        assert!(
            refused.pointers().contains(&"/issuer"),
            "{status}: {}",
            refused.body
        );
        let unchecked = json!({"name": issuer, "issuer": issuer, "client_id": "c", "client_secret": "s",
            "skip_validation": true});
        let saved = bench
            .post(&acme.admin, &acme.path("user-sources"), unchecked)
            .await
            .expect(201);
        let test = acme.path(&format!("user-sources/{}/test-connection", saved.text("id")));
        bench.post(&acme.admin, &test, json!({})).await.expect(200);
    }
    assert!(!bench.everything_visible().contains("canary"));
}

#[tokio::test]
async fn a_provider_is_checked_before_there_is_a_source_and_nothing_is_kept() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let issuer = Provider::default().serve().await;
    let checks = acme.path("user-source-checks");
    let asked = json!({"issuer": issuer, "subject_claim": "email"});
    let told = bench.post(&acme.admin, &checks, asked).await.expect(200);
    let told = told.body.as_array().unwrap().clone();
    assert_eq!(told.len(), 12);
    assert!(told.iter().all(|check| check["outcome"] != "failed"), "{told:?}");
    assert!(
        told.iter()
            .any(|check| check["pointer"] == "/subject_claim" && check["outcome"] == "warning")
    );
    let slash = json!({"issuer": format!("{issuer}/")});
    let told = bench.post(&acme.admin, &checks, slash).await.expect(200);
    let failed = told.body.as_array().unwrap().iter();
    let failed: Vec<_> = failed.filter(|check| check["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["name"], "issuer");
    let wrong = bench
        .post(&acme.admin, &checks, json!({"issuer": "x"}))
        .await
        .expect(422);
    assert_eq!(wrong.pointers(), ["/issuer"]);
    let sources = bench
        .get(&acme.admin, &acme.path("user-sources"))
        .await
        .expect(200);
    assert_eq!(sources.body["items"], json!([]));
    for _ in 2..30 {
        bench
            .post(&acme.admin, &checks, json!({"issuer": "http://127.0.0.1:1"}))
            .await
            .expect(200);
    }
    let stopped = bench
        .post(&acme.admin, &checks, json!({"issuer": issuer}))
        .await
        .expect(429);
    assert!(stopped.headers.contains_key("retry-after"));
    bench
        .post(&acme.owner, &checks, json!({"issuer": issuer}))
        .await
        .expect(200);
}

#[tokio::test]
async fn sources_are_listed_by_name_and_status() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let okta = acme.source(&bench, "Okta production").await;
    let entra = acme.source(&bench, "Entra").await;
    let path = acme.path(&format!("user-sources/{entra}"));
    bench
        .patch(&acme.admin, &path, json!({"status": "inactive"}))
        .await
        .expect(200);
    let ids = async |query: &str| {
        let path = acme.path(&format!("user-sources?{query}"));
        let answer = bench.get(&acme.viewer, &path).await.expect(200);
        let items = answer.body["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("search=OKTA").await, [okta.as_str()]);
    assert_eq!(ids("status=inactive").await, [entra.as_str()]);
    assert_eq!(ids("status=active&search=entra").await, [""; 0]);
    assert_eq!(ids("limit=10").await.len(), 2);
    bench
        .get(&acme.viewer, &acme.path("user-sources?status=odd"))
        .await
        .expect(400);
}
