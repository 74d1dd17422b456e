//! What is recorded at all: within bounds, and never what was in a message.

use std::time::Duration;

use gatewright_domain::{
    activity::{Activity, header_user},
    api_key::KeyRole,
    entropy::SystemEntropy,
    gateway::RecordArguments,
    id::ProjectId,
};
use gatewright_store::{
    PageRequest, StoreError,
    activity::{self, ActivityFilter},
};
use http::{Request, StatusCode};
use serde_json::json;

use super::{added, call, request, rows, rows_of};
use crate::resource_server::tests::{selecting::choose, world::World};

#[tokio::test]
async fn strangers_leave_a_bounded_number_of_rows_and_the_rest_is_counted() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let knock = || Request::post("/mcp/acme").body(String::new()).unwrap();
    for _ in 0..50 {
        world.send(knock()).await;
    }
    world.send(call(&ada.token, "tell")).await;
    let found = rows(&world).await;
    assert_eq!(found.iter().filter(|row| row.caller.is_none()).count(), 30);
    assert_eq!(found.len(), 31);
    let metrics = world.app.telemetry.encode().unwrap();
    let dropped = "gatewright_activity_dropped_total{reason=\"strangers\"} 20";
    assert!(metrics.lines().any(|line| line == dropped), "{metrics}");
    world.clock.advance(Duration::from_mins(1));
    world.app.refresh_directory().await.unwrap();
    world.send(knock()).await;
    assert_eq!(rows(&world).await.len(), 32);
}

#[tokio::test]
async fn a_full_queue_drops_rows_and_counts_them_and_no_request_waits() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    world.send(call(&ada.token, "tell")).await;
    let row = added(&world, 0).await;
    for _ in 0..20_000 {
        world.app.activity.record(row.clone(), &world.app.telemetry);
    }
    let answer = world.send(call(&ada.token, "tell")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let metrics = world.app.telemetry.encode().unwrap();
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("gatewright_activity_dropped_total{reason=\"full\"} "));
    let dropped: usize = dropped.unwrap().parse().unwrap();
    let written = world.app.activity.flush(&world.app.store, &world.app.telemetry);
    assert_eq!(written.await.unwrap() + dropped, 20_001);
    assert!((3_000..4_000).contains(&dropped), "{dropped}");
}

#[tokio::test]
async fn arguments_and_results_are_never_stored() {
    const CANARY: &str = "canary-8f2e6c";
    let world = World::new().await;
    world.upstream.has_more();
    let ada = world.sign_in("acme", "ada").await;
    let content = json!([{"type": "text", "text": CANARY}]);
    world
        .upstream
        .answer_next(json!({"resultType": "complete", "content": content}));
    let params = json!({"name": "tell", "arguments": {"text": CANARY, CANARY: 1},
        "_meta": {"x": CANARY, "progressToken": CANARY}});
    let answer = world
        .send(request(&ada.token, "tools/call", Some("tell"), params))
        .await;
    assert!(answer.body.contains(CANARY), "{}", answer.body);
    let params = json!({"name": "ask", "arguments": {"topic": CANARY}});
    world
        .send(request(&ada.token, "prompts/get", Some("ask"), params))
        .await;
    let params = json!({"ref": {"type": "ref/prompt", "name": "ask"},
        "argument": {"name": "topic", "value": CANARY}});
    world
        .send(request(&ada.token, "completion/complete", None, params))
        .await;
    assert_eq!(rows(&world).await.len(), 3);
    // Nor the token.
    let (_, token) = ada.token.rsplit_once('.').unwrap();
    let folder = &world.app.config.database.data_dir;
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains(".activity.db") {
            let bytes = std::fs::read(&path).unwrap();
            files += 1;
            for secret in [CANARY, token] {
                let found = bytes
                    .windows(secret.len())
                    .any(|window| window == secret.as_bytes());
                assert!(!found, "{} has {secret}", path.display());
            }
        }
    }
    assert!(files >= 2, "the file and its log");
}

#[tokio::test]
async fn a_gateway_that_records_arguments_keeps_those_and_nothing_else() {
    const CANARY: &str = "canary-8f2e6c";
    let world = World::new().await;
    world.upstream.has_more();
    let ada = world.sign_in("acme", "ada").await;
    let recording = RecordArguments {
        redact: vec!["/password".to_owned()],
        ..RecordArguments::default()
    };
    choose(&world, |gateway| gateway.record_arguments = Some(recording)).await;
    let content = json!([{"type": "text", "text": CANARY}]);
    world
        .upstream
        .answer_next(json!({"resultType": "complete", "content": content}));
    let params =
        json!({"name": "tell", "arguments": {"text": "hello", "password": CANARY}, "_meta": {"x": CANARY}});
    let answer = world
        .send(request(&ada.token, "tools/call", Some("tell"), params))
        .await;
    assert!(answer.body.contains(CANARY), "{}", answer.body);
    let kept = recorded(&world).await;
    assert_eq!(
        kept.as_deref(),
        Some(r#"{"password":"[redacted]","text":"hello"}"#)
    );
    let params = json!({"name": "ask", "arguments": {"topic": "weather"}});
    world
        .send(request(&ada.token, "prompts/get", Some("ask"), params))
        .await;
    assert_eq!(recorded(&world).await.as_deref(), Some(r#"{"topic":"weather"}"#));
    let params = json!({"ref": {"type": "ref/prompt", "name": "ask"},
        "argument": {"name": "topic", "value": CANARY}});
    world
        .send(request(&ada.token, "completion/complete", None, params))
        .await;
    assert_eq!(recorded(&world).await, None);
    choose(&world, |gateway| gateway.record_arguments = None).await;
    world.send(call(&ada.token, "tell")).await;
    assert_eq!(recorded(&world).await, None);
    let folder = &world.app.config.database.data_dir;
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(
            !bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes())
        );
    }
}

/// The recorded arguments of the newest row.
async fn recorded(world: &World) -> Option<String> {
    let newest = world.app.activity.flush(&world.app.store, &world.app.telemetry);
    newest.await.unwrap();
    let project = world.project;
    let rows = world.app.store.activity();
    let found = rows.look(move |tx| {
        Box::pin(async move {
            let page = PageRequest::first(1);
            let page = activity::list(tx, project, &ActivityFilter::default(), &page).await?;
            activity::find_arguments(tx, project, page.items[0].id).await
        })
    });
    let found: Result<_, StoreError> = found.await;
    found.unwrap().map(|recorded| recorded.text)
}

#[tokio::test]
async fn users_of_each_mode_are_told_apart_and_another_project_finds_nothing() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let key = world.key(KeyRole::Gateway, None, None).await;
    let bearer = format!("Bearer {}", key.expose());
    world.send(call(&ada.token, "tell")).await;
    world
        .call(
            "keys",
            &[("authorization", &bearer), ("gatewright-user-id", "ada")],
        )
        .await;
    let found = rows(&world).await;
    let person = |row: &Activity| row.caller.as_ref().unwrap().person.clone().unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(&*person(&found[0]), header_user("ada"));
    assert_eq!(&*person(&found[1]), ada.user.to_string());
    let elsewhere = ProjectId::generate(world.clock.as_ref(), &SystemEntropy);
    assert!(
        rows_of(&world, elsewhere, ActivityFilter::default())
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn nothing_is_recorded_where_it_is_switched_off() {
    let world = World::with(|config| config.activity.enabled = false).await;
    let ada = world.sign_in("acme", "ada").await;
    world.send(call(&ada.token, "tell")).await;
    assert!(rows(&world).await.is_empty());
}
