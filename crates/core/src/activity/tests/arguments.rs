//! Recorded arguments: redacted before they are written, kept as long as their gateway says, and deleted with what they belong to.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_domain::{
    activity::{ActivityCaller, RecordedArguments},
    gateway::{Authentication, Gateway, RecordArguments, Redaction},
    id::{ActivityId, UserId},
    testing,
};
use gatewright_store::{gateway, user, user_source};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::*;
use crate::{activity::delete_arguments_at, recorded_body::HeldArguments};

const CANARY: &str = "canary-3b1f9c";

/// A project, and a gateway of it that records arguments like this.
async fn recording(test: &TestCore, settings: Option<RecordArguments>) -> Gateway {
    let project = project(test).await;
    let slug = format!("gateway-{}", project.number() % 1_000_000_007);
    let row = Gateway {
        record_arguments: settings,
        ..testing::gateway(project, test.clock.now(), &slug, Authentication::Headers)
    };
    let mut tx = test.core.store.write().await.unwrap();
    gateway::insert(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    row
}

fn settings(pointers: &[&str], days: u32) -> RecordArguments {
    RecordArguments {
        redact: pointers.iter().map(|text| (*text).to_owned()).collect(),
        retention_days: days,
    }
}

/// Records a call with these arguments and writes it; the ID of its row.
async fn call(test: &TestCore, of: &Gateway, person: Option<&str>, arguments: &Value) -> ActivityId {
    let core = &test.core;
    let default = RecordArguments::default();
    let redaction = Arc::new(Redaction::of(of.record_arguments.as_ref().unwrap_or(&default)));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "say", "arguments": arguments}});
    let body = Bytes::from(body.to_string());
    let held = core.activity.hold(&body, &redaction, &core.telemetry).unwrap();
    let arguments = HeldArguments::of(&Arc::new(held), RequestKind::Call, None);
    assert!(arguments.is_some());
    let caller = person.map(|person| {
        Arc::new(ActivityCaller {
            person: Some(person.into()),
            client: None,
        })
    });
    let row = Activity {
        gateway_id: of.id,
        kind: RequestKind::Call,
        caller,
        ..row(test, of.project_id)
    };
    core.activity.record_with(row, arguments, &core.telemetry);
    core.activity.flush(&core.store, &core.telemetry).await.unwrap();
    let activity = core.store.activity();
    let mut tx = activity.read().await.unwrap();
    let page = PageRequest::first(1);
    let newest = activity::list(&mut tx, of.project_id, &ActivityFilter::default(), &page).await;
    newest.unwrap().items[0].id
}

async fn found(test: &TestCore, of: &Gateway, id: ActivityId) -> Option<RecordedArguments> {
    let activity = test.core.store.activity();
    let mut tx = activity.read().await.unwrap();
    activity::find_arguments(&mut tx, of.project_id, id)
        .await
        .unwrap()
}

/// Whether any file of the database has a text in it.
fn is_on_disk(core: &TestCore, text: &str) -> bool {
    let folder = std::fs::read_dir(&core.core.config.database.data_dir).unwrap();
    folder.into_iter().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn arguments_are_written_with_their_row_and_belong_to_its_project() {
    let test = TestCore::new().await;
    let (acme, other) = (
        recording(&test, Some(settings(&["/password"], 7))).await,
        recording(&test, None).await,
    );
    let arguments = json!({"user": "ada", "password": CANARY});
    let id = call(&test, &acme, Some("|ada"), &arguments).await;
    let kept = found(&test, &acme, id).await.unwrap();
    assert_eq!(kept.text, r#"{"password":"[redacted]","user":"ada"}"#);
    assert_eq!(found(&test, &other, id).await, None);
    assert!(is_on_disk(&test, r#""user":"ada""#) && !is_on_disk(&test, CANARY));
    // A row without arguments, of the same project, has none.
    test.core
        .activity
        .record(row(&test, acme.project_id), &test.core.telemetry);
    test.core
        .activity
        .flush(&test.core.store, &test.core.telemetry)
        .await
        .unwrap();
    let next = ActivityId::of_row(test.clock.now(), id.row() + 1);
    assert_eq!(found(&test, &acme, next).await, None);
}

/// Arguments in which the canary stands only under a member `secret`, up to four levels down.
fn hiding() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\é]{0,12}".prop_map(Value::from)
    ];
    let inner = leaf.clone().prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            (
                proptest::collection::btree_map("[a-c]", inner, 0..3),
                any::<bool>()
            )
                .prop_map(|(members, hides)| {
                    let mut members: serde_json::Map<_, _> = members.into_iter().collect();
                    if hides {
                        members.insert("secret".to_owned(), json!({"deep": [CANARY, {CANARY: 1}]}));
                    }
                    Value::from(members)
                }),
        ]
    });
    proptest::collection::btree_map("[a-c]", inner, 0..4).prop_map(|members| {
        let mut members: serde_json::Map<_, _> = members.into_iter().collect();
        members.insert("secret".to_owned(), Value::from(CANARY));
        Value::from(members)
    })
}

#[test]
fn what_a_pointer_names_is_never_in_a_file_of_the_database() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pointers = ["/secret", "/*/secret", "/*/*/secret", "/*/*/*/secret"];
    let (test, acme) = runtime.block_on(async {
        let test = TestCore::new().await;
        let acme = recording(&test, Some(settings(&pointers, 7))).await;
        (test, acme)
    });
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let outcome = runner.run(&hiding(), |arguments| {
        runtime.block_on(async {
            let id = call(&test, &acme, None, &arguments).await;
            let kept = found(&test, &acme, id).await.unwrap();
            prop_assert!(kept.text.contains("[redacted]") && !kept.text.contains(CANARY));
            prop_assert!(!is_on_disk(&test, CANARY));
            Ok(())
        })
    });
    outcome.unwrap();
    assert!(is_on_disk(&test, "[redacted]"));
}

#[tokio::test]
async fn arguments_are_kept_as_long_as_their_gateway_says_and_their_rows_longer() {
    let test = TestCore::new().await;
    let acme = recording(&test, Some(settings(&[], 7))).await;
    let long = recording(&test, Some(settings(&[], 20))).await;
    let off = recording(&test, None).await;
    let mut ids = Vec::new();
    for of in [&acme, &long, &off] {
        ids.push((of, call(&test, of, None, &json!({"a": 1})).await));
    }
    let kept = async || {
        let mut kept = Vec::new();
        for (of, id) in &ids {
            kept.push(found(&test, of, *id).await.is_some());
        }
        kept
    };
    assert_eq!(kept().await, [true, true, true]);
    let mut retention = Retention::default();
    // The one that records nothing any more keeps nothing.
    round(&test, &mut retention).await;
    assert_eq!(kept().await, [true, true, false]);
    test.clock.advance(DAY * 7 + Duration::from_secs(1));
    // The second round begins again at the first gateway.
    for _ in 0..2 {
        round(&test, &mut retention).await;
    }
    assert_eq!(kept().await, [false, true, false]);
    assert_eq!(count(&test, acme.project_id).await, 1);
    test.clock.advance(DAY * 24);
    for _ in 0..2 {
        round(&test, &mut retention).await;
    }
    assert_eq!(kept().await, [false, false, false]);
}

#[tokio::test]
async fn arguments_are_deleted_on_demand_and_with_the_person() {
    let test = TestCore::new().await;
    let acme = recording(&test, Some(settings(&[], 7))).await;
    let now = test.clock.now();
    let source = testing::user_source(acme.project_id, now, "https://login.example.com");
    let ada = testing::user(acme.project_id, source.id, now, "ada");
    let mut tx = test.core.store.write().await.unwrap();
    user_source::insert(&mut tx, &source).await.unwrap();
    let ada = user::sign_in(&mut tx, &ada).await.unwrap();
    tx.commit().await.unwrap();
    let gone = UserId::generate(test.clock.as_ref(), &SystemEntropy).to_string();
    let of_ada = call(&test, &acme, Some(&ada.id.to_string()), &json!({"a": 1})).await;
    let of_gone = call(&test, &acme, Some(&gone), &json!({"a": 2})).await;
    let of_key = call(&test, &acme, Some(&format!("|{gone}")), &json!({"a": 3})).await;
    round(&test, &mut Retention::default()).await;
    assert!(found(&test, &acme, of_ada).await.is_some());
    assert!(found(&test, &acme, of_gone).await.is_none());
    assert!(found(&test, &acme, of_key).await.is_some());
    let deleted = delete_arguments_at(&test.core.store, acme.project_id, acme.id).await;
    assert_eq!(deleted.unwrap(), 2);
    assert!(found(&test, &acme, of_ada).await.is_none());
    assert_eq!(count(&test, acme.project_id).await, 3);
}

#[tokio::test]
async fn arguments_have_a_bound_of_their_own_and_push_out_no_requests() {
    let test = TestCore::with(|config| {
        config.activity.max_size_mb = 1;
        config.activity.max_arguments_mb = 1;
    })
    .await;
    let acme = recording(&test, Some(settings(&[], 7))).await;
    let other = recording(&test, None).await;
    write(&test, vec![row(&test, other.project_id); 300]).await;
    let mut ids = Vec::new();
    // 2.5 MB.
    for number in 0..160 {
        ids.push(
            call(
                &test,
                &acme,
                Some("|ada"),
                &json!({"text": format!("{number:04}").repeat(4_000)}),
            )
            .await,
        );
    }
    round(&test, &mut Retention::default()).await;
    assert_eq!(count(&test, other.project_id).await, 300);
    assert_eq!(count(&test, acme.project_id).await, 160);
    let size = test.core.store.activity().size_of_arguments().await.unwrap();
    assert!((500_000..=1024 * 1024).contains(&size), "{size}");
    assert!(found(&test, &acme, ids[0]).await.is_none());
    assert!(found(&test, &acme, ids[159]).await.is_some());
}
