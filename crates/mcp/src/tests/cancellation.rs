//! Calls that are cancelled: the server learns it, the client receives nothing more.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use gatewright_domain::server::IdentityForwarding;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::testing::net::{
    FakeBody, FakeServer, Pieces, User, World, answer, event, events, json_answer, legacy_server, meta,
    modern_headers, modern_reply, read, tool,
};

const ADA: User = User("ada");

type Open = Arc<Mutex<Vec<Pieces>>>;

/// A server with sessions whose calls stay open until the test ends them.
fn waiting_server(kind: &'static str) -> (Arc<FakeServer>, Open) {
    let open = Open::default();
    let calls = Arc::clone(&open);
    let server = legacy_server(vec![tool("wait")], move |_| {
        let (pieces, body) = FakeBody::open();
        if kind == "application/json" {
            // The head goes to the client once the answer has begun.
            pieces.send(r#"{"jsonrpc":"2.0","#.into()).unwrap();
        }
        calls.lock().unwrap().push(pieces);
        answer(200, kind, body)
    });
    (server, open)
}

fn body(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"wait","arguments":{{}},{}}}}}"#,
        meta("")
    )
}

async fn cancelled(server: &FakeServer) -> Vec<Value> {
    // The notice is sent by its own task; it runs when this one lets go.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let notices = server.received("notifications/cancelled");
    notices
        .into_iter()
        .map(|notice| notice.json["params"]["requestId"].clone())
        .collect()
}

#[tokio::test]
async fn a_closed_stream_cancels_at_a_server_with_sessions() {
    for kind in ["text/event-stream", "application/json"] {
        let (server, open) = waiting_server(kind);
        let world = World::new(&[("old", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let headers = modern_headers("tools/call", Some("wait"));
        let response = world.post(&plan, &ADA, &headers, &body("1")).await;
        assert_eq!(cancelled(&server).await, Vec::<Value>::new());
        drop(response);
        let id = server.received("tools/call")[0].json["id"].clone();
        assert_eq!(cancelled(&server).await, [id]);
        let notice = &server.received("notifications/cancelled")[0];
        assert_eq!(notice.header("mcp-session-id"), Some("session-1"));
        drop(open);
    }
}

#[tokio::test]
async fn a_closed_stream_closes_that_of_a_stateless_server() {
    let (pieces, body_of_server) = FakeBody::open();
    let dropped = Arc::clone(&body_of_server.dropped);
    let held = Mutex::new(Some(body_of_server));
    let server = FakeServer::new(move |received| {
        Ok(match received.method() {
            "tools/call" => answer(200, "text/event-stream", held.lock().unwrap().take().unwrap()),
            _ => modern_reply(received, &[tool("wait")], 60_000, "public"),
        })
    });
    let world = World::new(&[("new", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let response = world
        .post(
            &plan,
            &ADA,
            &modern_headers("tools/call", Some("wait")),
            &body("1"),
        )
        .await;
    assert!(!dropped.load(Ordering::SeqCst));
    drop(response);
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(cancelled(&server).await, Vec::<Value>::new());
    drop(pieces);
}

#[tokio::test]
async fn a_completed_call_is_not_cancelled() {
    let (server, open) = waiting_server("text/event-stream");
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let response = world
        .post(
            &plan,
            &ADA,
            &modern_headers("tools/call", Some("wait")),
            &body("1"),
        )
        .await;
    let id = server.received("tools/call")[0].json["id"].clone();
    let last = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).to_string();
    // The server leaves its stream open; the answer ends ours all the same.
    open.lock().unwrap()[0].send(event(&last).into()).unwrap();
    let (_, text) = read(response).await;
    assert_eq!(events(&text).len(), 1);
    assert_eq!(cancelled(&server).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_client_with_a_session_cancels_by_id_and_receives_nothing_more() {
    let (server, open) = waiting_server("text/event-stream");
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let call = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"wait","arguments":{{}}}}}}"#
        )
    };
    let response = world.post(&plan, &ADA, &headers, &call("\"a\"")).await;
    let other = world.post(&plan, &ADA, &headers, &call("\"b\"")).await;
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}"#;
    let (status, text) = read(world.post(&plan, &ADA, &headers, notice).await).await;
    assert_eq!((status, text.as_str()), (202, ""));
    let (_, text) = read(response).await;
    assert_eq!(text, "");
    let id = server.received("tools/call")[0].json["id"].clone();
    assert_eq!(cancelled(&server).await, [id]);
    // The other call continues.
    let id = server.received("tools/call")[1].json["id"].clone();
    let last = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).to_string();
    open.lock().unwrap()[1].send(event(&last).into()).unwrap();
    assert_eq!(events(&read(other).await.1).len(), 1);
}

#[tokio::test]
async fn an_ended_session_ends_its_calls_and_streams() {
    let (server, open) = waiting_server("text/event-stream");
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait","arguments":{}}}"#;
    let response = world.post(&plan, &ADA, &headers, call).await;
    let caller = world.caller(&ADA);
    let ended = world.endpoint.delete(world.gateway_id, caller, &headers);
    assert_eq!(ended.status(), 204);
    assert_eq!(read(response).await.1, "");
    assert_eq!(
        world.endpoint.delete(world.gateway_id, caller, &headers).status(),
        404
    );
    assert_eq!(read(world.post(&plan, &ADA, &headers, call).await).await.0, 404);
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_abandoned() {
    let (server, open) = waiting_server("text/event-stream");
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let response = world
        .post(
            &plan,
            &ADA,
            &modern_headers("tools/call", Some("wait")),
            &body("\"x\""),
        )
        .await;
    let began = tokio::time::Instant::now();
    let (_, text) = read(response).await;
    assert_eq!(began.elapsed().as_secs(), 60);
    let error: Value = serde_json::from_str(&events(&text)[0]).unwrap();
    assert_eq!(error["id"], "x");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("did not answer in time")
    );
    assert_eq!(cancelled(&server).await.len(), 1);
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn a_listening_stream_lives_while_it_may() {
    let server = legacy_server(vec![], |_| json_answer(200, "{}"));
    let world = World::new(&[("old", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    for ends_by_shutdown in [false, true] {
        let shutdown = tokio_util::sync::CancellationToken::new();
        let alive = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let (still, now) = (Arc::clone(&alive), Arc::clone(&plan));
        let plan_now = move || still.load(Ordering::SeqCst).then(|| Arc::clone(&now));
        let response = world.get(plan_now, &ADA, &headers, &shutdown);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = response.into_body();
        for _ in 0..3 {
            let comment = stream.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(comment.starts_with(b":"));
        }
        if ends_by_shutdown {
            shutdown.cancel();
        } else {
            alive.store(false, Ordering::SeqCst);
        }
        let began = tokio::time::Instant::now();
        assert!(stream.frame().await.is_none());
        assert!(began.elapsed() <= Duration::from_secs(2));
    }
}

#[tokio::test]
async fn only_so_many_streams_listen_at_once() {
    let server = legacy_server(vec![], |_| json_answer(200, "{}"));
    let world = World::new(&[("old", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let listen = |headers: &http::HeaderMap| {
        let shutdown = tokio_util::sync::CancellationToken::new();
        let now = Arc::clone(&plan);
        world.get(move || Some(Arc::clone(&now)), &ADA, headers, &shutdown)
    };
    let mut open = Vec::new();
    for session in 0..4 {
        world.clock.advance(Duration::from_secs(1));
        let headers = world.begin(&plan, &ADA).await;
        for _ in 0..16 {
            let answer = listen(&headers);
            assert_eq!(answer.status(), 200);
            open.push(answer);
        }
        assert_eq!(listen(&headers).status(), 429);
        if session == 0 {
            // A stream that ends makes room.
            open.pop();
            let answer = listen(&headers);
            assert_eq!(answer.status(), 200);
            open.push(answer);
        }
    }
    let headers = world.begin(&plan, &ADA).await;
    assert_eq!(listen(&headers).status(), 429, "all sessions of a user together");
    drop(open);
    assert_eq!(listen(&headers).status(), 200);
}
