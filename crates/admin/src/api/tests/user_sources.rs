//! User Sources: what is checked at save, whose identity a change affects, where the secret is sent.

use std::sync::Arc;

use axum::http::Method;
use gatewright_demo::provider::{Client, Provider};
use gatewright_domain::{sealed::Purpose, stored_secret::SealedText, user_source};
use serde_json::json;
use tokio::net::TcpListener;

use super::bench::{Bench, Tenant, new_source};

async fn stored(bench: &Bench, acme: &Tenant, id: &str) -> user_source::UserSource {
    let mut tx = bench.app.gateways().store.read().await.unwrap();
    let found = gatewright_store::user_source::find(&mut tx, acme.project(), id.parse().unwrap()).await;
    found.unwrap().unwrap()
}

fn opened(bench: &Bench, source: &user_source::UserSource, sealed: &SealedText) -> String {
    let context = user_source::client_secret_context(source.id);
    let secret = bench
        .app
        .keyring
        .open_secret(Purpose::StoredSecret, &context, sealed)
        .unwrap();
    secret.expose().to_owned()
}

#[tokio::test]
async fn a_source_can_have_its_own_redirect_url() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let shared = bench.app.config.callback_url();
    let new = |name: &str, callback: &str| {
        json!({"name": name, "issuer": "http://127.0.0.1:9", "client_id": "c", "client_secret": "s",
            "skip_validation": true, "callback": callback})
    };
    let sources = acme.path("user-sources");
    let saved = bench
        .post(&acme.admin, &sources, new("Own", "own"))
        .await
        .expect(201);
    let own = format!("{shared}/{}", saved.text("id"));
    assert_eq!(
        (saved.text("callback"), saved.text("redirect_url")),
        ("own".to_owned(), own.clone())
    );
    let path = acme.path(&format!("user-sources/{}", saved.text("id")));
    for (callback, url) in [
        (json!("shared"), &shared),
        (json!("own"), &own),
        (json!(null), &shared),
    ] {
        let change = json!({"callback": callback});
        let changed = bench.patch(&acme.admin, &path, change).await.expect(200);
        assert_eq!(&changed.text("redirect_url"), url, "{callback}");
        let read = bench.get(&acme.viewer, &path).await.expect(200);
        assert_eq!(&read.text("redirect_url"), url, "{callback}");
    }
    bench
        .post(&acme.admin, &sources, new("Odd", "elsewhere"))
        .await
        .expect(422);
}

#[tokio::test]
async fn saving_asks_the_provider() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client {
        id: "client-1".to_owned(),
        secret: "s".to_owned(),
        redirect_uri: bench.app.config.callback_url(),
    };
    let provider = Provider::on(&listener, client).unwrap();
    let issuer = provider.issuer().to_owned();
    let stop = bench.app.shutdown.clone();
    let served = tokio::spawn(provider.serve(listener, stop.clone()));

    let sources = acme.path("user-sources");
    let new = |name: &str, issuer: &str| json!({"name": name, "issuer": issuer, "client_id": "client-1", "client_secret": "s"});
    let slash = bench
        .post(&acme.admin, &sources, new("Demo", &format!("{issuer}/")))
        .await
        .expect(422);
    assert_eq!(slash.pointers(), ["/issuer"]);
    assert!(
        slash.body.to_string().contains(&issuer),
        "says which form to type: {:#}",
        slash.body
    );
    let none = bench.get(&acme.viewer, &sources).await.expect(200);
    assert_eq!(none.body["items"], json!([]), "nothing is stored");

    let saved = bench
        .post(&acme.admin, &sources, new("Demo", &issuer))
        .await
        .expect(201);
    assert!(saved.body["verified_at"].is_string());
    assert_eq!(saved.text("redirect_url"), bench.app.config.callback_url());
    let path = acme.path(&format!("user-sources/{}", saved.text("id")));

    stop.cancel();
    served.await.unwrap().unwrap();
    // The provider is unavailable. What cannot be judged is saved anyway; what could be judged is not.
    bench
        .patch(&acme.admin, &path, json!({"name": "Renamed"}))
        .await
        .expect(200);
    let change = json!({"subject_claim": "email"});
    let refused = bench.patch(&acme.admin, &path, change.clone()).await.expect(422);
    assert_eq!(refused.pointers(), ["/issuer"]);
    assert_eq!(bench.get(&acme.viewer, &path).await.text("subject_claim"), "sub");
    let mut unchecked = change;
    unchecked["skip_validation"] = json!(true);
    let saved = bench.patch(&acme.admin, &path, unchecked).await.expect(200);
    assert!(saved.body["verified_at"].is_null(), "marked as unverified");
    let again = bench
        .patch(&acme.admin, &path, json!({"skip_validation": false}))
        .await
        .expect(422);
    assert_eq!(again.pointers(), ["/issuer"]);
}

#[tokio::test]
async fn a_change_of_identity_makes_a_new_epoch_and_others_do_not() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let id = acme.source(&bench, "Okta").await;
    let path = acme.path(&format!("user-sources/{id}"));
    let mut epoch = stored(&bench, &acme, &id).await.identity_epoch;
    for (change, grows) in [
        (json!({"name": "Renamed"}), false),
        (json!({"scopes": ["openid"]}), false),
        (json!({"client_secret": "another"}), false),
        (json!({"client_id": "client-2"}), true),
        (json!({"subject_claim": "oid"}), true),
        (json!({"issuer": "https://login.example.com/v2"}), true),
    ] {
        let mut change = change;
        change["skip_validation"] = json!(true);
        bench.patch(&acme.admin, &path, change.clone()).await.expect(200);
        let source = stored(&bench, &acme, &id).await;
        assert_eq!(source.identity_epoch > epoch, grows, "{change}");
        epoch = source.identity_epoch;
        let directory = bench.app.gateways().directory.current().unwrap();
        let seen = directory.source(source.id).unwrap().identity_epoch;
        assert_eq!(seen, epoch, "the next request sees it");
    }
}

#[tokio::test]
async fn a_stored_secret_never_moves_to_another_origin() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let id = acme.source(&bench, "Okta").await;
    let path = acme.path(&format!("user-sources/{id}"));
    let before = stored(&bench, &acme, &id).await;
    for issuer in [
        "https://evil.example.com",
        "https://login.example.com:8443",
        "http://localhost:9",
    ] {
        let change = json!({"issuer": issuer, "name": "Moved", "skip_validation": true});
        let refused = bench.patch(&acme.admin, &path, change).await.expect(422);
        assert_eq!(refused.pointers(), ["/client_secret"], "{issuer}");
        assert_eq!(stored(&bench, &acme, &id).await, before, "nothing changed");
    }
    let change = json!({
        "issuer": "https://new.example.com", "client_secret": "canary-second", "skip_validation": true,
    });
    bench.patch(&acme.admin, &path, change).await.expect(200);
    let after = stored(&bench, &acme, &id).await;
    assert_eq!(
        opened(&bench, &after, &after.client_secret.current),
        "canary-second"
    );
    assert_eq!(after.client_secret.previous, None, "both old ones are gone");
}

#[tokio::test]
async fn a_new_secret_keeps_the_old_one_as_fallback() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let id = acme.source(&bench, "Okta").await;
    let path = acme.path(&format!("user-sources/{id}"));
    let same = json!({"client_secret": "canary-client-secret", "skip_validation": true});
    let same = bench.patch(&acme.admin, &path, same).await.expect(200);
    assert_eq!(
        same.body["client_secret_has_fallback"], false,
        "the same again is no rotation"
    );
    bench.clock.advance(std::time::Duration::from_mins(1));
    let change = json!({"client_secret": "canary-rotated", "skip_validation": true});
    let rotated = bench.patch(&acme.admin, &path, change).await.expect(200);
    assert_eq!(rotated.body["client_secret_has_fallback"], true);
    assert_ne!(
        rotated.body["client_secret_changed_at"],
        same.body["client_secret_changed_at"]
    );
    let source = stored(&bench, &acme, &id).await;
    assert_eq!(
        opened(&bench, &source, &source.client_secret.current),
        "canary-rotated"
    );
    let previous = source.client_secret.previous.as_ref().unwrap();
    assert_eq!(opened(&bench, &source, previous), "canary-client-secret");

    let events = bench
        .get(&acme.viewer, &acme.path("audit-events?object_type=user_source"))
        .await
        .expect(200);
    let newest = &events.body["items"][0];
    assert_eq!(newest["action"], "user_source.updated");
    assert_eq!(
        newest["changes"].as_array().unwrap().last().unwrap(),
        &json!({"field": "client_secret"})
    );
    assert_eq!(newest["actor"]["type"], "api_key");
    assert_eq!(newest["actor"]["address"], "127.0.0.1");
    bench.app.gateways().store.close().await;
    let all = bench.everything_visible();
    assert!(
        all.contains("user_source.updated"),
        "the search sees what there is"
    );
    assert!(
        !all.contains("canary"),
        "no secret in any answer, audit row or file"
    );
    assert!(!all.contains(&bench.instance));
}

#[tokio::test]
async fn an_active_gateway_holds_its_source() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let spare = acme.gateway_of(&bench, &source, "Spare", "inactive").await;
    let source_path = acme.path(&format!("user-sources/{source}"));
    let gateway_path = acme.path(&format!("gateways/{gateway}"));
    let inactive = json!({"status": "inactive"});
    let in_the_way = json!([{"id": gateway, "name": "Agents"}]);
    let refused = bench
        .patch(&acme.admin, &source_path, inactive.clone())
        .await
        .expect(409);
    assert_eq!(refused.body["active_gateways"], in_the_way);
    let refused = bench.delete(&acme.admin, &source_path).await.expect(409);
    assert_eq!(refused.body["active_gateways"], in_the_way);
    // A refused change changes nothing of what came with it.
    let both = json!({"status": "inactive", "name": "Gone"});
    bench.patch(&acme.admin, &source_path, both).await.expect(409);
    assert_eq!(bench.get(&acme.viewer, &source_path).await.text("name"), "Okta");

    bench
        .patch(&acme.admin, &gateway_path, inactive.clone())
        .await
        .expect(200);
    let deactivated = bench.patch(&acme.admin, &source_path, inactive).await.expect(200);
    assert_eq!(deactivated.text("status"), "inactive");
    bench
        .patch(&acme.admin, &gateway_path, json!({"status": "active"}))
        .await
        .expect(409);
    let attach = json!({"name": "New", "authentication_mode": "user_source", "user_source_id": source});
    bench
        .post(&acme.admin, &acme.path("gateways"), attach)
        .await
        .expect(409);
    bench
        .patch(&acme.admin, &source_path, json!({"status": "active"}))
        .await
        .expect(200);
    bench
        .patch(&acme.admin, &gateway_path, json!({"status": "active"}))
        .await
        .expect(200);
    bench.delete(&acme.admin, &gateway_path).await.expect(204);
    bench.delete(&acme.admin, &source_path).await.expect(204);
    let spare_path = acme.path(&format!("gateways/{spare}"));
    let orphan = bench
        .patch(&acme.admin, &spare_path, json!({"status": "active"}))
        .await;
    let told = orphan.expect(409).text("detail");
    assert!(told.contains("User Source of this gateway was deleted"), "{told}");
    bench.get(&acme.viewer, &spare_path).await.expect(200);
}

#[tokio::test]
async fn deactivating_and_attaching_at_once_never_both_succeed() {
    let bench = Arc::new(Bench::new().await);
    let acme = Arc::new(bench.tenant("Acme").await);
    for round in 0..12 {
        let source = acme.source(&bench, &format!("Source {round}")).await;
        let gateway = acme
            .gateway_of(&bench, &source, &format!("Gateway {round}"), "inactive")
            .await;
        let (source_path, gateway_path) = (
            acme.path(&format!("user-sources/{source}")),
            acme.path(&format!("gateways/{gateway}")),
        );
        let deactivate = bench.patch(&acme.admin, &source_path, json!({"status": "inactive"}));
        let activate = bench.patch(&acme.admin, &gateway_path, json!({"status": "active"}));
        let (deactivated, activated) = if round % 2 == 0 {
            tokio::join!(deactivate, activate)
        } else {
            let (activated, deactivated) = tokio::join!(activate, deactivate);
            (deactivated, activated)
        };
        let statuses = [deactivated.status.as_u16(), activated.status.as_u16()];
        assert!(matches!(statuses, [200, 409] | [409, 200]), "{statuses:?}");
        let source = bench.get(&acme.viewer, &source_path).await.text("status");
        let gateway = bench.get(&acme.viewer, &gateway_path).await.text("status");
        assert_eq!(source, gateway, "either both stay active or both inactive");
    }
    bench
        .post(&acme.admin, &acme.path("user-sources"), new_source("Source 0"))
        .await
        .expect(422);
}

#[tokio::test]
async fn the_last_test_of_a_connection_is_kept_until_what_it_was_about_changes() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client {
        id: "client-1".to_owned(),
        secret: "canary-right".to_owned(),
        redirect_uri: bench.app.config.callback_url(),
    };
    let provider = Provider::on(&listener, client).unwrap();
    let issuer = provider.issuer().to_owned();
    let stop = bench.app.shutdown.clone();
    let served = tokio::spawn(provider.serve(listener, stop.clone()));
    let new = json!({
        "name": "Demo", "issuer": issuer, "client_id": "client-1", "client_secret": "canary-wrong",
        "skip_validation": true,
    });
    let created = bench
        .post(&acme.admin, &acme.path("user-sources"), new)
        .await
        .expect(201);
    assert_eq!(created.body["last_test"], json!(null));
    let path = acme.path(&format!("user-sources/{}", created.text("id")));
    let action = format!("{path}/test-connection");
    let test = async || {
        bench
            .with(Method::POST, &action, Some(&acme.admin), &[], None)
            .await
            .expect(200)
    };

    let wrong = test().await;
    assert_eq!(wrong.body["last_test"]["credentials"]["verdict"], "wrong");
    assert_eq!(wrong.body["verified_at"], json!(null));
    bench
        .patch(
            &acme.admin,
            &path,
            json!({"client_secret": "canary-right", "skip_validation": true}),
        )
        .await
        .expect(200);
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(read.body["last_test"], json!(null), "it was about another secret");

    let right = test().await;
    assert_eq!(
        right.body["last_test"]["credentials"]["verdict"], "right",
        "{:#}",
        right.body
    );
    assert!(right.body["verified_at"].is_string());
    bench
        .patch(&acme.admin, &path, json!({"name": "Renamed"}))
        .await
        .expect(200);
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(read.body["last_test"], right.body["last_test"]);
    assert_ne!(right.etag(), created.etag());

    stop.cancel();
    served.await.unwrap().unwrap();
    let away = test().await;
    let outcomes = away.body["last_test"]["checks"].as_array().unwrap();
    let outcome = |name: &str| {
        let check = outcomes.iter().find(|check| check["name"] == name);
        check.unwrap()["outcome"].as_str().unwrap()
    };
    assert_eq!(
        [outcome("issuer_url"), outcome("discovery"), outcome("keys")],
        ["passed", "failed", "skipped"]
    );
    assert_eq!(away.body["last_test"]["credentials"]["verdict"], "cannot_tell");
    let tests = acme.path("audit-events?action=user_source.tested");
    let events = bench.get(&acme.viewer, &tests).await.expect(200);
    assert_eq!(events.body["items"].as_array().unwrap().len(), 3);
    bench.app.gateways().store.close().await;
    assert!(
        !bench.everything_visible().contains("canary"),
        "no secret anywhere"
    );
}
