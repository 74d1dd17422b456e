//! Servers that close the stream of a call before its answer, and are asked for the rest of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatewright_domain::server::IdentityForwarding;
use http::{Method, Response};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    peer::transport::TransportError,
    testing::net::{
        FakeBody, FakeServer, Received, User, World, answer, events, json_answer, legacy_server, read, tool,
    },
};

const ADA: User = User("ada");
const CALL: &str = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"t","arguments":{},"_meta":{"progressToken":"p"}}}"#;
/// The event that many servers begin a stream with: it contains only an event ID.
const PRIMED: &str = "id: one-0\nretry: 3000\ndata: \n\n";

type Streamed = Result<Response<FakeBody>, TransportError>;

fn stream(pieces: &[&str]) -> Response<FakeBody> {
    answer(200, "text/event-stream", FakeBody::of(pieces))
}

/// A server with sessions that begins its answer to a call with `begun` and closes it, and continues as `resumed` says, which
/// gets the request, the id of the call and how often it was asked before.
fn closing(
    begun: &'static str,
    resumed: impl Fn(&Received, &Value, usize) -> Streamed + Send + Sync + 'static,
) -> Arc<FakeServer> {
    let id = Arc::new(Mutex::new(Value::Null));
    let called = Arc::clone(&id);
    let server = legacy_server(vec![tool("t")], move |received| {
        let mut called = called.lock().unwrap();
        assert_eq!(*called, Value::Null, "the call is sent once");
        *called = received.json["id"].clone();
        let begun = begun.replace("ID", &called.to_string());
        answer(200, "text/event-stream", FakeBody::of(&[&begun]))
    });
    let asked = AtomicUsize::new(0);
    FakeServer::new(move |received| {
        if received.verb == Method::GET {
            // It has no stream to be listened to with.
            if received.header("last-event-id").is_none() {
                return Ok(json_answer(405, ""));
            }
            let asked = asked.fetch_add(1, Ordering::SeqCst);
            return resumed(received, &id.lock().unwrap(), asked);
        }
        (server.handler)(received)
    })
}

/// What a client with a session gets, and after how long.
async fn called(server: &Arc<FakeServer>) -> (Vec<String>, Duration) {
    let world = World::new(&[("one", server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let began = Instant::now();
    let (status, text) = read(world.post(&plan, &ADA, &headers, CALL).await).await;
    assert_eq!(status, 200);
    assert_eq!(server.received("tools/call").len(), 1);
    (events(&text), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_closed_before_the_answer_continues_after_the_pause_its_server_asks_for() {
    let server = closing(PRIMED, |received, id, asked| {
        let last = received.header("last-event-id");
        assert_eq!(received.header("mcp-session-id"), Some("session-1"));
        assert_eq!(received.header("mcp-protocol-version"), Some("2025-11-25"));
        assert_eq!(received.header("accept"), Some("text/event-stream"));
        assert_eq!(received.header("gatewright-assertion"), Some("ada"));
        match asked {
            0 => {
                assert_eq!(last, Some("one-0"));
                let progress = format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
                );
                // Its next event breaks off, and was not received.
                Ok(stream(&[&format!(
                    "id: one-1\nretry: 5000\ndata: {progress}\n\nid: one-2\ndata: {{"
                )]))
            }
            1 => {
                assert_eq!(last, Some("one-1"));
                Ok(stream(&[&format!(
                    "id: one-2\ndata: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"x\":1.50}}}}\n\n"
                )]))
            }
            _ => panic!("it has answered"),
        }
    });
    let (told, took) = called(&server).await;
    assert_eq!(
        told,
        [
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}"#,
            r#"{"jsonrpc":"2.0","id":"c","result":{"x":1.50}}"#,
        ]
    );
    assert_eq!(took.as_secs(), 8, "{took:?}");
    assert!(server.received("notifications/cancelled").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_an_event_id_does_not_continue() {
    let server = closing("retry: 1\ndata: \n\n", |_, _, _| panic!("it is not asked for"));
    let (told, _) = called(&server).await;
    assert!(told[0].contains("may have carried"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_brings_nothing_is_asked_for_so_many_times_only() {
    // Immediately, as often as allowed, until the time of the call is over, and for an answer that never comes.
    for (retry, asked_least, asked_most, says) in [
        (0, 100, 100, "may have carried"),
        (4_000, 100, 100, "may have carried"),
        (90_000, 0, 0, "did not answer in time"),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&count);
        let begun: &'static str = Box::leak(format!("id: a\nretry: {retry}\ndata: \n\n").into_boxed_str());
        let server = closing(begun, move |_, _, number| {
            asked.store(number + 1, Ordering::SeqCst);
            Ok(stream(&["data: \n\n"]))
        });
        let (told, took) = called(&server).await;
        assert!(told[0].contains(says), "{retry}: {told:?}");
        let asked = count.load(Ordering::SeqCst);
        assert!(
            (asked_least..=asked_most).contains(&asked),
            "{retry}: {asked} in {took:?}"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            server.received("notifications/cancelled").len(),
            1,
            "the server may still be at it"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_continue_is_not_asked_again_and_one_that_fails_is() {
    for (status, asked_times) in [
        (400, 1),
        (403, 1),
        (404, 1),
        (405, 1),
        (409, 5),
        (429, 5),
        (500, 5),
        (501, 1),
        (503, 5),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&count);
        let server = closing(PRIMED, move |_, _, number| {
            asked.store(number + 1, Ordering::SeqCst);
            Ok(json_answer(status, "{}"))
        });
        let (told, _) = called(&server).await;
        assert!(told[0].contains("may have carried"), "{status}: {told:?}");
        assert_eq!(count.load(Ordering::SeqCst), asked_times, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_reached_for_a_moment_is_asked_again() {
    let server = closing(PRIMED, |_, id, asked| match asked {
        0 => Err(TransportError::Unreachable("no route".to_owned())),
        1 => Err(TransportError::Lost("reset".to_owned())),
        _ => Ok(stream(&[&format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n\n"
        )])),
    });
    let (told, _) = called(&server).await;
    assert_eq!(told, [r#"{"jsonrpc":"2.0","id":"c","result":{}}"#]);
}
