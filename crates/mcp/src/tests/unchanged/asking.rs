//! What servers ask of clients, and the answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Response;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use serde_json::Value;

use super::{
    Answer, Client, Era, FakeBody, FakeServer, Kind, Received, answer, config, contains, event, events,
    json::{json, object},
    run, server, usual_lists,
};
use crate::testing::net::{Pieces, raw_param};

/// What servers ask: a method and the members of its parameters.
const QUESTIONS: [(&str, &str); 3] = [
    (
        "elicitation/create",
        r#""mode":"form","message":"\u00e9","requestedSchema":{"type":"object","properties":{},"x-s":ANY},"x-q":ANY"#,
    ),
    (
        "sampling/createMessage",
        r#""messages":[ ANY ],"maxTokens":1.0e2, "x-q":ANY"#,
    ),
    ("roots/list", r#""x-q": ANY"#),
];

type Open = Arc<Mutex<VecDeque<(Value, Pieces)>>>;

/// A server with sessions whose call asks on its stream, under the id 7.
fn old(question: String) -> (Arc<FakeServer>, Open) {
    let open = Open::default();
    let calls = Arc::clone(&open);
    let server = server(Era::Legacy, usual_lists(), move |received: &Received| {
        if received.method() != "tools/call" {
            return answer(202, "", FakeBody::of(&[]));
        }
        let (pieces, body) = FakeBody::open();
        pieces.send(event(&question).into()).unwrap();
        calls
            .lock()
            .unwrap()
            .push_back((received.json["id"].clone(), pieces));
        answer(200, "text/event-stream", body)
    });
    (server, open)
}

/// The reply that reached a server with sessions, after which its call is answered.
async fn reply(server: &FakeServer, open: &Open) -> String {
    let replied = || {
        let received = server.received.lock().unwrap();
        let replies = received
            .iter()
            .filter(|one| one.json.get("method").is_none() && one.json["id"] == 7);
        replies
            .map(|one| String::from_utf8(one.body.to_vec()).unwrap())
            .next()
    };
    let waiting = async {
        loop {
            match replied() {
                Some(reply) => break reply,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("a reply");
    let (id, pieces) = open.lock().unwrap().pop_front().unwrap();
    pieces
        .send(
            event(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[]}}}}"#
            ))
            .into(),
        )
        .unwrap();
    reply
}

/// A stateless server that asks by a result, and its call once it has an answer.
fn new(result: String) -> Arc<FakeServer> {
    server(Era::Modern, usual_lists(), move |received: &Received| {
        let id = &received.json["id"];
        let is_answered = raw_param(received, "inputResponses") != "null";
        let result = if is_answered {
            r#"{"resultType":"complete","content":[]}"#
        } else {
            &result
        };
        Kind::Json.answer(&[format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)])
    })
}

/// The first message of an answer that streams, and the rest.
async fn first(response: Response<Answer<FakeBody>>) -> (String, Answer<FakeBody>) {
    let mut body = response.into_body();
    loop {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let mut messages = events(std::str::from_utf8(&frame).unwrap());
        if !messages.is_empty() {
            return (messages.remove(0), body);
        }
    }
}

async fn rest(body: Answer<FakeBody>) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

impl Client {
    fn call(&self, more: &str) -> String {
        self.request(
            "tools/call",
            &format!(r#""name":"t","arguments":{{}}{more}"#),
            "",
            "",
        )
    }

    /// Answers a question in the session.
    async fn reply(&self, question: &str, result: &str) -> String {
        let id = serde_json::from_str::<Value>(question).unwrap()["id"].clone();
        let reply = format!(r#"{{"jsonrpc":"2.0", "x-top":1.50e+0,"id":{id},"result":{result}}}"#);
        let response = self.post(&reply, "", None).await;
        assert_eq!(response.status(), 202);
        reply.replace(&id.to_string(), "7")
    }

    /// The result that asks for input, as text, and its state.
    async fn asked(&self) -> (String, String) {
        let messages = self.ask(&self.call(""), "tools/call", Some("t")).await;
        let message = messages.last().unwrap().clone();
        let json: Value = serde_json::from_str(&message).unwrap();
        let state = json["result"]["requestState"].as_str().unwrap().to_owned();
        (message, state)
    }

    /// Comes back with an answer, under the key that the question had.
    async fn retry(&self, key: &str, result: &str, state: &str) -> Response<Answer<FakeBody>> {
        let more = format!(r#","inputResponses":{{"{key}": {result} }},"requestState":"{state}""#);
        self.post(&self.call(&more), "tools/call", Some("t")).await
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn between_sides_with_sessions(any in json(), result in object()) {
        run(async {
            for (method, members) in QUESTIONS {
                let params = members.replace("ANY", &any);
                let question = format!(r#"{{ "x-top":{any},"jsonrpc":"2.0","method":"{method}","params":{{{params}}},"id":7}}"#);
                let (server, open) = old(question.clone());
                let client = Client::new(&server, Era::Legacy).await;
                let (asked, body) = first(client.post(&client.call(""), "tools/call", None).await).await;
                let json: Value = serde_json::from_str(&asked).unwrap();
                assert_eq!(asked.replace(&json["id"].to_string(), "7"), question);
                let told = client.reply(&asked, &result).await;
                // The reply is sent while the client reads on.
                let (reply, rest) = tokio::join!(reply(&server, &open), rest(body));
                assert_eq!(reply, told);
                contains(&rest, r#""content":[]"#);
            }
        });
    }

    #[test]
    fn from_a_server_with_sessions_to_a_stateless_client(any in json(), result in object()) {
        run(async {
            for (method, members) in QUESTIONS {
                let params = members.replace("ANY", &any);
                let (server, open) = old(format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}}}}}"#));
                let client = Client::new(&server, Era::Modern).await;
                let (asked, state) = client.asked().await;
                contains(&asked, &format!(r#""inputRequests":{{"ask":{{"method":"{method}","params":{{{params}}}}}}}"#));
                let response = client.retry("ask", &result, &state).await;
                let (reply, rest) = tokio::join!(reply(&server, &open), rest(response.into_body()));
                contains(&reply, &format!(r#""result":{result}"#));
                contains(&rest, r#""content":[]"#);
            }
        });
    }

    #[test]
    fn from_a_stateless_server_to_a_client_with_a_session(any in json(), result in object()) {
        run(async {
            for (method, members) in QUESTIONS {
                let params = members.replace("ANY", &any);
                let server = new(format!(
                    r#"{{"resultType":"input_required","requestState":"s\u0041","inputRequests":{{"k":{{"method":"{method}","params":{{{params}}}}}}}}}"#
                ));
                let client = Client::new(&server, Era::Legacy).await;
                let (asked, body) = first(client.post(&client.call(""), "tools/call", None).await).await;
                contains(&asked, &format!(r#""method":"{method}""#));
                contains(&asked, &params);
                client.reply(&asked, &result).await;
                contains(&rest(body).await, r#""content":[]"#);
                let retried = server.received("tools/call").pop().unwrap();
                assert_eq!(raw_param(&retried, "inputResponses"), format!(r#"{{"k":{result}}}"#));
                assert_eq!(raw_param(&retried, "requestState"), r#""s\u0041""#);
            }
        });
    }

    #[test]
    fn between_stateless_sides(any in json(), result in object()) {
        run(async {
            for (method, members) in QUESTIONS {
                let params = members.replace("ANY", &any);
                let own = format!(
                    r#"{{ "x-r":{any},"requestState":"s\u0041" ,"resultType":"input_required","inputRequests":{{"k":{{"method":"{method}","params":{{{params}}}}}}} }}"#
                );
                let server = new(own.clone());
                let client = Client::new(&server, Era::Modern).await;
                let (asked, state) = client.asked().await;
                contains(&asked.replace(&state, r"s\u0041"), &format!(r#""result":{own}"#));
                let response = client.retry("k", &result, &state).await;
                contains(&rest(response.into_body()).await, r#""content":[]"#);
                let retried = server.received("tools/call").pop().unwrap();
                assert_eq!(raw_param(&retried, "inputResponses"), format!(r#"{{"k": {result} }}"#));
                // It was sealed on its way: the same string, however it is written.
                assert_eq!(retried.json["params"]["requestState"], "sA");
            }
        });
    }
}
