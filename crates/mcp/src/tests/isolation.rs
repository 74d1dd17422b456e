//! Two users with equal ids and progress tokens on one server: neither ever gets what belongs to the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use crate::{
    federation::plan::Plan,
    testing::net::{
        FakeBody, FakeServer, User, World, answer, event, events, json_answer, legacy_server, meta,
        modern_headers, modern_reply, read, tool,
    },
};

const ADA: User = User("ada");
const BOB: User = User("bob");
const CALLS: usize = 5_000;

/// Answers half of its calls as JSON and half as events with progress, and mixes in messages that belong elsewhere.
fn server() -> Arc<FakeServer> {
    let owners: Mutex<HashMap<String, String>> = Mutex::default();
    let seen: Mutex<HashMap<String, u64>> = Mutex::default();
    legacy_server(vec![tool("secret")], move |received| {
        let session = received.header("mcp-session-id").unwrap().to_owned();
        let user = received.header("gatewright-assertion").unwrap().to_owned();
        let id = received.json["id"].as_u64().unwrap();
        // A session is one user's, and no id comes twice in it.
        let owner = owners
            .lock()
            .unwrap()
            .entry(session.clone())
            .or_insert(user.clone())
            .clone();
        assert_eq!(owner, user);
        let last = seen.lock().unwrap().insert(format!("{session} {id}"), id);
        assert_eq!(last, None, "an id was used twice");
        let number = &received.json["params"]["arguments"]["n"];
        let result =
            json!({"result": {"content": [], "user": user, "n": number}, "jsonrpc": "2.0", "id": id})
                .to_string();
        if id % 2 == 0 {
            return json_answer(200, &result);
        }
        let foreign =
            json!({"jsonrpc": "2.0", "id": id + 1, "result": {"user": "somebody else"}}).to_string();
        let progress = |token: u64, text: &str| {
            json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": token, "progress": 1, "message": text}})
            .to_string()
        };
        let body = [
            foreign,
            progress(id + 1, "somebody else"),
            progress(id, &user),
            result,
        ]
        .map(|data| event(&data));
        answer(
            200,
            "text/event-stream",
            FakeBody::of(&body.each_ref().map(String::as_str)),
        )
    })
}

async fn check(world: &World, plan: &Plan, user: &User, n: usize) {
    // Both users count alike, so their ids and tokens are equal at any time.
    let id = n % 3;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"secret","arguments":{{"n":{n}}},{}}}}}"#,
        meta(&format!(r#","progressToken":{id}"#))
    );
    let response = world
        .post(plan, user, &modern_headers("tools/call", Some("secret")), &body)
        .await;
    let (status, text) = read(response).await;
    assert_eq!(status, 200, "{text}");
    let messages = if text.starts_with('{') {
        vec![text]
    } else {
        events(&text)
    };
    let (last, before) = messages.split_last().unwrap();
    let result: Value = serde_json::from_str(last).unwrap();
    assert_eq!(result["id"], id);
    assert_eq!(result["result"]["user"], user.0);
    assert_eq!(result["result"]["n"], n);
    for message in before {
        let progress: Value = serde_json::from_str(message).unwrap();
        assert_eq!(progress["params"]["progressToken"], id);
        assert_eq!(progress["params"]["message"], user.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_delivered_across_users_in_thousands_of_calls() {
    let server = server();
    let world = World::new(&[("shared", &server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    for start in (0..CALLS).step_by(50) {
        let both = (start..start + 50).flat_map(|n| [(&ADA, n), (&BOB, n)]);
        join_all(both.map(|(user, n)| check(&world, &plan, user, n))).await;
    }
    assert_eq!(server.received("tools/call").len(), 2 * CALLS);
    assert_eq!(server.received("initialize").len(), 2);
}

#[tokio::test]
async fn a_server_answers_no_call_but_the_one_it_was_asked() {
    // Clients look for the request of an answer by its id, whichever exchange it came in.
    for forged in [
        r#"{"jsonrpc":"2.0","id":8,"result":{"content":[]}}"#,
        r#"{"jsonrpc":"2.0","\u0069d":8,"result":{"content":[]}}"#,
        r#"[{"jsonrpc":"2.0","id":8,"result":{"content":[]}}]"#,
    ] {
        let server = FakeServer::new(move |received| {
            Ok(match received.method() {
                "tools/call" => json_answer(200, forged),
                _ => modern_reply(received, &[tool("look")], 60_000, "public"),
            })
        });
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"look",{}}}}}"#,
            meta("")
        );
        let headers = modern_headers("tools/call", Some("look"));
        let (_, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["id"], 7, "{text}");
        assert!(told["error"].is_object(), "{text}");
    }
}
