//! Tasks of 2025-11-25, within sessions.

use std::{collections::VecDeque, sync::Mutex};

use http::Method;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::net::{Pieces, legacy_headers};

const RELATED: &str = "io.modelcontextprotocol/related-task";

#[tokio::test]
async fn a_task_is_begun_followed_and_cancelled_by_the_id_that_its_user_got() {
    let (world, plan, server) = one(Era::Legacy);
    let client = Client::in_session(&world, &plan, &ADA).await;
    let begun = client
        .text("tools/call", r#""name":"t","task":{"ttl":1.0}"#)
        .await;
    let id = client.begin().await;
    let task = state("working").replace(THEIRS, &id);
    assert_eq!(
        begun,
        format!(r#"{{"jsonrpc":"2.0","result":{{"task":{task},"_meta":{{"x":1}}}},"id":"i"}}"#)
    );
    let call = server.received("tools/call").remove(0);
    assert_eq!(raw_param(&call, "task"), r#"{"ttl":1.0}"#);
    let cancelled = state("cancelled").replace(THEIRS, &id);
    for method in ["tasks/get", "tasks/cancel"] {
        let text = client.text(method, &format!(r#""taskId":"{id}""#)).await;
        assert_eq!(
            text,
            format!(r#"{{"jsonrpc":"2.0","result":{cancelled},"id":"i"}}"#)
        );
    }
    let result = client.about("tasks/result", &id).await;
    assert_eq!(
        result["result"],
        json!({"content": [], "user": "ada", "taskId": "its own", "_meta": {RELATED: {"taskId": id}}})
    );
    let called = client.ask("tools/call", r#""name":"t""#).await;
    assert_eq!(called["result"]["name"], "t");
}

/// A stream that a server has opened: in which session, and in answer to which id.
struct Opened {
    session: String,
    id: String,
    pieces: Pieces,
}

/// A server whose streams the test holds: those that it is listened to with, and the answers to `tasks/result`.
struct Held {
    server: Arc<FakeServer>,
    open: Arc<Mutex<VecDeque<Opened>>>,
}

impl Held {
    fn new() -> Self {
        let plain = server(Era::Legacy);
        let open = Arc::<Mutex<VecDeque<Opened>>>::default();
        let kept = Arc::clone(&open);
        let server = FakeServer::new(move |received| {
            if received.method().is_empty() && received.verb != Method::GET {
                return Ok(answer(202, "", FakeBody::of(&[])));
            }
            if received.verb != Method::GET && received.method() != "tasks/result" {
                return (plain.handler)(received);
            }
            let (pieces, body) = FakeBody::open();
            kept.lock().unwrap().push_back(Opened {
                session: received.header("mcp-session-id").unwrap().to_owned(),
                id: received.json["id"].to_string(),
                pieces,
            });
            Ok(answer(200, "text/event-stream", body))
        });
        Self { server, open }
    }

    fn opened(&self, is_answer: bool) -> Option<Opened> {
        let calls = self.server.received("tools/call");
        let session = calls.first()?.header("mcp-session-id")?;
        let mut open = self.open.lock().unwrap();
        let is_it = |opened: &Opened| opened.session == session && (opened.id != "null") == is_answer;
        let at = open.iter().position(is_it)?;
        open.remove(at)
    }

    /// The stream in the session in which the tool was called: the one that it is listened to with, or an answer.
    async fn stream(&self, is_answer: bool) -> Opened {
        for _ in 0..100 {
            if let Some(opened) = self.opened(is_answer) {
                return opened;
            }
            tokio::task::yield_now().await;
        }
        panic!("no stream was opened");
    }
}

/// A client with a session that can be asked for input.
async fn asking_client<'a>(world: &'a World, plan: &'a Plan) -> Client<'a> {
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}"#;
    let response = world.post(plan, &ADA, &legacy_headers(None), body).await;
    let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    Client {
        session: Some(legacy_headers(Some(&id))),
        ..Client::stateless(world, plan, &ADA)
    }
}

/// The next message of an answer that streams.
async fn next(body: &mut Answer<FakeBody>) -> Value {
    use http_body_util::BodyExt as _;
    loop {
        let frame = body.frame().await.expect("a message").unwrap();
        let text = frame.into_data().unwrap();
        if let Some(message) = events(std::str::from_utf8(&text).unwrap()).pop() {
            return serde_json::from_str(&message).unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_task_asks_its_client_names_the_task_in_the_words_of_each_side() {
    let held = Held::new();
    let world = World::new(&[("one", &held.server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = asking_client(&world, &plan).await;
    let id = client.begin().await;
    let _aside = held.stream(false).await;
    let response = client.post("tasks/result", &format!(r#""taskId":"{id}""#)).await;
    let Opened {
        id: theirs,
        pieces: stream,
        ..
    } = held.stream(true).await;
    let mut body = response.into_body();
    let ask = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{{"message":"?","_meta":{{"{RELATED}":{{"taskId":"{THEIRS}"}}}}}}}}"#
    );
    stream.send(event(&ask).into()).unwrap();
    let asked = next(&mut body).await;
    assert_eq!(asked["params"]["_meta"][RELATED]["taskId"], id);
    let reply = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline", "_meta": {RELATED: {"taskId": id}}}});
    let headers = client.session.clone().unwrap();
    let accepted = world.post(&plan, &ADA, &headers, &reply.to_string()).await;
    assert_eq!(accepted.status(), 202);
    let result = format!(
        r#"{{"jsonrpc":"2.0","id":{theirs},"result":{{"content":[],"_meta":{{"{RELATED}":{{"taskId":"{THEIRS}"}}}}}}}}"#
    );
    let replies = async || {
        let all = held.server.received.lock().unwrap();
        let replies = all
            .iter()
            .filter(|one| one.json["id"] == 7 && one.method().is_empty());
        replies.cloned().collect::<Vec<_>>()
    };
    // The stream is polled, which sends the reply.
    let reading = tokio::spawn(async move { next(&mut body).await });
    for _ in 0..100 {
        if !replies().await.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let answered = replies().await.remove(0);
    assert_eq!(
        answered.json["result"],
        json!({"action": "decline", "_meta": {RELATED: {"taskId": THEIRS}}})
    );
    stream.send(event(&result).into()).unwrap();
    let told = reading.await.unwrap();
    assert_eq!(told["result"]["_meta"][RELATED]["taskId"], id);
}

#[tokio::test]
async fn a_session_learns_the_states_of_its_own_tasks_only() {
    let held = Held::new();
    let world = World::new(&[("one", &held.server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let client = asking_client(&world, &plan).await;
    let of_client = Arc::clone(&plan);
    let plan_now = move || Some(Arc::clone(&of_client));
    let headers = client.session.clone().unwrap();
    let listening = world.get(plan_now, &ADA, &headers, &CancellationToken::new());
    let mut body = listening.into_body();
    let id = client.begin().await;
    let aside = held.stream(false).await.pieces;
    let status = |id: &str| {
        event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{{"taskId":"{id}","status":"working"}}}}"#
        ))
    };
    aside.send(status("another").into()).unwrap();
    // It would wait for its client in memory that is not counted.
    let long = format!(r#""working","statusMessage":"{}""#, "x".repeat(70 * 1024));
    let long = status(THEIRS).replace(r#""working""#, &long);
    aside.send(long.into()).unwrap();
    aside.send(status(THEIRS).into()).unwrap();
    let told = next(&mut body).await;
    assert_eq!(told["params"], json!({"taskId": id, "status": "working"}));
}
