//! Several messages in one POST, which clients of 2025-03-26 may send.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::{
    endpoint::Reached,
    federation::plan::Plan,
    peer::{
        caller::{Alive, Busy, Caller, Identify, Place, Runs},
        config::UpstreamConfig,
        credentials::{Asked, Credentials},
    },
    testing::net::{
        FakeBody, FakeServer, User, World, answer, echo, event, events, json_answer, legacy_headers,
        legacy_server, read, tool,
    },
};

const ADA: User = User("ada");

/// Begins a session of a revision; returns the headers of its requests.
async fn begin(world: &World, plan: &Plan, version: &'static str) -> HeaderMap {
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
    let response = world
        .post(plan, &ADA, &legacy_headers(None), &body.to_string())
        .await;
    let id = response.headers()["mcp-session-id"].clone();
    assert_eq!(read(response).await.0, 200);
    let mut headers = legacy_headers(Some(id.to_str().unwrap()));
    headers.remove("mcp-protocol-version");
    headers.insert(
        "accept",
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    headers
}

fn call(id: &str, name: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": {}}})
}

/// A server whose tool `slow` answers by events, and whose others answer with JSON that has line breaks.
fn mixed() -> Arc<FakeServer> {
    legacy_server(vec![tool("slow"), tool("fast")], |received| {
        if received.json["params"]["name"] == "fast" {
            return json_answer(200, &echo(received).replace(r#","jsonrpc""#, ",\r\n\"jsonrpc\""));
        }
        let token = &received.json["params"]["_meta"]["progressToken"];
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1}});
        let body = [event(&progress.to_string()), event(&echo(received))].concat();
        answer(200, "text/event-stream", FakeBody::of(&[&body]))
    })
}

fn ids(answers: &[Value]) -> Vec<String> {
    let mut ids: Vec<_> = answers.iter().map(|answer| answer["id"].to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn requests_are_answered_with_one_array_and_each_by_the_server_that_has_what_it_names() {
    let (one, two) = (mixed(), mixed());
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[(0, "fast"), (1, "fast")]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let batch = json!([
        call("a", "one_fast"),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "none"}},
        {"jsonrpc": "2.0", "id": 7, "method": "ping"},
        call("b", "two_fast"),
        call("c", "two_slow"),
        {"jsonrpc": "2.0", "id": "d", "method": "tools/list"},
        {"jsonrpc": "2.0", "id": "e", "method": "no/such"},
    ]);
    let response = world.post(&plan, &ADA, &headers, &batch.to_string()).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let (status, text) = read(response).await;
    assert_eq!(status, 200);
    let answers: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let found: Vec<_> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(
        json!(found),
        json!(["a", 7, "b", "c", "d", "e"]),
        "in their order"
    );
    assert_eq!(answers[0]["result"]["tool"], "fast");
    assert_eq!(answers[1]["result"], json!({}));
    assert!(answers[3]["error"]["code"].is_i64(), "it is not offered");
    assert_eq!(answers[4]["result"]["tools"].as_array().unwrap().len(), 2);
    assert_eq!(answers[5]["error"]["code"], -32601);
    assert_eq!(
        (one.received("tools/call").len(), two.received("tools/call").len()),
        (1, 1)
    );
}

#[tokio::test]
async fn requests_are_answered_with_one_stream_where_a_server_streams() {
    let server = mixed();
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let mut slow = call("s", "slow");
    slow["params"]["_meta"] = json!({"progressToken": "p"});
    let batch = json!([call("a", "fast"), slow, call("b", "fast")]).to_string();
    let response = world.post(&plan, &ADA, &headers, &batch).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (_, text) = read(response).await;
    let messages: Vec<Value> = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| {
            let data: String = event
                .lines()
                .map(|line| line.strip_prefix("data: ").unwrap())
                .collect();
            serde_json::from_str(&data).unwrap_or_else(|_| panic!("{text}"))
        })
        .collect();
    let (progress, answers): (Vec<_>, Vec<_>) = messages
        .into_iter()
        .partition(|message| message["method"].is_string());
    assert_eq!(ids(&answers), ["\"a\"", "\"b\"", "\"s\""]);
    assert_eq!(progress.len(), 1);
    assert_eq!(progress[0]["params"]["progressToken"], "p");
}

#[tokio::test]
async fn a_large_answer_passes_in_its_own_event() {
    let server = legacy_server(vec![tool("slow"), tool("large")], |received| {
        let whole = echo(received);
        if received.json["params"]["name"] == "slow" {
            return answer(200, "text/event-stream", FakeBody::of(&[&event(&whole)]));
        }
        let padded = whole.replace(
            r#""content":[]"#,
            &format!("\"content\":[\n\"{}\"]", "x".repeat(100_000)),
        );
        let (first, second) = padded.split_at(60_000);
        let (second, third) = second.split_at(20_000);
        answer(200, "application/json", FakeBody::of(&[first, second, third]))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let batch = json!([call("a", "large"), call("s", "slow"), call("b", "large")]).to_string();
    let (_, text) = read(world.post(&plan, &ADA, &headers, &batch).await).await;
    let answers: Vec<Value> = events(&text)
        .iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(ids(&answers), ["\"a\"", "\"b\"", "\"s\""]);
}

#[tokio::test]
async fn notifications_alone_are_accepted_without_content() {
    let server = mixed();
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let asked = server.count();
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let (status, text) = read(
        world
            .post(&plan, &ADA, &headers, &json!([note, note]).to_string())
            .await,
    )
    .await;
    assert_eq!((status, text.as_str()), (202, ""));
    // An answer to what was never asked is refused as when it comes alone.
    let batch = json!([note, {"jsonrpc": "2.0", "id": 5, "result": {}}]).to_string();
    assert_eq!(read(world.post(&plan, &ADA, &headers, &batch).await).await.0, 400);
    assert_eq!(server.count(), asked);
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole_before_anything_of_it_is_done() {
    let server = mixed();
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let good = call("a", "fast");
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
    let asked = server.count();
    for (batch, why) in [
        (json!([]), "is empty"),
        (json!(vec![good.clone(); 65]), "more than 64 messages"),
        (
            json!([good, initialize]),
            "`initialize` cannot be part of a batch, as message 2",
        ),
        (
            json!([good, {"jsonrpc": "2.0", "id": 1}]),
            "Message 2 of the batch",
        ),
        (json!([good, 7]), "Message 2 of the batch"),
        (
            json!([good, call("b", "fast"), call("a", "slow")]),
            "Message 3 of the batch has the ID of another request",
        ),
        (json!([[good]]), "Message 1 of the batch"),
    ] {
        let (status, text) = read(world.post(&plan, &ADA, &headers, &batch.to_string()).await).await;
        assert!(status == 400 && text.contains(why), "{status} {text}");
    }
    assert_eq!(server.count(), asked);
}

#[tokio::test]
async fn other_revisions_have_no_batches() {
    let server = mixed();
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let batch = json!([call("a", "fast")]).to_string();
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let headers = begin(&world, &plan, version).await;
        let asked = server.count();
        let (status, text) = read(world.post(&plan, &ADA, &headers, &batch).await).await;
        assert!(
            status == 400 && text.contains("only in sessions of MCP 2025-03-26"),
            "{version} {text}"
        );
        assert_eq!(server.count(), asked);
    }
    let (status, text) = read(world.post(&plan, &ADA, &legacy_headers(None), &batch).await).await;
    assert!(status == 400 && text.contains("only in sessions"), "{text}");
    let mut headers = begin(&world, &plan, "2025-03-26").await;
    headers.insert("mcp-session-id", HeaderValue::from_static("v1.other.session"));
    assert_eq!(read(world.post(&plan, &ADA, &headers, &batch).await).await.0, 404);
}

/// A user who can have this many requests running.
struct Limited {
    running: Arc<AtomicUsize>,
    most: Arc<Mutex<usize>>,
    max: usize,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Identify for Limited {
    fn credentials<'a>(&'a self, _: &'a UpstreamConfig) -> Asked<'a> {
        Asked::Known(Ok(Credentials::default()))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(User("ada"))
    }

    fn alive(&self) -> Alive {
        Box::new(|| true)
    }

    fn place(&self, _: Runs) -> Result<Place, Busy> {
        if self.running.load(Ordering::SeqCst) == self.max {
            return Err(Busy::Person(3));
        }
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let mut most = self.most.lock().unwrap();
        *most = running.max(*most);
        Ok(Box::new(Running(Arc::clone(&self.running))))
    }
}

#[tokio::test]
async fn each_request_takes_a_place_until_its_answer_has_ended() {
    let server = mixed();
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let limited = Limited {
        running: Arc::default(),
        most: Arc::default(),
        max: 3,
    };
    let caller = Caller {
        identity: &limited,
        ..world.caller(&ADA)
    };
    let calls: Vec<_> = ["a", "b", "c", "d", "e"].map(|id| call(id, "slow")).into();
    let mut batch = json!(calls);
    batch
        .as_array_mut()
        .unwrap()
        .push(json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}));
    let body = batch.to_string().into();
    let mut reached = Reached::default();
    let posting = world
        .endpoint
        .post(&plan, caller, &headers, &body, None, &mut reached);
    let response = posting.await;
    assert_eq!(
        limited.running.load(Ordering::SeqCst),
        3,
        "they run until they are read"
    );
    let (_, text) = read(response).await;
    let answers: Vec<Value> = events(&text)
        .iter()
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .filter(|message| message["method"].is_null())
        .collect();
    assert_eq!(answers.len(), 6);
    let busy = answers
        .iter()
        .filter(|answer| answer["error"].is_object())
        .count();
    assert_eq!(busy, 2, "{text}");
    assert_eq!(server.received("tools/call").len(), 3);
    assert_eq!(
        (
            limited.running.load(Ordering::SeqCst),
            *limited.most.lock().unwrap()
        ),
        (0, 3)
    );
    assert_eq!(reached.batch.len(), 6);
    assert_eq!(reached.batch.iter().filter(|one| one.server.is_some()).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_did_not_wait_for_is_noted_too() {
    let slow = FakeServer::slow(mixed(), &[("tools/call", Duration::from_secs(5))]);
    let world = World::new(&[("one", &slow)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let body = json!([call("a", "slow"), call("b", "slow")]).to_string().into();
    let mut reached = Reached::default();
    let posting = world
        .endpoint
        .post(&plan, world.caller(&ADA), &headers, &body, None, &mut reached);
    let gone = tokio::time::timeout(Duration::from_secs(1), posting).await;
    assert!(gone.is_err());
    assert_eq!(slow.received("tools/call").len(), 2);
    assert_eq!(reached.batch.iter().filter(|one| one.server.is_some()).count(), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_takes_only_its_own_place_in_the_array() {
    let server = legacy_server(vec![tool("good"), tool("bad")], |received| {
        if received.json["params"]["name"] == "bad" {
            return answer(200, "application/json", FakeBody::of(&["not JSON"]));
        }
        json_answer(200, &echo(received))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = begin(&world, &plan, "2025-03-26").await;
    let batch = json!([call("a", "good"), call("x", "bad"), call("b", "good")]).to_string();
    let (_, text) = read(world.post(&plan, &ADA, &headers, &batch).await).await;
    let answers: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(answers[1]["id"], "x");
    assert!(answers[1]["error"].is_object());
    assert!(answers[0]["result"].is_object() && answers[2]["result"].is_object());
}
