//! Records according to the Open Cybersecurity Schema Framework (<https://schema.ocsf.io>), version 1.5.0.
//!
//! | what | class |
//! | --- | --- |
//! | an audit event about an account, a member or a user | Account Change (3001) |
//! | another audit event of a creation, change or deletion | Entity Management (3004) |
//! | any other audit event | API Activity (6003) |
//! | a request of a gateway | API Activity (6003) |
//! | lost records, a test | Base Event (0) |
//!
//! What has no attribute there is in `unmapped`, in the form of the API.

use gatewright_domain::{
    Timestamp,
    activity::{Activity, Outcome, RequestKind, StoredActivity},
    audit::{ActorKind, AuditEvent},
    id::ProjectId,
};
use serde_json::{Map, Value, json};

use super::{
    plain,
    record::{Fact, is_refusal},
};

/// The version of the schema.
const VERSION: &str = "1.5.0";

/// A class: its category and number, with their names.
#[derive(Debug, Clone, Copy)]
struct Class {
    category: (u32, &'static str),
    class: (u32, &'static str),
}

const IAM: (u32, &str) = (3, "Identity & Access Management");
const ACCOUNT_CHANGE: Class = Class {
    category: IAM,
    class: (3001, "Account Change"),
};
const ENTITY_MANAGEMENT: Class = Class {
    category: IAM,
    class: (3004, "Entity Management"),
};
const API_ACTIVITY: Class = Class {
    category: (6, "Application Activity"),
    class: (6003, "API Activity"),
};
const BASE: Class = Class {
    category: (0, "Uncategorized"),
    class: (0, "Base Event"),
};

/// Not one of the activities of a class: the name says which.
const OTHER: u32 = 99;
const INFORMATIONAL: (u32, &str) = (1, "Informational");
const LOW: (u32, &str) = (2, "Low");
const HIGH: (u32, &str) = (4, "High");
const SUCCESS: (u32, &str) = (1, "Success");
const FAILURE: (u32, &str) = (2, "Failure");

/// The record of a fact.
pub(super) fn of(fact: Fact<'_>) -> Value {
    match fact {
        Fact::Audit(event) => audit(event),
        Fact::Activity(row) => activity(row),
        Fact::Lost(lost) => base(
            plain::of(fact),
            &lost.id(),
            lost.at,
            lost.message(),
            ("Lost", HIGH),
        ),
        Fact::Test(test) => {
            let message = "This is a test event that an administrator sent.".to_owned();
            base(
                plain::of(fact),
                &test.id,
                test.at,
                message,
                ("Test", INFORMATIONAL),
            )
        }
    }
}

/// What every event has.
fn event(
    class: Class,
    activity: (u32, &str),
    severity: (u32, &str),
    status: (u32, &str),
    at: Timestamp,
) -> Map<String, Value> {
    let value = json!({
        "category_uid": class.category.0,
        "category_name": class.category.1,
        "class_uid": class.class.0,
        "class_name": class.class.1,
        "activity_id": activity.0,
        "activity_name": activity.1,
        "type_uid": class.class.0 * 100 + activity.0,
        "type_name": format!("{}: {}", class.class.1, activity.1),
        "severity_id": severity.0,
        "severity": severity.1,
        "status_id": status.0,
        "status": status.1,
        "time": at.as_millis(),
    });
    match value {
        Value::Object(event) => event,
        _ => Map::new(),
    }
}

/// Where an event comes from.
fn metadata(uid: &str, log: &str, project: Option<ProjectId>, sequence: Option<i64>) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "uid": uid,
        "log_name": log,
        "product": {"name": "Gatewright", "vendor_name": "Gatewright", "version": env!("CARGO_PKG_VERSION")},
    });
    if let Some(project) = project {
        metadata["tenant_uid"] = json!(project);
    }
    if let Some(sequence) = sequence {
        metadata["sequence"] = sequence.into();
    }
    metadata
}

fn base(
    unmapped: Value,
    uid: &str,
    at: Timestamp,
    message: String,
    (name, severity): (&str, (u32, &str)),
) -> Value {
    let mut base = event(BASE, (OTHER, name), severity, SUCCESS, at);
    base.insert("message".to_owned(), message.into());
    base.insert("metadata".to_owned(), metadata(uid, "stream", None, None));
    base.insert("unmapped".to_owned(), unmapped);
    Value::Object(base)
}

fn audit(event: &AuditEvent) -> Value {
    let verb = event
        .action
        .split_once('.')
        .map_or(event.action.as_str(), |(_, verb)| verb);
    let is_of_people = matches!(event.object_type.as_str(), "account" | "member" | "user");
    let class = match verb {
        _ if is_of_people => ACCOUNT_CHANGE,
        "created" | "updated" | "deleted" => ENTITY_MANAGEMENT,
        _ => API_ACTIVITY,
    };
    let activity = match (class.class.0, verb) {
        (_, "created") => (1, "Create"),
        // An export reads a whole list.
        (_, "started") if event.object_type == "export" => (2, "Read"),
        (3001, "password_changed") => (3, "Password Change"),
        (3001, "deleted") => (6, "Delete"),
        (3004, "updated") => (3, "Update"),
        (3004, "deleted") => (4, "Delete"),
        _ => (OTHER, verb),
    };
    let refused = is_refusal(&event.action);
    let (severity, status) = if refused {
        (LOW, FAILURE)
    } else {
        (INFORMATIONAL, SUCCESS)
    };
    let mut written = self::event(class, activity, severity, status, event.last_at);
    let mut put = |name: &str, value: Value| drop(written.insert(name.to_owned(), value));
    if event.occurrences > 1 {
        put("count", event.occurrences.into());
        put("start_time", event.at.as_millis().into());
        put("end_time", event.last_at.as_millis().into());
    }
    let seq = event.seal.as_ref().map(|seal| seal.seq);
    let mut metadata = metadata(&event.id.to_string(), "audit", event.project_id, seq);
    metadata["event_code"] = event.action.as_str().into();
    put("metadata", metadata);
    put(
        "message",
        format!("{} {}", event.action, event.object_name).into(),
    );
    put("actor", actor(&event.actor.kind));
    put("src_endpoint", source(event));
    let object = json!({"uid": event.object_id, "name": event.object_name, "type": event.object_type});
    match class.class.0 {
        3001 => {
            let (uid, name) = (&event.object_id, &event.object_name);
            put(
                "user",
                json!({"uid": uid, "name": name, "type_id": 1, "type": "User"}),
            );
        }
        3004 => put("entity", object),
        _ => {
            put("api", json!({"operation": event.action}));
            put("resources", json!([object]));
        }
    }
    put("unmapped", plain::of(Fact::Audit(event)));
    Value::Object(written)
}

fn actor(kind: &ActorKind) -> Value {
    let (word, id) = plain::actor(kind);
    let user = |id: Option<String>, type_id: u32, kind: &str| json!({"user": {"uid": id, "name": word, "type_id": type_id, "type": kind}});
    match kind {
        ActorKind::Account(_) | ActorKind::User(_) => user(id, 1, "User"),
        ActorKind::ApiKey(_) => user(id, 4, "Service"),
        ActorKind::Operator => json!({"user": {"name": word, "type_id": 2, "type": "Admin"}}),
        ActorKind::System => json!({"user": {"name": word, "type_id": 3, "type": "System"}}),
        ActorKind::Anonymous => json!({"user": {"name": word, "type_id": 0, "type": "Unknown"}}),
    }
}

/// An address where there was one, and otherwise the way in.
fn source(event: &AuditEvent) -> Value {
    match &event.actor.address {
        Some(address) => json!({"ip": address, "svc_name": event.actor.origin}),
        None => json!({"svc_name": event.actor.origin}),
    }
}

fn activity(row: &StoredActivity) -> Value {
    let activity = &row.activity;
    let did = match activity.kind {
        RequestKind::Prompt | RequestKind::Resource | RequestKind::Completion | RequestKind::List => {
            (2, "Read")
        }
        kind @ (RequestKind::Call
        | RequestKind::Begin
        | RequestKind::Task
        | RequestKind::Listen
        | RequestKind::Answer
        | RequestKind::Other) => (OTHER, kind.label()),
    };
    let status = match activity.outcome {
        Outcome::Ok | Outcome::InputRequired => SUCCESS,
        Outcome::ToolError | Outcome::Error | Outcome::Refused | Outcome::Unavailable | Outcome::Broken => {
            FAILURE
        }
        Outcome::Cancelled => (OTHER, "Cancelled"),
    };
    let severity = if status == FAILURE { LOW } else { INFORMATIONAL };
    let mut written = event(API_ACTIVITY, did, severity, status, activity.at);
    let mut put = |name: &str, value: Value| drop(written.insert(name.to_owned(), value));
    let detail = activity
        .rule
        .map_or(activity.outcome.as_str(), |rule| rule.as_str());
    put("status_detail", detail.into());
    put("status_code", activity.outcome.as_str().into());
    let milliseconds = activity.duration_us / 1_000;
    put("duration", milliseconds.into());
    put("start_time", (activity.at.as_millis() - milliseconds).into());
    put("end_time", activity.at.as_millis().into());
    let mut metadata = metadata(&row.id.to_string(), "activity", Some(activity.project_id), None);
    if let Some(trace) = activity.trace {
        metadata["correlation_uid"] = trace.to_string().into();
    }
    put("metadata", metadata);
    put("actor", caller(activity));
    put("src_endpoint", client(activity));
    put(
        "dst_endpoint",
        json!({"uid": activity.gateway_id, "svc_name": "gateway"}),
    );
    let mut api = json!({
        "operation": activity.kind,
        "request": {"uid": activity.request.to_string()},
        "response": {"message": activity.outcome},
    });
    if let Some(server) = activity.server_id {
        api["service"] = json!({"uid": server, "name": "MCP server"});
    }
    put("api", api);
    if let Some(item) = activity.item.as_deref() {
        put("resources", json!([{"name": item, "type": activity.kind}]));
    }
    put("unmapped", plain::of(Fact::Activity(row)));
    Value::Object(written)
}

fn caller(activity: &Activity) -> Value {
    let caller = activity.caller.as_deref();
    let person = caller.and_then(|caller| caller.person.as_deref());
    let session = activity.session.map(|session| session.to_string());
    let mut actor = match person {
        Some(person) => {
            json!({"user": {"uid": person.trim_start_matches('|'), "type_id": 1, "type": "User"}})
        }
        None => json!({"user": {"name": "anonymous", "type_id": 0, "type": "Unknown"}}),
    };
    if let Some(session) = session {
        actor["session"] = json!({"uid": session});
    }
    actor
}

/// The client. Its network address is not recorded.
fn client(activity: &Activity) -> Value {
    let caller = activity.caller.as_deref();
    match caller.and_then(|caller| caller.client.as_ref()) {
        Some(client) if client.name.is_empty() => json!({"uid": &*client.id}),
        Some(client) => json!({"uid": &*client.id, "name": &*client.name}),
        None => json!({"name": "unknown"}),
    }
}
