//! The sign-in trace by API: who may read it, how it is found, and what is left out of it.

use std::time::Duration;

use gatewright_domain::{
    id::{AttemptId, UserId},
    reference::Reference,
    sign_in_attempt::{AttemptHead, Step, StepRecord},
};
use serde_json::json;

use super::bench::{Bench, Tenant};
use crate::sign_in_trace::{BeforeAllow, before_allow::Sort};

/// An attempt that failed at the ID token, of this user if there is one.
fn failed(bench: &Bench, tenant: &Tenant, source: &str, gateway: &str, user: Option<UserId>) -> AttemptId {
    bench.clock.advance(Duration::from_millis(1));
    let id = AttemptId::generate(bench.clock.as_ref(), bench.app.entropy.as_ref());
    let head = AttemptHead {
        id,
        project_id: tenant.project(),
        gateway_id: gateway.parse().unwrap(),
        user_source_id: Some(source.parse().unwrap()),
        reference: Some(crate::request::RequestId::next().reference()),
        client_id: "client".to_owned(),
        client_name: "Claude".to_owned(),
        started_at: bench.now(),
    };
    let before = vec![StepRecord::done(Step::Authorize, bench.now())];
    let trace = bench.app.gateways().sign_in_trace.begin(head, before);
    trace.enter(Step::Redirect);
    bench.clock.advance(Duration::from_millis(30));
    trace.fail(Step::IdToken, "the audience is another", "Compare the client id.");
    if let Some(user) = user {
        trace.is_of(user);
    }
    id
}

/// The ids a list answers with.
async fn listed(bench: &Bench, key: &str, path: &str) -> Vec<String> {
    let answer = bench.get(key, path).await.expect(200);
    let items = answer.body["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_attempt_is_found_by_its_reference_and_shows_what_happened() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let user = bench.user(&acme, &source, "ada").await;
    let other = failed(&bench, &acme, &source, &gateway, None);
    let id = failed(&bench, &acme, &source, &gateway, Some(user));
    let path = acme.path("sign-in-attempts");
    let read = bench.get(&acme.viewer, &format!("{path}/{id}")).await.expect(200);
    let expected = json!({
        "step": "id_token", "outcome": "failed", "duration_ms": 0, "detail": null,
        "at": read.body["steps"][2]["at"],
        "reason": "the audience is another", "advice": "Compare the client id.",
    });
    assert_eq!(read.body["steps"][2], expected);
    let redirect = &read.body["steps"][1];
    assert_eq!(
        [&redirect["step"], &redirect["outcome"], &redirect["duration_ms"]],
        [&json!("redirect"), &json!("done"), &json!(30)]
    );
    for (member, value) in [
        ("outcome", json!("failed")),
        ("failed_step", json!("id_token")),
        ("reason", json!("the audience is another")),
        ("subject", json!("ada")),
        ("stored", json!(true)),
        ("grant_id", json!(null)),
    ] {
        assert_eq!(read.body[member], value, "{member}");
    }
    let reference = read.text("reference");
    let typed = reference.to_lowercase().replace('-', "");
    for reference in [reference, typed] {
        let found = listed(&bench, &acme.viewer, &format!("{path}?reference={reference}")).await;
        assert_eq!(found, [id.to_string()]);
    }
    let both = [id.to_string(), other.to_string()];
    assert_eq!(listed(&bench, &acme.viewer, &path).await, both);
    for (filter, expected) in [
        (format!("gateway_id={gateway}"), &both[..]),
        (format!("user_source_id={source}"), &both[..]),
        (format!("user_id={user}"), &both[..1]),
        ("outcome=failed".to_owned(), &both[..]),
        ("outcome=succeeded".to_owned(), &[]),
        ("limit=1".to_owned(), &both[..1]),
        (format!("limit=1&cursor={id}"), &both[1..]),
    ] {
        let found = listed(&bench, &acme.viewer, &format!("{path}?{filter}")).await;
        assert_eq!(found, expected, "{filter}");
    }
    for wrong in ["reference=not-a-reference", "outcome=lost", "gateway_id=src_1"] {
        bench
            .get(&acme.viewer, &format!("{path}?{wrong}"))
            .await
            .expect(400);
    }
}

#[tokio::test]
async fn another_project_does_not_find_an_attempt() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let id = failed(&bench, &acme, &source, &gateway, None);
    let path = |tenant: &Tenant| tenant.path(&format!("sign-in-attempts/{id}"));
    let read = bench.get(&acme.viewer, &path(&acme)).await.expect(200);
    bench.get(&other.owner, &path(&acme)).await.expect(404);
    bench.get(&other.owner, &path(&other)).await.expect(404);
    let by_reference = format!("sign-in-attempts?reference={}", read.text("reference"));
    bench
        .get(&other.owner, &acme.path(&by_reference))
        .await
        .expect(404);
    assert!(
        listed(&bench, &other.owner, &other.path(&by_reference))
            .await
            .is_empty()
    );
    bench.get(&acme.gateway, &path(&acme)).await.expect(403);
    bench.get(&bench.instance, &path(&acme)).await.expect(403);
}

#[tokio::test]
async fn what_happened_before_allow_is_in_the_same_list_and_not_in_the_database() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let stored = failed(&bench, &acme, &source, &gateway, None);
    bench.clock.advance(Duration::from_millis(1));
    let entry = {
        let directory = bench.app.gateways().directory.current().unwrap();
        directory.gateway_by_id(gateway.parse().unwrap()).unwrap().clone()
    };
    let mut before = BeforeAllow::new(Reference::of(1), bench.now());
    let record = StepRecord::done(Step::Authorize, bench.now());
    before
        .steps
        .push(record.failed("the redirect URI is another", "Tell its makers."));
    bench
        .app
        .gateways()
        .sign_in_trace
        .note(&entry, Sort::Refused, None, &before);
    let path = acme.path("sign-in-attempts");
    let found = listed(&bench, &acme.viewer, &path).await;
    assert_eq!((found.len(), &found[1]), (2, &stored.to_string()));
    let read = bench
        .get(&acme.viewer, &format!("{path}/{}", found[0]))
        .await
        .expect(200);
    assert_eq!(read.body["stored"], false);
    assert_eq!(read.text("reason"), "the redirect URI is another");
    let first = bench
        .get(&acme.viewer, &format!("{path}?limit=1"))
        .await
        .expect(200);
    let cursor = first.text("next_cursor");
    assert_eq!(cursor, found[0]);
    let rest = listed(&bench, &acme.viewer, &format!("{path}?cursor={cursor}")).await;
    assert_eq!(rest, found[1..]);
    assert!(
        listed(&bench, &other.owner, &other.path("sign-in-attempts"))
            .await
            .is_empty()
    );
    bench
        .get(
            &other.owner,
            &other.path(&format!("sign-in-attempts/{}", found[0])),
        )
        .await
        .expect(404);
    // Another process on the same data has the stored one only.
    bench.app.gateways().sign_in_trace.flush().await.unwrap();
    let mut tx = bench.app.gateways().store.read().await.unwrap();
    let filter = gatewright_store::sign_in_attempt::AttemptFilter::default();
    let page = gatewright_store::PageRequest::first(10);
    let rows = gatewright_store::sign_in_attempt::list(&mut tx, acme.project(), &filter, bench.now(), &page)
        .await
        .unwrap();
    assert_eq!(rows.items.len(), 1);
    drop(tx);
    bench
        .patch(
            &acme.admin,
            &acme.path(&format!("gateways/{gateway}")),
            json!({"status": "inactive"}),
        )
        .await
        .expect(200);
    assert_eq!(listed(&bench, &acme.viewer, &path).await.len(), 2);
    bench
        .delete(&acme.admin, &acme.path(&format!("gateways/{gateway}")))
        .await
        .expect(204);
    assert!(listed(&bench, &acme.viewer, &path).await.is_empty());
}

#[tokio::test]
async fn refusals_of_no_gateway_are_for_those_who_run_the_instance() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let reference = Reference::of(7 << 40);
    let gateways = bench.app.gateways();
    let trace = &gateways.sign_in_trace;
    trace.note_stray(reference, Step::Callback, "no such sign-in", "Nothing.");
    let refusals = bench.get(&bench.instance, "/sign-in-refusals").await.expect(200);
    assert_eq!(refusals.body["items"][0]["reference"], reference.to_string());
    assert_eq!(refusals.body["items"][0]["reason"], "no such sign-in");
    bench.get(&acme.owner, "/sign-in-refusals").await.expect(403);
    for _ in 0..1_000 {
        trace.note_stray(Reference::of(0), Step::Callback, "flood", "Nothing.");
    }
    let refusals = bench.get(&bench.instance, "/sign-in-refusals").await.expect(200);
    assert_eq!(refusals.body["items"].as_array().unwrap().len(), 200);
}

#[tokio::test]
async fn a_deleted_user_is_named_by_no_attempt() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let user = bench.user(&acme, &source, "ada").await;
    let id = failed(&bench, &acme, &source, &gateway, Some(user));
    let path = acme.path(&format!("sign-in-attempts/{id}"));
    assert_eq!(
        bench.get(&acme.viewer, &path).await.expect(200).text("subject"),
        "ada"
    );
    bench
        .delete(&acme.admin, &acme.path(&format!("users/{user}")))
        .await
        .expect(204);
    let read = bench.get(&acme.viewer, &path).await.expect(200);
    assert_eq!(
        [&read.body["subject"], &read.body["user_id"]],
        [&json!(null), &json!(null)]
    );
    assert_eq!(read.text("reason"), "the audience is another");
}
