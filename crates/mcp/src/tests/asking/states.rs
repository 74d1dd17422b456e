//! Stateless clients and servers: `input_required` results pass, with the server's state sealed.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{EVERYTHING, Fixture, User, error_of, events, read};
use crate::testing::net::{
    FakeBody, FakeServer, Received, answer, event, json_answer, modern_reply, raw_param, tool,
};

/// How a server answers.
#[derive(Clone, Copy)]
enum Kind {
    Json,
    /// In small pieces.
    Pieces,
    Events,
}

const OWN: &str = r#"{\"step\":1}"#;

/// A server that asks for input until it gets some with its own state.
fn server(kind: Kind) -> Arc<FakeServer> {
    FakeServer::new(move |received| {
        Ok(match received.method() {
            "tools/call" => reply(received, kind),
            _ => modern_reply(received, &[tool("t")], 60_000, "public"),
        })
    })
}

fn reply(received: &Received, kind: Kind) -> http::Response<FakeBody> {
    let id = &received.json["id"];
    let responses = raw_param(received, "inputResponses");
    let body = if responses == "null" {
        format!(
            r#"{{"jsonrpc":"2.0","result":{{ "requestState":"{OWN}","resultType":"input_required","inputRequests":{{"k":{{"method":"roots/list","params":{{"requestState":1.50e+3}}}}}} }},"id":{id}}}"#
        )
    } else {
        let state = raw_param(received, "requestState");
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[],"got":[{responses},{state}]}}}}"#
        )
    };
    match kind {
        Kind::Json => json_answer(200, &body),
        Kind::Pieces => {
            let pieces: Vec<_> = body
                .as_bytes()
                .chunks(5)
                .map(|piece| std::str::from_utf8(piece).unwrap())
                .collect();
            answer(200, "application/json", FakeBody::of(&pieces))
        }
        Kind::Events => answer(200, "text/event-stream", FakeBody::of(&[&event(&body)])),
    }
}

async fn message(response: http::Response<crate::endpoint::answer::Answer<FakeBody>>) -> String {
    let (status, text) = read(response).await;
    assert_eq!(status, 200, "{text}");
    events(&text).pop().unwrap_or(text)
}

fn state_of(message: &str) -> String {
    let json: Value = serde_json::from_str(message).unwrap();
    json["result"]["requestState"].as_str().unwrap().to_owned()
}

fn retry(state: &str) -> String {
    format!(
        r#","inputResponses":{{"k":{{"roots":[], "n":1.50e+3}}}},"requestState":{}"#,
        json!(state)
    )
}

#[tokio::test]
async fn a_servers_state_is_sealed_on_its_way_and_opened_for_the_server() {
    for kind in [Kind::Json, Kind::Pieces, Kind::Events] {
        let server = server(kind);
        let f = Fixture::new(&server);
        let asked = message(f.modern(&f.user, EVERYTHING, 1, "").await).await;
        let state = state_of(&asked);
        assert!(state.starts_with("v1.") && !asked.contains("step"), "{asked}");
        let unsealed = asked.replace(&state, OWN);
        assert_eq!(
            unsealed,
            format!(
                r#"{{"jsonrpc":"2.0","result":{{ "requestState":"{OWN}","resultType":"input_required","inputRequests":{{"k":{{"method":"roots/list","params":{{"requestState":1.50e+3}}}}}} }},"id":1}}"#
            )
        );
        let done = message(f.modern(&f.user, EVERYTHING, 2, &retry(&state)).await).await;
        assert_eq!(
            done,
            format!(
                r#"{{"jsonrpc":"2.0","id":2,"result":{{"resultType":"complete","content":[],"got":[{{"k":{{"roots":[], "n":1.50e+3}}}},"{OWN}"]}}}}"#
            )
        );
    }
}

#[tokio::test]
async fn forged_foreign_and_expired_states_reach_no_server() {
    let server = server(Kind::Json);
    let mut f = Fixture::new(&server);
    let state = state_of(&message(f.modern(&f.user, EVERYTHING, 1, "").await).await);
    let before = server.received("tools/call").len();
    let bob = User("bob");
    let more = retry(&state);
    let last = if state.ends_with('A') { "B" } else { "A" };
    let altered = format!("{}{last}", &state[..state.len() - 1]);
    for (response, words) in [
        (f.modern(&bob, EVERYTHING, 2, &more).await, "not issued"),
        (f.modern_elsewhere(&more).await, "not issued"),
        (
            f.modern(&f.user, EVERYTHING, 2, &retry(&altered)).await,
            "not issued",
        ),
        (
            f.modern(&f.user, EVERYTHING, 2, &retry("{\"step\":1}")).await,
            "not issued",
        ),
        (
            f.modern_with(&f.user, EVERYTHING, 2, r#"{"n":2}"#, &more).await,
            "another request",
        ),
    ] {
        let (code, text) = error_of(response).await;
        assert_eq!(code, -32_602);
        assert!(text.contains(words), "{text}");
    }
    // A client with a session has no states at all.
    let session = f.begin(EVERYTHING).await;
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t"{more}}}}}"#);
    assert_eq!(error_of(f.post(&session, &call).await).await.0, -32_602);
    f.world.clock.advance(Duration::from_hours(1));
    let (_, text) = error_of(f.modern(&f.user, EVERYTHING, 3, &more).await).await;
    assert!(text.contains("has expired"), "{text}");
    assert_eq!(server.received("tools/call").len(), before);
}

/// Only its server knows whether a state can be used more than once, as without a gateway.
#[tokio::test]
async fn a_state_that_is_replayed_is_left_to_its_server_to_judge() {
    let server = server(Kind::Json);
    let f = Fixture::new(&server);
    let state = state_of(&message(f.modern(&f.user, EVERYTHING, 1, "").await).await);
    for id in [2, 3] {
        message(f.modern(&f.user, EVERYTHING, id, &retry(&state)).await).await;
    }
    let calls = server.received("tools/call");
    assert_eq!(calls.len(), 3);
    for call in &calls[1..] {
        assert_eq!(raw_param(call, "requestState"), format!("\"{OWN}\""));
    }
}

#[tokio::test]
async fn a_stateless_server_learns_what_a_client_with_a_session_declares() {
    let server = server(Kind::Json);
    let f = Fixture::new(&server);
    let session = f
        .begin(r#"{"roots":{"listChanged":true},"experimental":{}}"#)
        .await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    drop(f.post(&session, call).await);
    let told = &server.received("tools/call")[0].json["params"]["_meta"];
    assert_eq!(
        told["io.modelcontextprotocol/clientCapabilities"],
        json!({"roots": {"listChanged": true}})
    );
}
