//! Log messages of servers of both eras reach the clients of both that want them.

use std::sync::Arc;

use gatewright_domain::server::IdentityForwarding;
use http::HeaderMap;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    federation::Plan,
    testing::{
        net::{
            FakeBody, FakeServer, User, World, answer, event, events, json_answer, legacy_headers, meta,
            modern_headers, read,
        },
        offers::Offers,
    },
    wire::version::Era,
};

const ADA: User = User("ada");
const LEVELS: [&str; 3] = ["debug", "warning", "emergency"];

fn message(level: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":{{"n": 1.50}}}}}}"#
    )
}

/// A server that logs a message of each level while a call runs, whatever level was set.
fn logging(era: Era, capabilities: Value) -> Arc<FakeServer> {
    let well = Offers {
        capabilities,
        ..Offers::default()
    }
    .server(era);
    FakeServer::new(move |received| {
        let id = &received.json["id"];
        match received.method() {
            "tools/call" => {
                let messages: String = LEVELS.map(|level| event(&message(level))).concat();
                let result = json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string();
                let body = FakeBody::of(&[&messages, &event(&result)]);
                Ok(answer(200, "text/event-stream", body))
            }
            "logging/setLevel" => {
                let done = json!({"jsonrpc": "2.0", "id": id, "result": {}});
                Ok(json_answer(200, &done.to_string()))
            }
            _ => (well.handler)(received),
        }
    })
}

fn all() -> Value {
    json!({"tools": {}, "logging": {}})
}

/// The messages that a client of an era which wants this level gets with a call, without the answer.
async fn logged(world: &World, plan: &Plan, era: Era, level: Option<&str>) -> Vec<String> {
    let answered = match era {
        Era::Modern => {
            let level = level.map_or(String::new(), |level| {
                format!(r#","io.modelcontextprotocol/logLevel":"{level}""#)
            });
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{}}}}}"#,
                meta(&level)
            );
            let headers = modern_headers("tools/call", Some("t"));
            world.post(plan, &ADA, &headers, &call).await
        }
        Era::Legacy => {
            let headers = world.begin(plan, &ADA).await;
            if let Some(level) = level {
                assert_eq!(set_level(world, plan, &headers, level).await["result"], json!({}));
            }
            let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
            world.post(plan, &ADA, &headers, call).await
        }
    };
    let (_, text) = read(answered).await;
    let mut messages = events(&text);
    let last: Value = serde_json::from_str(&messages.pop().unwrap()).unwrap();
    assert_eq!(last["id"], 1, "{text}");
    messages
}

async fn set_level(world: &World, plan: &Plan, headers: &HeaderMap, level: &str) -> Value {
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":"l","method":"logging/setLevel","params":{{"level":"{level}"}}}}"#);
    let (_, text) = read(world.post(plan, &ADA, headers, &body).await).await;
    serde_json::from_str(&text).unwrap()
}

#[rstest]
#[tokio::test]
async fn the_log_messages_of_a_call_reach_a_client_from_the_level_on_that_it_wants(
    #[values(Era::Modern, Era::Legacy)] of_server: Era,
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    let server = logging(of_server, all());
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let unasked = match of_client {
        // Stateless clients get none that they have not asked for; for the others, servers decide.
        Era::Modern => &[][..],
        Era::Legacy => &LEVELS[..],
    };
    for (level, told) in [
        (None, unasked),
        (Some("debug"), &LEVELS[..]),
        (Some("notice"), &LEVELS[1..]),
        (Some("alert"), &LEVELS[2..]),
    ] {
        let told: Vec<_> = told.iter().map(|level| message(level)).collect();
        assert_eq!(logged(&world, &plan, of_client, level).await, told, "{level:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_server_with_sessions_learns_the_level_once_in_each_and_only_if_it_declares_logging(
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    // Each session of a client has its own; stateless ones of a user share theirs.
    let told = match of_client {
        Era::Modern => &["warning", "info"][..],
        Era::Legacy => &["warning", "warning", "error", "info"],
    };
    for (capabilities, told) in [(all(), told), (json!({"tools": {}}), &[])] {
        let server = logging(Era::Legacy, capabilities);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        for level in [
            None,
            Some("warning"),
            Some("warning"),
            Some("error"),
            Some("info"),
        ] {
            logged(&world, &plan, of_client, level).await;
        }
        let asked: Vec<_> = server
            .received("logging/setLevel")
            .iter()
            .map(|received| received.json["params"]["level"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(asked, told);
    }
}

#[rstest]
#[tokio::test]
async fn a_stateless_server_learns_the_level_with_each_call(
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    let server = logging(Era::Modern, all());
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    for level in [None, Some("critical")] {
        logged(&world, &plan, of_client, level).await;
        let calls = server.received("tools/call");
        let meta = &calls.last().unwrap().json["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/logLevel"].as_str(), level);
    }
}

#[tokio::test]
async fn a_level_that_does_not_exist_is_refused_in_both_eras() {
    let server = logging(Era::Legacy, all());
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    for level in ["loud", "Info", ""] {
        let said = set_level(&world, &plan, &headers, level).await;
        assert_eq!(said["error"]["code"], -32602, "{said}");
        let meta = meta(&format!(r#","io.modelcontextprotocol/logLevel":"{level}""#));
        let call =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{meta}}}}}"#);
        let headers = modern_headers("tools/call", Some("t"));
        let (status, text) = read(world.post(&plan, &ADA, &headers, &call).await).await;
        assert_eq!(status, 400);
        assert!(text.contains("must be one of debug"), "{text}");
    }
    assert!(server.received("tools/call").is_empty());
}

#[tokio::test]
async fn logging_is_declared_where_a_server_declares_it() {
    for (capabilities, declares) in [(all(), true), (json!({"tools": {}}), false)] {
        let server = logging(Era::Legacy, capabilities);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
        let (_, text) = read(world.post(&plan, &ADA, &legacy_headers(None), body).await).await;
        assert_eq!(text.contains(r#""logging":{}"#), declares, "{text}");
    }
}
