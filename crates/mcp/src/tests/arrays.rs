//! Answers in an array, which servers of 2025-03-26 may send as JSON.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::server::IdentityForwarding;
use http::HeaderValue;
use rstest::rstest;
use serde_json::{Value, json};

use super::signs_of_life::call_of;
use crate::{
    testing::net::{FakeBody, FakeServer, User, World, answer, echo, events, json_answer, read, tool},
    wire::version::Era,
};

const ADA: User = User("ada");

/// A server of a version that answers calls like this.
fn server(
    version: &'static str,
    call: impl Fn(&Value, &str) -> FakeBody + Send + Sync + 'static,
) -> Arc<FakeServer> {
    FakeServer::new(move |received| {
        let id = &received.json["id"];
        Ok(match received.method() {
            "initialize" => {
                let result = json!({"protocolVersion": version, "capabilities": {"tools": {}},
                    "serverInfo": {"name": "old", "version": "1"}});
                let answer = json!([{"jsonrpc": "2.0", "id": id, "result": result}]);
                let mut response = json_answer(200, &answer.to_string());
                let session = HeaderValue::from_static("session-1");
                response.headers_mut().insert("mcp-session-id", session);
                response
            }
            "tools/list" => {
                let list = json!([{"jsonrpc": "2.0", "id": id, "result": {"tools": [tool("t")]}}]);
                json_answer(200, &list.to_string())
            }
            "tools/call" => {
                let body = call(&received.json, &echo(received));
                answer(200, "application/json", body)
            }
            "server/discover" => json_answer(400, "no session"),
            _ => answer(202, "", FakeBody::of(&[])),
        })
    })
}

/// What a client of an era gets of a call, message by message.
async fn call(world: &World, era: Era) -> (String, Vec<Value>) {
    let plan = world.plan(IdentityForwarding::None, &[]);
    let (headers, body) = call_of(world, &plan, era).await;
    let response = world.post(&plan, &ADA, &headers, &body).await;
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let (status, text) = read(response).await;
    assert_eq!(status, 200, "{text}");
    let messages = if kind == "text/event-stream" {
        events(&text)
    } else {
        vec![text]
    };
    let messages = messages
        .iter()
        .map(|text| serde_json::from_str(text).unwrap_or_else(|_| panic!("{messages:?}")));
    (kind, messages.collect())
}

fn progress(asked: &Value) -> String {
    let token = &asked["params"]["_meta"]["progressToken"];
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
        .to_string()
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_array_is_passed_on_message_by_message_however_it_arrives(
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
    #[values("2025-03-26", "2024-11-05")] version: &'static str,
    #[values(1, 7, 10_000)] size: usize,
    #[values(0, 15)] seconds: u64,
) {
    let server = server(version, move |asked, echo| {
        let text = format!(" \r\n[{},\n {} ]\n", progress(asked), echo);
        let (pieces, body) = FakeBody::open();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            for piece in text.as_bytes().chunks(size) {
                // No one reads what comes after the answer.
                let _ = pieces.send(Bytes::copy_from_slice(piece));
            }
        });
        body
    });
    let world = World::new(&[("one", &server)]);
    let (kind, messages) = call(&world, of_client).await;
    assert_eq!(kind, "text/event-stream");
    let [progress, answer] = &messages[..] else {
        panic!("a notification and an answer: {messages:?}");
    };
    assert_eq!(progress["params"]["progressToken"], "p");
    assert_eq!(
        (&answer["id"], &answer["result"]["tool"]),
        (&json!("c"), &json!("t"))
    );
    assert_eq!(server.received("tools/call").len(), 1);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_answer_of_such_a_server_that_is_no_array_stays_json_and_of_a_later_version_an_array_is_refused(
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    let plain = server("2025-03-26", |_, echo| {
        let (first, second) = echo.split_at(9);
        FakeBody::of(&["\n", first, second])
    });
    let (kind, messages) = call(&World::new(&[("one", &plain)]), of_client).await;
    assert_eq!(kind, "application/json");
    assert_eq!(
        (&messages[0]["id"], &messages[0]["result"]["tool"]),
        (&json!("c"), &json!("t"))
    );
    let later = server("2025-11-25", |_, echo| FakeBody::of(&[&format!("[{echo}]")]));
    let (_, messages) = call(&World::new(&[("one", &later)]), of_client).await;
    let text = messages[0].to_string();
    assert!(text.contains("is not a JSON-RPC response"), "{text}");
}

#[rstest]
#[case::empty("[]")]
#[case::of_another_request(r#"[{"jsonrpc":"2.0","id":"other","result":{}}]"#)]
#[case::cut(r#"[{"jsonrpc":"2.0","#)]
#[case::numbers("[1, 2]")]
#[tokio::test(start_paused = true)]
async fn an_array_without_the_answer_is_an_error_that_says_the_server_failed(
    #[case] text: &'static str,
    #[values(Era::Modern, Era::Legacy)] of_client: Era,
) {
    let server = server("2025-03-26", move |_, _| FakeBody::of(&[text]));
    let (_, messages) = call(&World::new(&[("one", &server)]), of_client).await;
    let [answer] = &messages[..] else {
        panic!("one answer: {messages:?}");
    };
    assert_eq!(answer["id"], "c");
    let text = answer.to_string();
    assert!(
        text.contains("`one`") && text.contains("may have carried"),
        "{text}"
    );
    assert_eq!(server.received("tools/call").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ping_in_an_array_is_answered() {
    let server = server("2025-03-26", |_, echo| {
        FakeBody::of(&[&format!(r#"[{{"jsonrpc":"2.0","id":9,"method":"ping"}},{echo}]"#)])
    });
    let world = World::new(&[("one", &server)]);
    let (_, messages) = call(&world, Era::Legacy).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answers = server.received.lock().unwrap();
    let answered = answers
        .iter()
        .any(|message| message.json["id"] == 9 && message.json["result"].is_object());
    assert!(answered, "{answers:?}");
}
