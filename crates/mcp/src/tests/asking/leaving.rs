//! Questions that end without an answer: a client that disconnects or takes too long, a server that cancels, a call that is
//! over.

use std::time::Duration;

use serde_json::json;

use super::{EVERYTHING, Fixture, OldServer};

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#;

#[tokio::test]
async fn a_server_gets_an_error_when_the_client_disconnects() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let stream = old.stream();
    stream.send(ROOTS);
    let id = reader.json().await["id"].to_string();
    drop(reader);
    let replies = old.replies(1).await;
    assert_eq!((replies.len(), &replies[0].json["id"]), (1, &json!("q")));
    assert_eq!(replies[0].json["error"]["code"], -32_603);
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[]}}}}"#);
    assert_eq!(f.send(&session, &answer).await, 202);
    assert_eq!(
        old.replies(2).await.len(),
        1,
        "an answer that comes later reaches no one"
    );
    assert_eq!(old.server.received("notifications/cancelled").len(), 1);
}

#[tokio::test]
async fn a_call_that_is_answered_takes_its_questions_with_it() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let stream = old.stream();
    stream.send(ROOTS);
    let id = reader.json().await["id"].clone();
    stream.finish(&old.server.received("tools/call")[0].json["id"]);
    let cancelled = reader.json().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], id);
    assert_eq!(reader.json().await["id"], "call");
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn a_server_that_cancels_its_question_is_not_answered_and_the_client_is_notified() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let stream = old.stream();
    stream.send(ROOTS);
    let id = reader.json().await["id"].clone();
    // The call itself has another id.
    stream.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"other"}}"#);
    reader.nothing_comes().await;
    stream.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}"#);
    let cancelled = reader.json().await;
    assert_eq!(cancelled["params"]["requestId"], id);
    assert_eq!(old.replies(1).await.len(), 0);
    stream.finish(&old.server.received("tools/call")[0].json["id"]);
    assert_eq!(reader.json().await["id"], "call");
}

#[tokio::test(start_paused = true)]
async fn a_client_may_take_its_time_and_not_for_ever() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let stream = old.stream();
    stream.send(ROOTS);
    let id = reader.json().await["id"].clone();
    // The server can pause for a minute, and longer while the client is asked.
    let waited = tokio::time::timeout(Duration::from_mins(9), reader.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(old.replies(0).await.len(), 0);
    let cancelled = reader.json().await;
    assert_eq!(cancelled["params"]["requestId"], id);
    let replies = old.replies(1).await;
    assert_eq!(replies[0].json["error"]["code"], -32_603);
    // From then on it is the server that is waited for.
    let last = reader.json().await;
    assert_eq!(last["id"], "call");
    assert!(last["error"]["message"].is_string());
}

#[tokio::test]
async fn a_session_that_is_ended_takes_its_questions_with_it() {
    let old = OldServer::new();
    let f = Fixture::new(&old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let stream = old.stream();
    stream.send(ROOTS);
    assert_eq!(reader.json().await["method"], "roots/list");
    let caller = f.world.caller(&f.user);
    let ended = f.world.endpoint.delete(f.world.gateway_id, caller, &session);
    assert_eq!(ended.status(), 204);
    assert_eq!(reader.next().await, None);
    drop(reader);
    assert_eq!(old.replies(1).await[0].json["id"], "q");
}
