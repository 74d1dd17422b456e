//! A client with a session and a stateless server: what the server asks for becomes requests on the stream of the call, and
//! the gateway sends the call again with the answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::{EVERYTHING, Fixture, Reader, read};
use crate::testing::net::{
    FakeBody, FakeServer, Received, answer, event, json_answer, modern_reply, raw_param, tool,
};

/// A server whose calls answer with these results in turn, as JSON or as events.
fn server(by_events: bool, results: Vec<&'static str>) -> Arc<FakeServer> {
    let turn = AtomicUsize::new(0);
    FakeServer::new(move |received: &Received| {
        if received.method() != "tools/call" {
            return Ok(modern_reply(received, &[tool("t")], 60_000, "public"));
        }
        let at = turn.fetch_add(1, Ordering::SeqCst).min(results.len() - 1);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{}}}"#,
            received.json["id"], results[at]
        );
        Ok(if by_events {
            answer(200, "text/event-stream", FakeBody::of(&[&event(&body)]))
        } else {
            json_answer(200, &body)
        })
    })
}

const FIRST: &str = r#"{"resultType":"input_required","requestState":"s\u0041","inputRequests":{"a":{"method":"elicitation/create","params":{ "mode":"url","url":"https://a.example/","message":"\u0041" }},"b":{"method":"sampling/createMessage","params":{"maxTokens":1.0e2}}}}"#;
const SECOND: &str = r#"{"resultType":"input_required","inputRequests":{"c":{"method":"roots/list"}}}"#;
const DONE: &str = r#"{"resultType":"complete","content":[],"n":1.50e+3}"#;

fn answer_to(question: &Value, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, question["id"])
}

#[tokio::test]
async fn what_a_server_asks_for_becomes_requests_and_the_call_is_sent_again_with_the_answers() {
    for by_events in [false, true] {
        let server = server(by_events, vec![FIRST, SECOND, DONE]);
        let f = Fixture::new(&server);
        let session = f.begin(EVERYTHING).await;
        let mut reader = f.call(&session).await;
        let elicitation = reader.next().await.unwrap();
        let url: Value = serde_json::from_str(&elicitation).unwrap();
        assert_eq!(url["method"], "elicitation/create");
        assert!(
            url["params"]["elicitationId"].is_string(),
            "clients with sessions need one"
        );
        assert!(
            elicitation.contains(r#""url":"https://a.example/","message":"\u0041" }"#),
            "{elicitation}"
        );
        let sampling = reader.next().await.unwrap();
        assert!(sampling.contains(r#""params":{"maxTokens":1.0e2}"#), "{sampling}");
        let sampling: Value = serde_json::from_str(&sampling).unwrap();
        // In whatever order the client answers.
        let answer = answer_to(&sampling, r#"{ "role":"assistant","n":1.0e0}"#);
        assert_eq!(f.send(&session, &answer).await, 202);
        assert_eq!(
            f.send(&session, &answer_to(&url, r#"{"action":"accept"}"#)).await,
            202
        );
        let roots = reader.json().await;
        assert_eq!(
            (&roots["method"], roots.get("params")),
            (&json!("roots/list"), None)
        );
        assert_eq!(f.send(&session, &answer_to(&roots, r#"{"roots":[]}"#)).await, 202);
        let last = reader.next().await.unwrap();
        assert_eq!(
            last,
            r#"{"jsonrpc":"2.0","id":"call","result":{"content":[],"n":1.50e+3}}"#
        );
        assert_eq!(reader.next().await, None);
        let calls = server.received("tools/call");
        assert_eq!(calls.len(), 3);
        assert_eq!(
            raw_param(&calls[1], "inputResponses"),
            r#"{"a":{"action":"accept"},"b":{ "role":"assistant","n":1.0e0}}"#
        );
        assert_eq!(raw_param(&calls[1], "requestState"), r#""s\u0041""#);
        assert_eq!(raw_param(&calls[2], "inputResponses"), r#"{"c":{"roots":[]}}"#);
        assert_eq!(raw_param(&calls[2], "requestState"), "null");
        for call in &calls {
            assert_eq!(raw_param(call, "arguments"), r#"{"n":1.50e+3}"#);
            assert_eq!(call.header("mcp-name"), Some("t"));
        }
        let mut ids: Vec<_> = calls.iter().map(|call| call.json["id"].to_string()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 3, "each round has an id of its own");
    }
}

#[tokio::test]
async fn what_the_client_does_not_declare_is_an_error_of_the_tool_and_is_not_asked() {
    for by_events in [false, true] {
        let server = server(by_events, vec![FIRST]);
        let f = Fixture::new(&server);
        let session = f.begin(r#"{"sampling":{}}"#).await;
        let mut reader = f.call(&session).await;
        let last = reader.json().await;
        assert_eq!(
            (&last["id"], &last["result"]["isError"]),
            (&json!("call"), &json!(true))
        );
        let text = last["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("`elicitation.url`"), "{text}");
        assert_eq!(reader.next().await, None);
        // One that declares nothing gets an error without a round.
        let session = f.begin("{}").await;
        let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t"}}"#;
        let (_, text) = read(f.post(&session, call).await).await;
        assert!(text.contains("does not declare"), "{text}");
        assert_eq!(server.received("tools/call").len(), 2);
    }
}

#[tokio::test]
async fn a_client_that_refuses_fails_the_call() {
    let server = server(false, vec![SECOND, DONE]);
    let f = Fixture::new(&server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let question = reader.json().await;
    let refused = format!(
        r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-1,"message":"the user said no"}}}}"#,
        question["id"]
    );
    assert_eq!(f.send(&session, &refused).await, 202);
    let last = reader.json().await;
    assert_eq!(last["result"]["isError"], true);
    let text = last["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("`roots/list`") && text.contains("the user said no"),
        "{text}"
    );
    assert_eq!(server.received("tools/call").len(), 1);
}

#[tokio::test]
async fn rounds_are_bounded() {
    let server = server(true, vec![SECOND]);
    let f = Fixture::new(&server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let mut rounds = 0;
    let last = loop {
        let message = reader.json().await;
        if message["method"] != "roots/list" {
            break message;
        }
        rounds += 1;
        assert_eq!(f.send(&session, &answer_to(&message, "{}")).await, 202);
    };
    assert_eq!(rounds, 16);
    assert_eq!(last["result"]["isError"], true);
    assert_eq!(server.received("tools/call").len(), 17);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_is_notified_and_the_call_fails() {
    let server = server(false, vec![SECOND, DONE]);
    let f = Fixture::new(&server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let question = reader.json().await;
    let waited = tokio::time::timeout(Duration::from_mins(9), reader.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(reader.json().await["params"]["requestId"], question["id"]);
    assert_eq!(reader.json().await["result"]["isError"], true);
    assert_eq!(f.send(&session, &answer_to(&question, "{}")).await, 202);
    assert_eq!(server.received("tools/call").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_rounds_last_too_long_is_answered() {
    let server = server(false, vec![SECOND]);
    let f = Fixture::new(&server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let mut last = reader.json().await;
    while last.get("method").is_some() {
        tokio::time::sleep(Duration::from_mins(9)).await;
        let status = f.send(&session, &answer_to(&last, "{}")).await;
        assert_eq!(status, 202);
        last = reader.json().await;
    }
    assert_eq!(
        (&last["id"], &last["result"]["isError"]),
        (&json!("call"), &json!(true))
    );
    assert!(last.to_string().contains("longer than a call may"), "{last}");
    assert_eq!(reader.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_another_round_and_nothing_else_gets_it() {
    let again = r#"{"resultType":"input_required","requestState":"later"}"#;
    let server = server(true, vec![again, DONE]);
    let f = Fixture::new(&server);
    let session = f.begin(EVERYTHING).await;
    let last = f.call(&session).await.json().await;
    assert_eq!(last["id"], "call");
    let calls = server.received("tools/call");
    assert_eq!(raw_param(&calls[1], "requestState"), r#""later""#);
    assert_eq!(raw_param(&calls[1], "inputResponses"), "null");
}

#[tokio::test]
async fn a_call_that_is_cancelled_between_rounds_is_over() {
    for by_events in [false, true] {
        let server = server(by_events, vec![SECOND, DONE]);
        let f = Fixture::new(&server);
        let session = f.begin(EVERYTHING).await;
        let mut reader: Reader = f.call(&session).await;
        let question = reader.json().await;
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"call"}}"#;
        assert_eq!(f.send(&session, cancel).await, 202);
        assert_eq!(reader.next().await, None, "by events: {by_events}");
        assert_eq!(f.send(&session, &answer_to(&question, "{}")).await, 202);
        assert_eq!(server.received("tools/call").len(), 1);
    }
}
