//! Sessions that servers have lost, in whatever words they say so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use gatewright_domain::server::IdentityForwarding;
use http::Method;
use serde_json::Value;

use crate::{
    federation::plan::Plan,
    testing::net::{
        FakeBody, FakeServer, User, World, answer, echo, json_answer, legacy_server, meta, modern_headers,
        read, tool,
    },
};

const ADA: User = User("ada");
const BOB: User = User("bob");

/// How servers in use report that a session has ended: status and body.
const WORDS: [(u16, &str); 11] = [
    (400, ""),
    (
        400,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#,
    ),
    (401, "Unauthorized"),
    (404, "404 page not found"),
    (
        404,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
    ),
    (
        404,
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32600,"message":"Session not found"}}"#,
    ),
    (410, ""),
    (500, "Internal Server Error"),
    (
        503,
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"unavailable"}}"#,
    ),
    (
        500,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Invalid session"}}"#,
    ),
    (
        200,
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"Server not initialized: session expired"}}"#,
    ),
];

/// A server that forgets its first session after `remembers` requests within it.
fn forgetful(status: u16, body: &'static str, remembers: usize) -> Arc<FakeServer> {
    let inner = legacy_server(vec![tool("t")], |received| json_answer(200, &echo(received)));
    let seen = AtomicUsize::new(0);
    FakeServer::new(move |received| {
        if received.header("mcp-session-id") == Some("session-1")
            && received.method() != "notifications/initialized"
            && received.verb == Method::POST
            && seen.fetch_add(1, Ordering::SeqCst) >= remembers
        {
            let body = body.replace("ID", &received.json["id"].to_string());
            let kind = if body.starts_with('{') {
                "application/json"
            } else {
                "text/plain"
            };
            return Ok(answer(status, kind, FakeBody::of(&[&body])));
        }
        (inner.handler)(received)
    })
}

async fn ask(world: &World, plan: &Plan, user: &User, method: &str) -> Value {
    let (name, params) = match method {
        "tools/call" => (Some("t"), r#""name":"t","arguments":{},"#),
        _ => (None, ""),
    };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"c","method":"{method}","params":{{{params}{}}}}}"#,
        meta("")
    );
    let headers = modern_headers(method, name);
    let (_, text) = read(world.post(plan, user, &headers, &body).await).await;
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

#[tokio::test]
async fn a_lost_session_is_forgotten_whatever_its_server_says() {
    for (status, body) in WORDS {
        // The first request of the session reads the list.
        let server = forgetful(status, body, 1);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan_with(IdentityForwarding::None, &[], |server| server.retries = 0);
        let refused = ask(&world, &plan, &ADA, "tools/call").await;
        assert!(refused.get("error").is_some(), "{status} {body}: {refused}");
        assert_eq!(server.received("tools/call").len(), 1, "{status} {body}");
        let answered = ask(&world, &plan, &ADA, "tools/call").await;
        assert_eq!(answered["result"]["tool"], "t", "{status} {body}: {answered}");
        let calls = server.received("tools/call");
        assert_eq!(calls.len(), 2, "{status} {body}");
        assert_eq!(calls[1].header("mcp-session-id"), Some("session-2"));
    }
}

#[tokio::test]
async fn a_list_begins_the_session_again_that_was_lost() {
    for (status, body) in WORDS {
        let server = forgetful(status, body, 0);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let listed = ask(&world, &plan, &ADA, "tools/list").await;
        assert_eq!(
            listed["result"]["tools"][0]["name"], "t",
            "{status} {body}: {listed}"
        );
        assert_eq!(server.received("initialize").len(), 2, "{status} {body}");
    }
}

#[tokio::test]
async fn an_error_of_a_tool_ends_no_session() {
    for (status, body) in [
        (
            200,
            r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"the disk is full"}}"#,
        ),
        (
            400,
            r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"bad arguments"}}"#,
        ),
        (429, "slow down"),
        (502, "bad gateway"),
    ] {
        let server = forgetful(status, body, 1);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        for _ in 0..2 {
            assert!(
                ask(&world, &plan, &ADA, "tools/call")
                    .await
                    .get("error")
                    .is_some()
            );
        }
        assert_eq!(server.received("initialize").len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn a_session_that_is_no_longer_used_is_closed_at_its_server() {
    let server = legacy_server(vec![tool("t")], |received| json_answer(200, &echo(received)));
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    for user in [&ADA, &BOB] {
        ask(&world, &plan, user, "tools/call").await;
    }
    let ended = || {
        let received = server.received.lock().unwrap();
        let deleted = received.iter().filter(|one| one.verb == Method::DELETE);
        let mut ids: Vec<_> = deleted
            .map(|one| one.header("mcp-session-id").unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    assert!(ended().is_empty());
    // The server was changed: no plan leads to what it was before.
    let changed = world.plan_with(IdentityForwarding::None, &[], |server| server.retries = 3);
    drop(plan);
    // The memory of views lets go of a plan when it gets round to it.
    for _ in 0..1_000 {
        world.endpoint.federation.views.run_pending_tasks();
        tokio::task::yield_now().await;
        if ended().len() == 2 {
            break;
        }
    }
    assert_eq!(ended(), ["session-1", "session-2"]);
    drop(changed);
}
