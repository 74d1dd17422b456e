use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Marks ids instead of sealing them.
#[derive(Debug)]
struct Marked;

impl TaskIds for Marked {
    fn created(&self, theirs: &str) -> String {
        format!("new {theirs}")
    }

    fn known(&self, theirs: &str) -> Option<String> {
        (theirs != "foreign").then(|| format!("known {theirs}"))
    }
}

fn message(result: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).into()
}

fn edited(result: &str, asks_for_task: bool) -> Bytes {
    edit_response(&message(result), &Marked, asks_for_task)
}

#[test]
fn ids_are_replaced_only_where_they_belong() {
    for (asks_for_task, result, told) in [
        (
            false,
            r#"{"resultType":"task", "taskId":"a","status":"working","ttlMs":null,"x":1.50e+3}"#,
            r#"{"resultType":"task", "taskId":"new a","status":"working","ttlMs":null,"x":1.50e+3}"#,
        ),
        (
            false,
            r#"{"task":{"taskId":"a","status":"working"},"_meta":{"io.modelcontextprotocol/model-immediate-response":"soon"}}"#,
            r#"{"task":{"taskId":"new a","status":"working"},"_meta":{"io.modelcontextprotocol/model-immediate-response":"soon"}}"#,
        ),
        // A tool may use this name for something else.
        (
            false,
            r#"{"resultType":"complete","taskId":"a","structuredContent":{"taskId":"a","task":{"taskId":"a"}}}"#,
            r#"{"resultType":"complete","taskId":"a","structuredContent":{"taskId":"a","task":{"taskId":"a"}}}"#,
        ),
        (
            true,
            r#"{"taskId":"a\u0062","status":"completed","result":{"taskId":"a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"ab"}}}}"#,
            r#"{"taskId":"known ab","status":"completed","result":{"taskId":"a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"known ab"}}}}"#,
        ),
        (
            true,
            r#"{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a","y":[]}}}"#,
            r#"{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"known a","y":[]}}}"#,
        ),
        (true, r#"{"taskId":7,"task":null}"#, r#"{"taskId":7,"task":null}"#),
        (true, r#"{"taskId":"foreign"}"#, r#"{"taskId":"foreign"}"#),
    ] {
        assert_eq!(edited(result, asks_for_task), message(told), "{result}");
    }
    let error = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"taskId"}}"#);
    assert_eq!(edit_response(&error, &Marked, true), error);
}

#[test]
fn the_state_of_a_task_is_reported_only_to_its_own_client() {
    let status = |id: &str| {
        Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{{"taskId":"{id}","status":"working","z":0}}}}"#
        ))
    };
    assert_eq!(edit_status(&status("a"), &Marked), Some(status("known a")));
    assert_eq!(edit_status(&status("foreign"), &Marked), None);
}

#[test]
fn a_subscription_reports_tasks_under_its_own_id() {
    for (meta, told) in [
        (
            r#","_meta":{"io.modelcontextprotocol/subscriptionId":0,"x":1}"#,
            r#"{"taskId":"b","status":"working","_meta":{"io.modelcontextprotocol/subscriptionId":"s","x":1}}"#,
        ),
        (
            "",
            r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"},"taskId":"b","status":"working"}"#,
        ),
    ] {
        let message = |params: &str| {
            Bytes::from(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{params}}}"#
            ))
        };
        let said = message(&format!(r#"{{"taskId":"a","status":"working"{meta}}}"#));
        let ours = |theirs: &str| (theirs == "a").then(|| "b".to_owned());
        assert_eq!(edit_told(&said, &ours, br#""s""#), Some(message(told)));
        assert_eq!(edit_told(&said, &|_| None, br#""s""#), None);
    }
}

#[test]
fn what_belongs_to_a_task_says_so_in_the_words_of_each_side() {
    for (before, after) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"b"}}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"b"}}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"x":"io.modelcontextprotocol/related-task","taskId":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"x":"io.modelcontextprotocol/related-task","taskId":"a"}}"#,
        ),
    ] {
        let before = Bytes::from_static(before.as_bytes());
        assert_eq!(edit_related_of(&before, &|_| Some("b".to_owned())), after);
        assert_eq!(edit_related_of(&before, &|_| None), before);
    }
}

/// JSON values of all kinds, nested a little.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Members that are not known pass unchanged, in whatever order they come, and only the id differs.
    #[test]
    fn everything_but_the_id_of_a_task_passes_unchanged(
        mut members in prop::collection::vec(("[a-zA-Z_/.]{0,12}", values()), 0..6),
        id in "[^f].{0,40}",
        at in any::<prop::sample::Index>(),
        asks_for_task in any::<bool>(),
    ) {
        let known = ["taskId", "task", "result", "resultType", "_meta", "status"];
        members.retain(|(name, _)| !known.contains(&&**name));
        let write = |id: &str| {
            let mut parts: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{} : {value}", json!(name)))
                .collect();
            let kind = if asks_for_task { "complete" } else { "task" };
            let own = [format!(r#""resultType":"{kind}""#), format!(r#""taskId": {}"#, json!(id))];
            let at = at.index(parts.len() + 1);
            parts.splice(at..at, own);
            format!("{{{}}}", parts.join(", "))
        };
        let told = if asks_for_task { format!("known {id}") } else { format!("new {id}") };
        prop_assert_eq!(edited(&write(&id), asks_for_task), message(&write(&told)));
    }
}
