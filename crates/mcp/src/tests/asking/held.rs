//! A stateless client and a server with sessions: what the server asks becomes an `input_required` result, and the call goes
//! on with the retry.

use std::time::Duration;

use http::Response;
use serde_json::{Value, json};

use super::{EVERYTHING, Fixture, OldServer, Reader, User, error_of};
use crate::{
    endpoint::answer::Answer,
    testing::net::{FakeBody, event},
};

const QUESTION: &str =
    r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{ "message":"\u0041ge?" }}"#;

/// Reads the result that asks for input; returns the state in it.
async fn asked(response: Response<Answer<FakeBody>>) -> (String, String) {
    let mut reader = Reader::new(response);
    let message = reader.next().await.unwrap();
    assert_eq!(reader.next().await, None);
    let json: Value = serde_json::from_str(&message).unwrap();
    assert_eq!(json["result"]["resultType"], "input_required", "{message}");
    let state = json["result"]["requestState"].as_str().unwrap().to_owned();
    (message, state)
}

fn retry(state: &str, answer: &str) -> String {
    format!(
        r#","inputResponses":{{"ask":{answer}}},"requestState":{}"#,
        json!(state)
    )
}

const ACCEPTED: &str = r#"{ "action":"accept","content":{"n":1.50e+3}}"#;

#[tokio::test]
async fn a_question_becomes_a_result_and_the_retry_continues_the_call() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let response = f.modern(&f.user, EVERYTHING, 1, "").await;
    let stream = old.stream();
    stream.send(QUESTION);
    // What comes after the question waits with the call.
    stream.send(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
    let (message, state) = asked(response).await;
    assert!(message.starts_with(r#"{"jsonrpc":"2.0","id":1,"#), "{message}");
    let passed =
        r#""inputRequests":{"ask":{"method":"elicitation/create","params":{ "message":"\u0041ge?" }}}"#;
    assert!(message.contains(passed), "{message}");
    assert_eq!(old.replies(0).await.len(), 0);
    let response = f.modern(&f.user, EVERYTHING, 2, &retry(&state, ACCEPTED)).await;
    let mut reader = Reader::new(response);
    assert_eq!(reader.json().await["method"], "notifications/x");
    let replies = old.replies(1).await;
    let expected = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{ACCEPTED}}}"#);
    assert_eq!(std::str::from_utf8(&replies[0].body).unwrap(), expected);
    // A second question is a second round.
    stream.send(r#"{"jsonrpc":"2.0","id":8,"method":"roots/list"}"#);
    let second = reader.json().await;
    assert_eq!(
        (&second["id"], &second["result"]["inputRequests"]["ask"]),
        (&json!(2), &json!({"method": "roots/list"}))
    );
    assert_eq!(reader.next().await, None);
    let state = second["result"]["requestState"].as_str().unwrap().to_owned();
    let response = f
        .modern(&f.user, EVERYTHING, 3, &retry(&state, r#"{"roots":[]}"#))
        .await;
    stream.finish(&old.server.received("tools/call")[0].json["id"]);
    let last = Reader::new(response).json().await;
    assert_eq!(
        (&last["id"], &last["result"]["resultType"]),
        (&json!(3), &json!("complete"))
    );
    assert_eq!(
        old.replies(2).await[1].json,
        json!({"jsonrpc": "2.0", "id": 8, "result": {"roots": []}})
    );
    assert_eq!(
        old.server.received("tools/call").len(),
        1,
        "the call is made once"
    );
}

#[tokio::test]
async fn a_state_works_once_for_its_own_user_call_and_gateway() {
    let old = OldServer::new();
    let mut f = Fixture::new(&old.server);
    let response = f.modern(&f.user, EVERYTHING, 1, "").await;
    let stream = old.stream();
    stream.send(QUESTION);
    let (_, state) = asked(response).await;
    let more = retry(&state, ACCEPTED);
    let bob = User("bob");
    let refused = async |response, words: &str| {
        let (code, message) = error_of(response).await;
        assert_eq!(code, -32_602);
        assert!(message.contains(words), "{message}");
    };
    refused(
        f.modern(&bob, EVERYTHING, 2, &more).await,
        "not issued by this gateway to this user",
    )
    .await;
    let other = f.modern_with(&f.user, EVERYTHING, 2, r#"{"n":2}"#, &more).await;
    refused(other, "belongs to another request").await;
    let altered = retry(&state.replace("v1.", "v1.0"), ACCEPTED);
    refused(f.modern(&f.user, EVERYTHING, 2, &altered).await, "not issued").await;
    refused(f.modern_elsewhere(&more).await, "not issued").await;
    assert_eq!(old.replies(0).await.len(), 0, "nothing reached the server");
    assert_eq!(old.server.received("tools/call").len(), 1);
    // Its own user continues it, and it cannot be continued again.
    let response = f.modern(&f.user, EVERYTHING, 3, &more).await;
    refused(f.modern(&f.user, EVERYTHING, 4, &more).await, "is over").await;
    stream.finish(&old.server.received("tools/call")[0].json["id"]);
    assert_eq!(Reader::new(response).json().await["id"], 3);
    assert_eq!(old.replies(1).await.len(), 1);
}

#[tokio::test]
async fn a_retry_without_the_answer_is_asked_again() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let response = f.modern(&f.user, EVERYTHING, 1, "").await;
    let stream = old.stream();
    stream.send(QUESTION);
    let (_, state) = asked(response).await;
    let mut state = state;
    for (id, responses) in [
        (2, "{}"),
        (3, r#"{"other":{"action":"accept"}}"#),
        (4, r#"{"ask":1}"#),
    ] {
        let more = format!(r#","inputResponses":{responses},"requestState":{}"#, json!(state));
        let (message, again) = asked(f.modern(&f.user, EVERYTHING, id, &more).await).await;
        assert!(
            message.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"#)),
            "{message}"
        );
        state = again;
    }
    assert_eq!(old.replies(0).await.len(), 0);
    let response = f.modern(&f.user, EVERYTHING, 5, &retry(&state, ACCEPTED)).await;
    stream.finish(&old.server.received("tools/call")[0].json["id"]);
    assert_eq!(Reader::new(response).json().await["id"], 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_held_for_a_while_and_then_dropped() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let response = f.modern(&f.user, EVERYTHING, 1, "").await;
    let stream = old.stream();
    stream.send(QUESTION);
    let (_, state) = asked(response).await;
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert_eq!(old.replies(0).await.len(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replies = old.replies(1).await;
    assert_eq!((replies.len(), &replies[0].json["id"]), (1, &json!(7)));
    assert_eq!(replies[0].json["error"]["code"], -32_603);
    assert_eq!(old.server.received("notifications/cancelled").len(), 1);
    let response = f.modern(&f.user, EVERYTHING, 2, &retry(&state, ACCEPTED)).await;
    let (code, message) = error_of(response).await;
    assert_eq!(code, -32_602);
    assert!(message.contains("is over"), "{message}");
    f.world.clock.advance(Duration::from_mins(10));
    let response = f.modern(&f.user, EVERYTHING, 3, &retry(&state, ACCEPTED)).await;
    assert!(error_of(response).await.1.contains("has expired"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_without_the_answer_does_not_prolong_its_call() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let response = f.modern(&f.user, EVERYTHING, 1, "").await;
    let stream = old.stream();
    stream.send(QUESTION);
    let (_, state) = asked(response).await;
    tokio::time::sleep(Duration::from_mins(9)).await;
    f.world.clock.advance(Duration::from_mins(9));
    let more = format!(r#","inputResponses":{{}},"requestState":{}"#, json!(state));
    let (_, state) = asked(f.modern(&f.user, EVERYTHING, 2, &more).await).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(
        old.replies(1).await.len(),
        1,
        "the server is notified that it has ended"
    );
    f.world.clock.advance(Duration::from_secs(61));
    let response = f.modern(&f.user, EVERYTHING, 3, &retry(&state, ACCEPTED)).await;
    assert!(error_of(response).await.1.contains("has expired"));
}

#[tokio::test]
async fn a_user_has_so_many_held_calls_and_no_more() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let mut states = Vec::new();
    for id in 0..16 {
        let response = f.modern(&f.user, EVERYTHING, id, "").await;
        old.stream().send(QUESTION);
        states.push(asked(response).await.1);
    }
    let mut reader = Reader::new(f.modern(&f.user, EVERYTHING, 16, "").await);
    let stream = old.stream();
    stream.send(QUESTION);
    reader.nothing_comes().await;
    let replies = old.replies(1).await;
    assert!(
        replies[0].json["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Too many")
    );
    stream.finish(&old.server.received("tools/call")[16].json["id"]);
    assert_eq!(reader.json().await["id"], 16);
    // Another user has their own places, and a call that continues returns its place.
    let bob = User("bob");
    let response = f.modern(&bob, EVERYTHING, 17, "").await;
    old.stream().send(QUESTION);
    asked(response).await;
    let _going_on = f
        .modern(&f.user, EVERYTHING, 18, &retry(&states[0], ACCEPTED))
        .await;
    let response = f.modern(&f.user, EVERYTHING, 19, "").await;
    old.stream().send(QUESTION);
    asked(response).await;
}

#[tokio::test]
async fn what_a_server_sends_behind_its_question_is_bounded() {
    for (behind, is_held) in [(60_000, true), (70_000, false)] {
        let old = OldServer::new();
        let f = Fixture::new(&old.server);
        let response = f.modern(&f.user, EVERYTHING, 1, "").await;
        let stream = old.stream();
        let more = format!("{}data: {}", event(QUESTION), "x".repeat(behind));
        stream.0.send(more.into()).unwrap();
        if is_held {
            asked(response).await;
            continue;
        }
        let mut reader = Reader::new(response);
        reader.nothing_comes().await;
        let replies = old.replies(1).await;
        assert!(
            replies[0].json["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with("Too many")
        );
    }
}

#[tokio::test]
async fn what_a_stateless_client_does_not_declare_is_refused_at_once() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    for capabilities in ["{}", r#"{"sampling":{}}"#] {
        let mut reader = Reader::new(f.modern(&f.user, capabilities, 1, "").await);
        let stream = old.stream();
        stream.send(QUESTION);
        reader.nothing_comes().await;
        let calls = old.server.received("tools/call");
        stream.finish(&calls.last().unwrap().json["id"]);
        assert_eq!(reader.json().await["id"], 1);
        assert_eq!(
            old.replies(calls.len()).await.last().unwrap().json["error"]["code"],
            -32_601
        );
    }
}

#[tokio::test]
async fn sessions_with_a_server_are_shared_by_stateless_clients_that_declare_the_same() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let same = r#"{"x":{},"roots":{ "y":1 },"sampling":{"tools":{ }},"elicitation":{"url":{},"form":{}}}"#;
    for capabilities in [EVERYTHING, same, r#"{"roots":{}}"#] {
        let response = f.modern(&f.user, capabilities, 1, "").await;
        old.stream()
            .finish(&old.server.received("tools/call").last().unwrap().json["id"]);
        assert_eq!(Reader::new(response).json().await["id"], 1);
    }
    let calls = old.server.received("tools/call");
    let within: Vec<_> = calls.iter().map(|call| call.header("mcp-session-id")).collect();
    assert_eq!(within[0], within[1]);
    assert_ne!(within[1], within[2]);
    let declared = old.server.received("initialize").pop().unwrap();
    assert_eq!(declared.json["params"]["capabilities"], json!({"roots": {}}));
}

#[tokio::test]
async fn a_held_call_of_a_server_that_broke_off_is_reported_at_the_retry() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let response = f.modern(&f.user, EVERYTHING, 1, "").await;
    let stream = old.stream();
    stream.send(QUESTION);
    let (_, state) = asked(response).await;
    drop(stream);
    let response = f.modern(&f.user, EVERYTHING, 2, &retry(&state, ACCEPTED)).await;
    let last = Reader::new(response).json().await;
    assert_eq!(last["id"], 2);
    assert!(last["error"]["message"].is_string(), "{last}");
}
