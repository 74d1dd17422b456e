//! Records in the form of the API. `type` says what they are.

use gatewright_domain::{
    activity::StoredActivity,
    audit::{ActorKind, AuditEvent, chain::Personal},
};
use serde_json::{Value, json};

use super::record::{Fact, LostRecords, TestRecord};

/// The record of a fact.
pub(super) fn of(fact: Fact<'_>) -> Value {
    match fact {
        Fact::Audit(event) => audit(event),
        Fact::Activity(row) => activity(row),
        Fact::Lost(lost) => self::lost(lost),
        Fact::Test(test) => self::test(test),
    }
}

fn audit(event: &AuditEvent) -> Value {
    let (kind, id) = actor(&event.actor.kind);
    let erased: Vec<_> = event.erased().into_iter().map(Personal::as_str).collect();
    let seal = event.seal.as_ref();
    json!({
        "type": "audit",
        "id": event.id,
        "project_id": event.project_id,
        "at": event.at,
        "occurrences": event.occurrences,
        "last_at": event.last_at,
        "actor": {"type": kind, "id": id, "address": event.actor.address, "origin": event.actor.origin},
        "action": event.action,
        "object": {"type": event.object_type, "id": event.object_id, "name": event.object_name},
        "changes": event.changes,
        "erased": erased,
        "sealed": seal.is_some(),
        "seq": seal.map(|seal| seal.seq),
        "previous": seal.map(|seal| &seal.previous),
        "digest": seal.map(|seal| &seal.digest),
    })
}

/// The kind and the ID of an actor.
pub(super) fn actor(kind: &ActorKind) -> (&'static str, Option<String>) {
    match kind {
        ActorKind::ApiKey(id) => ("api_key", Some(id.to_string())),
        ActorKind::Account(id) => ("account", Some(id.to_string())),
        ActorKind::User(id) => ("user", Some(id.to_string())),
        ActorKind::Anonymous => ("anonymous", None),
        ActorKind::Operator => ("operator", None),
        ActorKind::System => ("system", None),
    }
}

fn activity(row: &StoredActivity) -> Value {
    let activity = &row.activity;
    let caller = activity.caller.as_deref();
    let person = caller.and_then(|caller| caller.person.as_deref());
    let client = caller.and_then(|caller| caller.client.as_ref());
    let of_kind = |prefix: &str| person.filter(|person| person.starts_with(prefix));
    json!({
        "type": "activity",
        "id": row.id,
        "project_id": activity.project_id,
        "at": activity.at,
        "gateway_id": activity.gateway_id,
        "user_id": of_kind("usr_"),
        "account_id": of_kind("acc_"),
        "header_user_id": person.and_then(|person| person.strip_prefix('|')),
        "client_id": client.map(|client| &*client.id),
        "client_name": client.map(|client| &*client.name).filter(|name| !name.is_empty()),
        "server_id": activity.server_id,
        "kind": activity.kind,
        "item": activity.item.as_deref(),
        "outcome": activity.outcome,
        "rule": activity.rule,
        "duration_us": activity.duration_us,
        "upstream_us": activity.upstream_us,
        "request_bytes": activity.bytes_in,
        "response_bytes": activity.bytes_out,
        "request_id": activity.request.to_string(),
        "trace_id": activity.trace.map(|trace| trace.to_string()),
        "session": activity.session.map(|session| session.to_string()),
    })
}

fn lost(lost: &LostRecords) -> Value {
    json!({
        "type": "lost",
        "id": lost.id(),
        "at": lost.at,
        "stream_id": lost.stream_id,
        "source": lost.source,
        "project_id": lost.project_id,
        "first": lost.first,
        "last": lost.last,
        "count": lost.count,
        "message": lost.message(),
    })
}

fn test(test: &TestRecord) -> Value {
    json!({
        "type": "test",
        "id": test.id,
        "at": test.at,
        "stream_id": test.stream_id,
        "stream_name": test.stream_name,
        "message": "This is a test event that an administrator sent.",
    })
}
