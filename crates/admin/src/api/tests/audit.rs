//! The audit trail: what guards refuse is in it, counted.

use std::time::Duration;

use axum::http::StatusCode;
use gatewright_domain::audit::TALLY_WINDOW;
use serde_json::{Value, json};

use super::bench::{Bench, Tenant};

/// The events of an action, newest first.
async fn events(bench: &Bench, tenant: &Tenant, action: &str) -> Vec<Value> {
    let path = tenant.path(&format!("audit-events?action={action}"));
    let answer = bench.get(&tenant.viewer, &path).await.expect(200);
    answer.body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_a_guard_refuses_is_one_event_with_a_count() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let path = acme.path(&format!("user-sources/{source}"));
    let deactivate = async |key: &str| {
        let inactive = json!({"status": "inactive"});
        bench.patch(key, &path, inactive).await.expect(409);
    };
    for _ in 0..3 {
        deactivate(&acme.admin).await;
    }
    deactivate(&acme.owner).await;
    bench.delete(&acme.admin, &path).await.expect(409);

    let refused = events(&bench, &acme, "user_source.deactivation_refused").await;
    let counts: Vec<_> = refused.iter().map(|event| &event["occurrences"]).collect();
    assert_eq!(counts, [&json!(1), &json!(3)], "one for each who tried");
    let event = &refused[1];
    assert_eq!(event["object"]["id"], source);
    assert_eq!(event["actor"]["origin"], "api");
    assert_eq!(
        event["changes"],
        json!([{"field": "active_gateways", "after": [gateway]}])
    );
    assert!(event["last_at"].as_str() > event["at"].as_str());
    assert_eq!(
        events(&bench, &acme, "user_source.deletion_refused").await.len(),
        1
    );
    // Nothing else happened.
    let answer = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(answer.body["status"], "active");

    bench.clock.advance(TALLY_WINDOW);
    deactivate(&acme.admin).await;
    assert_eq!(
        events(&bench, &acme, "user_source.deactivation_refused")
            .await
            .len(),
        3
    );
}

#[tokio::test]
async fn every_guard_is_recorded_in_the_trail() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let made = async |what: &str, new: Value| {
        let answer = bench.post(&acme.admin, &acme.path(what), new).await;
        answer.expect(201).text("id")
    };
    let origins = json!({"name": "TOKEN", "value": "canary", "origins": ["https://mcp.example.com"]});
    let secret = made("secrets", origins).await;
    let server = json!({
        "slug": "tools", "url": "https://mcp.example.com/mcp",
        "headers": [{"name": "X-Key", "value": "${secret:TOKEN}"}],
    });
    let server = made("servers", server).await;
    let gateway = json!({"name": "Agents", "authentication_mode": "headers", "servers": [server]});
    made("gateways", gateway).await;
    let idle = acme.gateway_of(&bench, &source, "Idle", "inactive").await;
    let status = |status: &str| json!({"status": status});
    let source = acme.path(&format!("user-sources/{source}"));
    bench
        .patch(&acme.admin, &source, status("inactive"))
        .await
        .expect(200);
    for (action, method, path, body) in [
        (
            "server.deletion_refused",
            "DELETE",
            format!("servers/{server}"),
            None,
        ),
        (
            "secret.deletion_refused",
            "DELETE",
            format!("secrets/{secret}"),
            None,
        ),
        (
            "secret.update_refused",
            "PATCH",
            format!("secrets/{secret}"),
            Some(json!({"value": "canary", "origins": ["https://other.example.com"]})),
        ),
        (
            "gateway.update_refused",
            "PATCH",
            format!("gateways/{idle}"),
            Some(status("active")),
        ),
    ] {
        assert_eq!(events(&bench, &acme, action).await, Vec::<Value>::new());
        let method = method.parse().unwrap();
        let answer = bench
            .with(method, &acme.path(&path), Some(&acme.admin), &[], body)
            .await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{action}");
        let told = events(&bench, &acme, action).await;
        assert_eq!(told.len(), 1, "{action}");
        assert!(!told[0].to_string().contains("canary"));
    }
}

#[tokio::test]
async fn an_export_returns_every_event_that_matches_the_filters() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    for number in 0..450 {
        let renamed = json!({"name": format!("Acme {number}")});
        let path = format!("/projects/{}", acme.id);
        bench.patch(&acme.owner, &path, renamed).await.expect(200);
    }
    let export = async |key: &str, path: &str| {
        let (text, headers) = bench.lines(key, path).await;
        assert_eq!(headers["content-type"], "application/jsonl");
        let events = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        // An export is an event too, which those after it return.
        let others = events.filter(|event| event["action"] != "export.started");
        others.collect::<Vec<_>>()
    };
    let all = export(&acme.viewer, &acme.path("audit-events/export")).await;
    let ids: Vec<_> = all.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(
        ids.is_sorted_by(|newer, older| newer > older),
        "newest first, none twice"
    );
    assert_eq!(all.len(), 450 + 4, "three pages, and the four keys");
    let list = bench
        .get(&acme.viewer, &acme.path("audit-events?limit=200"))
        .await
        .expect(200);
    let listed = list.body["items"].as_array().unwrap().clone();
    let (exports, others): (Vec<_>, Vec<_>) = listed
        .into_iter()
        .partition(|event| event["action"] == "export.started");
    assert_eq!((exports.len(), &others[..]), (1, &all[..199]));

    let half = all[200]["at"].as_str().unwrap();
    let late = export(
        &acme.viewer,
        &acme.path(&format!("audit-events/export?from={half}")),
    )
    .await;
    assert_eq!(late, all[..=200]);
    let keys = export(
        &acme.viewer,
        &acme.path("audit-events/export?object_type=api_key&origin=api"),
    )
    .await;
    assert_eq!(keys.len(), 4);
    let none = export(&acme.viewer, &acme.path("audit-events/export?actor=operator")).await;
    assert_eq!(none.len(), 0);
    let instance = export(&bench.instance, "/audit-events/export?actor=operator").await;
    assert_eq!(instance.len(), 1, "the first key of the instance");
    let actor = instance[0]["object"]["id"].as_str().unwrap();
    let made = export(&bench.instance, &format!("/audit-events/export?actor={actor}")).await;
    assert_eq!(made.len(), 2, "the two projects");

    bench
        .get(&other.owner, &acme.path("audit-events/export"))
        .await
        .expect(404);
    bench.get(&acme.viewer, "/audit-events/export").await.expect(403);
    for wrong in ["limit=1", "from=yesterday", "origin=nowhere", "action=a&action=b"] {
        let path = acme.path(&format!("audit-events/export?{wrong}"));
        bench.get(&acme.viewer, &path).await.expect(400);
    }
}

#[tokio::test]
async fn an_export_breaks_off_when_its_key_is_revoked_or_ends() {
    use http_body_util::BodyExt as _;

    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let path = format!("/projects/{}", acme.id);
    for number in 0..250 {
        let renamed = json!({"name": format!("Acme {number}")});
        bench.patch(&acme.owner, &path, renamed).await.expect(200);
    }
    let keys = acme.path("api-keys");
    let key = async |name: &str, more: Value| {
        let mut new = json!({"name": name, "role": "viewer"});
        new.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let made = bench.post(&acme.owner, &keys, new).await.expect(201);
        (made.text("id"), made.text("key"))
    };
    let begin = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let mut body = bench
            .begun(&acme.path("audit-events/export"), &[("authorization", &bearer)])
            .await
            .into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(String::from_utf8_lossy(&first).lines().count(), 200);
        body
    };
    let (id, revoked) = key("revoked", json!({})).await;
    let mut body = begin(&revoked).await;
    let mut untouched = begin(&acme.viewer).await;
    bench
        .delete(&acme.owner, &format!("{keys}/{id}"))
        .await
        .expect(204);
    assert!(body.frame().await.unwrap().is_err(), "and it is seen that it did");
    assert!(untouched.frame().await.unwrap().is_ok());

    let soon = bench.app.now().plus(Duration::from_mins(1)).to_string();
    let (_, short) = key("short", json!({"expires_at": soon})).await;
    let mut body = begin(&short).await;
    bench.clock.advance(Duration::from_mins(1));
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn events_have_their_place_in_the_chain_and_its_state_can_be_read() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let chain = bench
        .get(&acme.viewer, &acme.path("audit-chain"))
        .await
        .expect(200)
        .body;
    assert_eq!(chain["check"], Value::Null);
    let listed = bench
        .get(&acme.viewer, &acme.path("audit-events"))
        .await
        .expect(200)
        .body;
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed[0]["digest"], chain["digest"]);
    assert_eq!(listed[0]["seq"], chain["seq"]);
    assert_eq!(listed[0]["previous"], listed[1]["digest"]);
    assert_eq!(
        (&listed[0]["sealed"], &listed[0]["erased"]),
        (&json!(true), &json!([]))
    );

    // What is still counted is not in the chain.
    let path = acme.path(&format!("user-sources/{source}"));
    let inactive = json!({"status": "inactive"});
    bench.patch(&acme.admin, &path, inactive).await.expect(409);
    let refused = events(&bench, &acme, "user_source.deactivation_refused").await;
    assert_eq!(
        (&refused[0]["sealed"], &refused[0]["digest"]),
        (&json!(false), &Value::Null)
    );
    let same = bench
        .get(&acme.viewer, &acme.path("audit-chain"))
        .await
        .expect(200)
        .body;
    assert_eq!(same["digest"], chain["digest"]);
    assert!(!gateway.is_empty());

    // The instance has its own, which projects do not see.
    bench.get(&acme.owner, "/audit-chain").await.expect(403);
    let instance = bench.get(&bench.instance, "/audit-chain").await.expect(200).body;
    assert_ne!(instance["digest"], chain["digest"]);
}
