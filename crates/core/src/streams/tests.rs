//! Records: what they say, in each format.

use std::sync::Arc;

use gatewright_domain::{
    Timestamp,
    activity::{
        Activity, ActivityCaller, ActivityClient, Outcome, RequestKind, RequestNumber, Rule, StoredActivity,
    },
    audit::{Actor, ActorKind, AuditEvent, FieldChange, Origin, chain::Seal},
    id::{AccountId, ActivityId, EventId, GatewayId, ProjectId, StreamId},
    stream::StreamFormat,
};
use serde_json::{Value, json};

use super::{record::RECORD_MAX, *};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);

fn event(action: &str, object: &str) -> AuditEvent {
    AuditEvent {
        id: EventId::of_number(1),
        project_id: Some(ProjectId::of_number(2)),
        at: AT,
        actor: Actor {
            kind: ActorKind::Account(AccountId::of_number(3)),
            address: Some("192.0.2.7".to_owned()),
            origin: Origin::Dashboard,
        },
        action: action.to_owned(),
        object_type: object.to_owned(),
        object_id: "gw_1".to_owned(),
        object_name: "Bücher".to_owned(),
        changes: vec![FieldChange {
            field: "name".to_owned(),
            before: None,
            after: Some("Bücher".into()),
        }],
        occurrences: 1,
        last_at: AT,
        proofs: None,
        seal: Some(Seal {
            seq: 7,
            previous: "v1.a".to_owned(),
            digest: "v1.b".to_owned(),
        }),
    }
}

fn request(outcome: Outcome, rule: Option<Rule>) -> StoredActivity {
    StoredActivity {
        id: ActivityId::of_row(AT, 9),
        activity: Activity {
            at: AT,
            project_id: ProjectId::of_number(2),
            gateway_id: GatewayId::of_number(4),
            caller: Some(Arc::new(ActivityCaller {
                person: Some("usr_1".into()),
                client: Some(ActivityClient::new("client", "Editor")),
            })),
            server_id: None,
            kind: RequestKind::Call,
            item: Some("search".into()),
            outcome,
            rule,
            duration_us: 12_345,
            upstream_us: None,
            bytes_in: 1,
            bytes_out: 2,
            request: RequestNumber(5),
            trace: None,
            session: None,
        },
    }
}

fn read(fact: Fact<'_>, format: StreamFormat) -> Value {
    let record = record(fact, format);
    assert!(record.json.iter().all(|byte| (0x20..0x7f).contains(byte)));
    serde_json::from_slice(&record.json).unwrap()
}

#[test]
fn a_plain_record_says_what_the_api_says() {
    let event = event("gateway.updated", "gateway");
    let plain = read(Fact::Audit(&event), StreamFormat::Json);
    assert_eq!(plain["type"], "audit");
    assert_eq!(plain["id"], event.id.to_string());
    assert_eq!(plain["actor"]["origin"], "dashboard");
    assert_eq!(plain["object"]["name"], "Bücher");
    assert_eq!(plain["changes"], json!([{"field": "name", "after": "Bücher"}]));
    assert_eq!((&plain["seq"], &plain["digest"]), (&json!(7), &json!("v1.b")));
    let row = request(Outcome::Refused, Some(Rule::NotOffered));
    let plain = read(Fact::Activity(&row), StreamFormat::Json);
    assert_eq!(plain["id"], row.id.to_string());
    assert_eq!(plain["user_id"], "usr_1");
    assert_eq!(plain["rule"], "not_offered");
    assert_eq!(plain["request_id"], "0000000000000005");
}

/// What the schema requires of every event, and what follows from its numbers.
fn check_base(event: &Value) {
    for name in [
        "activity_id",
        "category_uid",
        "class_uid",
        "severity_id",
        "time",
        "type_uid",
    ] {
        assert!(event[name].is_u64(), "{name} in {event}");
    }
    let (class, activity) = (
        event["class_uid"].as_u64().unwrap(),
        event["activity_id"].as_u64().unwrap(),
    );
    assert_eq!(event["type_uid"], class * 100 + activity);
    assert_eq!(event["category_uid"], class / 1_000);
    assert_eq!(event["time"], AT.as_millis());
    assert_eq!(event["metadata"]["product"]["vendor_name"], "Gatewright");
    assert!(event["metadata"]["version"].is_string());
}

#[test]
fn audit_events_have_the_class_that_fits() {
    for (action, object, class, activity, required) in [
        ("gateway.created", "gateway", 3004, 1, "entity"),
        ("gateway.updated", "gateway", 3004, 3, "entity"),
        ("gateway.deleted", "gateway", 3004, 4, "entity"),
        ("account.updated", "account", 3001, 99, "user"),
        ("account.password_changed", "account", 3001, 3, "user"),
        ("user.deleted", "user", 3001, 6, "user"),
        ("user_source.tested", "user_source", 6003, 99, "api"),
        ("secret.deletion_refused", "secret", 6003, 99, "api"),
    ] {
        let event = read(Fact::Audit(&event(action, object)), StreamFormat::Ocsf);
        check_base(&event);
        assert_eq!(event["class_uid"], class, "{action}");
        assert_eq!(event["activity_id"], activity, "{action}");
        assert!(event[required].is_object(), "{action}");
        assert_eq!(event["src_endpoint"]["ip"], "192.0.2.7");
        assert_eq!(event["actor"]["user"]["uid"], AccountId::of_number(3).to_string());
        assert_eq!(event["metadata"]["sequence"], 7);
        let status = if action.ends_with("_refused") { 2 } else { 1 };
        assert_eq!(event["status_id"], status, "{action}");
        if class == 6003 {
            assert_eq!(event["api"]["operation"], action);
        }
    }
}

#[test]
fn requests_are_api_activity() {
    let event = read(Fact::Activity(&request(Outcome::Ok, None)), StreamFormat::Ocsf);
    check_base(&event);
    assert_eq!(
        (&event["class_uid"], &event["status_id"]),
        (&json!(6003), &json!(1))
    );
    assert_eq!(event["duration"], 12);
    for required in ["actor", "api", "src_endpoint"] {
        assert!(event[required].is_object(), "{required}");
    }
    let refused = request(Outcome::Refused, Some(Rule::PersonBusy));
    let event = read(Fact::Activity(&refused), StreamFormat::Ocsf);
    assert_eq!(event["status_id"], 2);
    assert_eq!(event["status_detail"], "person_busy");
}

#[test]
fn what_is_lost_is_said_with_an_id_that_stays_the_same() {
    let lost = LostRecords {
        stream_id: StreamId::of_number(1),
        at: AT,
        source: "audit",
        project_id: None,
        first: 3,
        last: 5,
        count: 3,
        why: Loss::Deleted,
    };
    let plain = read(Fact::Lost(&lost), StreamFormat::Json);
    assert_eq!((&plain["type"], &plain["count"]), (&json!("lost"), &json!(3)));
    let later = LostRecords {
        at: AT.plus(std::time::Duration::from_secs(9)),
        ..lost.clone()
    };
    assert_eq!(read(Fact::Lost(&later), StreamFormat::Json)["id"], plain["id"]);
    let again = LostRecords {
        why: Loss::Again,
        source: "activity",
        ..lost.clone()
    };
    let again = read(Fact::Lost(&again), StreamFormat::Json);
    assert!(again["message"].as_str().unwrap().contains("began again"));
    assert_ne!(again["id"], plain["id"]);
    let event = read(Fact::Lost(&lost), StreamFormat::Ocsf);
    check_base(&event);
    assert!(event["message"].as_str().unwrap().starts_with("3 audit events"));
}

#[test]
fn an_event_that_is_too_long_is_sent_without_its_changes() {
    let mut long = event("gateway.updated", "gateway");
    long.changes[0].after = Some("x".repeat(RECORD_MAX).into());
    for format in [StreamFormat::Json, StreamFormat::Ocsf] {
        let value = read(Fact::Audit(&long), format);
        let plain = if format == StreamFormat::Ocsf {
            &value["unmapped"]
        } else {
            &value
        };
        assert_eq!(plain["truncated"], true);
        assert_eq!(plain["changes"], json!([]));
    }
}
