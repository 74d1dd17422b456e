//! A server of 2024-11-05 in memory, met through the transport as one of Streamable HTTP.

use std::sync::Mutex;

use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::*;
use crate::testing::net::{FakeBody, FakeNet, FakeServer, Pieces, Received, answer};

const URL: &str = "http://old.example/sse";

fn project() -> ProjectId {
    ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(1))
}

/// What a server got, and the streams it has open, oldest first.
struct Old {
    transport: HttpSse<FakeNet>,
    server: Arc<FakeServer>,
    streams: Arc<Mutex<Vec<Stream>>>,
}

struct Stream {
    pieces: Pieces,
    dropped: Arc<std::sync::atomic::AtomicBool>,
}

/// Answers POSTs with 202, as such servers do; what they say comes over the stream.
fn old_with(endpoint: &'static str, posted: impl Fn(&Received) -> u16 + Send + Sync + 'static) -> Old {
    let streams = Arc::<Mutex<Vec<Stream>>>::default();
    let opened = Arc::clone(&streams);
    let server = FakeServer::new(move |received| {
        if received.verb == Method::GET {
            let (pieces, body) = FakeBody::open();
            let first = format!("event: endpoint\ndata: {endpoint}\n\n");
            pieces.send(first.into()).unwrap();
            let dropped = Arc::clone(&body.dropped);
            opened.lock().unwrap().push(Stream { pieces, dropped });
            return Ok(answer(200, "text/event-stream", body));
        }
        Ok(answer(
            posted(received),
            "text/plain",
            FakeBody::of(&["Accepted"]),
        ))
    });
    let servers = [("old.example".to_owned(), Arc::clone(&server))].into();
    let transport = HttpSse::over(FakeNet { servers });
    Old {
        transport,
        server,
        streams,
    }
}

fn old() -> Old {
    old_with("/messages?session=7", |_| 202)
}

fn message(id: u64, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method})
}

type Answered = Response<HttpSseBody<FakeBody>>;

impl Old {
    async fn send(&self, method: Method, session: Option<&HeaderValue>, body: &Value) -> Answered {
        let mut request = Request::new(Bytes::from(body.to_string()));
        *request.method_mut() = method;
        *request.uri_mut() = URL.parse().unwrap();
        if let Some(session) = session {
            request.headers_mut().insert(headers::SESSION_ID, session.clone());
        }
        request
            .headers_mut()
            .insert("authorization", HeaderValue::from_static("Bearer of-ada"));
        request.extensions_mut().insert(OverHttpSse(project()));
        self.transport
            .send(request, Duration::from_secs(5))
            .await
            .unwrap()
    }

    async fn post(&self, session: &HeaderValue, body: &Value) -> Answered {
        self.send(Method::POST, Some(session), body).await
    }

    fn say(&self, stream: usize, message: &Value) {
        let event = format!("event: message\ndata: {message}\n\n");
        self.streams.lock().unwrap()[stream]
            .pieces
            .send(event.into())
            .unwrap();
    }

    /// Begins a conversation, with its answer taken.
    async fn begun(&self) -> HeaderValue {
        let stream = self.streams.lock().unwrap().len();
        let mut begun = self.send(Method::POST, None, &message(0, "initialize")).await;
        assert_eq!(begun.status(), 200);
        let session = begun.headers()[headers::SESSION_ID].clone();
        self.say(stream, &json!({"jsonrpc": "2.0", "id": 0, "result": {}}));
        assert_eq!(next(&mut begun).await.unwrap()["id"], 0);
        session
    }
}

/// The next event, unless the body ends; what breaks off is a string.
async fn next(response: &mut Answered) -> Option<Value> {
    let frame = response.body_mut().frame().await?;
    let Ok(frame) = frame else {
        return Some(json!("broken off"));
    };
    let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
    let data = text.strip_prefix("data: ").unwrap();
    Some(serde_json::from_str(data).unwrap())
}

#[tokio::test(start_paused = true)]
async fn answers_come_over_the_stream_by_the_id_of_their_request() {
    let old = old();
    let session = old.begun().await;
    let mut first = old.post(&session, &message(1, "tools/list")).await;
    let mut second = old.post(&session, &message(2, "tools/call")).await;
    old.say(0, &json!({"jsonrpc": "2.0", "id": 2, "result": {"of": 2}}));
    old.say(0, &json!({"jsonrpc": "2.0", "id": 1, "result": {"of": 1}}));
    assert_eq!(next(&mut first).await.unwrap()["result"]["of"], 1);
    assert_eq!(next(&mut second).await.unwrap()["result"]["of"], 2);
    assert_eq!(next(&mut first).await, None);
    let received = old.server.received("tools/call");
    assert_eq!(received[0].header("authorization"), Some("Bearer of-ada"));
    assert_eq!(received[0].header("mcp-session-id"), None);
    let opening = &old.server.received.lock().unwrap()[0];
    assert_eq!(opening.verb, Method::GET);
    assert_eq!(opening.header("authorization"), Some("Bearer of-ada"));
}

#[tokio::test(start_paused = true)]
async fn notifications_and_answers_are_only_passed_on() {
    let old = old();
    let session = old.begun().await;
    for body in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 9, "result": {}}),
    ] {
        let mut answer = old.post(&session, &body).await;
        assert_eq!(answer.status(), 202);
        assert!(answer.body_mut().frame().await.is_none());
    }
    assert_eq!(old.server.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_names_no_request_goes_to_the_only_one_or_to_who_listens() {
    let old = old();
    let session = old.begun().await;
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 5}});
    let log = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}});
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    let asked = message(77, "elicitation/create");
    let mut first = old.post(&session, &message(1, "tools/call")).await;
    old.say(0, &asked);
    assert_eq!(next(&mut first).await.as_ref(), Some(&asked), "the only one");
    let mut second = old.post(&session, &message(2, "tools/call")).await;
    old.say(0, &asked);
    assert_eq!(next(&mut second).await.as_ref(), Some(&asked), "no one listens");
    let mut listening = old.send(Method::GET, Some(&session), &Value::Null).await;
    for said in [&progress, &log, &changed, &asked] {
        old.say(0, said);
    }
    assert_eq!(next(&mut first).await.as_ref(), Some(&progress));
    for said in [&log, &changed, &asked] {
        assert_eq!(next(&mut listening).await.as_ref(), Some(said));
    }
    drop(second);
    old.say(0, &asked);
    assert_eq!(next(&mut first).await.as_ref(), Some(&asked));
    drop(first);
    old.say(0, &log);
    assert_eq!(next(&mut listening).await.as_ref(), Some(&log));
}

#[tokio::test(start_paused = true)]
async fn two_conversations_never_mix() {
    let old = old();
    let (ada, bob) = (old.begun().await, old.begun().await);
    assert_ne!(ada, bob);
    let mut of_ada = old.post(&ada, &message(1, "tools/call")).await;
    let mut of_bob = old.post(&bob, &message(1, "tools/call")).await;
    old.say(1, &json!({"jsonrpc": "2.0", "id": 1, "result": {"for": "bob"}}));
    old.say(0, &json!({"jsonrpc": "2.0", "id": 1, "result": {"for": "ada"}}));
    assert_eq!(next(&mut of_ada).await.unwrap()["result"]["for"], "ada");
    assert_eq!(next(&mut of_bob).await.unwrap()["result"]["for"], "bob");
}

#[tokio::test(start_paused = true)]
async fn when_the_stream_ends_waiters_get_an_error_and_the_session_ends() {
    let old = old();
    let session = old.begun().await;
    let mut waiting = old.post(&session, &message(1, "tools/call")).await;
    let mut listening = old.send(Method::GET, Some(&session), &Value::Null).await;
    old.streams.lock().unwrap().clear();
    assert_eq!(next(&mut waiting).await, Some(json!("broken off")));
    assert_eq!(next(&mut listening).await, None);
    let before = old.server.count();
    let after = old.post(&session, &message(2, "tools/call")).await;
    assert_eq!(after.status(), 404);
    assert_eq!(
        old.server.count(),
        before,
        "nothing is sent for a session that is over"
    );
}

#[tokio::test(start_paused = true)]
async fn ending_a_session_closes_its_stream() {
    let old = old();
    let session = old.begun().await;
    let ended = old.send(Method::DELETE, Some(&session), &Value::Null).await;
    assert_eq!(ended.status(), 200);
    let dropped = Arc::clone(&old.streams.lock().unwrap()[0].dropped);
    while !dropped.load(std::sync::atomic::Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
    assert_eq!(old.post(&session, &message(1, "ping")).await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_message_is_its_answer_and_404_ends_the_session() {
    let old = old_with("/messages", |received| match received.method() {
        "one" => 429,
        "two" => 404,
        _ => 202,
    });
    let session = old.begun().await;
    assert_eq!(old.post(&session, &message(1, "one")).await.status(), 429);
    assert_eq!(old.post(&session, &message(2, "three")).await.status(), 200);
    assert_eq!(old.post(&session, &message(3, "two")).await.status(), 404);
    let before = old.server.count();
    assert_eq!(old.post(&session, &message(4, "three")).await.status(), 404);
    assert_eq!(old.server.count(), before);
}

#[tokio::test(start_paused = true)]
async fn messages_are_never_sent_to_another_origin() {
    let old = old_with("https://elsewhere.example/messages", |_| 202);
    let mut request = Request::new(Bytes::from(message(0, "initialize").to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = URL.parse().unwrap();
    request.extensions_mut().insert(OverHttpSse(project()));
    let refused = old.transport.send(request, Duration::from_secs(5)).await.err();
    assert!(matches!(refused, Some(TransportError::Lost(_))), "{refused:?}");
    assert_eq!(old.server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_nothing_loses_its_part_and_the_others_continue() {
    let old = old();
    let session = old.begun().await;
    let stuck = old.post(&session, &message(1, "tools/call")).await;
    let mut other = old.post(&session, &message(2, "tools/call")).await;
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 5}});
    for _ in 0..40 {
        old.say(0, &progress);
    }
    old.say(0, &json!({"jsonrpc": "2.0", "id": 2, "result": {}}));
    assert_eq!(next(&mut other).await.unwrap()["id"], 2);
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_in_which_nothing_is_asked_ends() {
    let old = old();
    let session = old.begun().await;
    tokio::time::sleep(Duration::from_mins(80)).await;
    assert_eq!(old.post(&session, &message(1, "ping")).await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_a_server_makes_up_leads_to_no_conversation() {
    // It refuses `initialize` with an answer and a made-up session.
    let old = old_with("/messages", |received| {
        if received.method() == "initialize" {
            400
        } else {
            202
        }
    });
    let refused = old.send(Method::POST, None, &message(0, "initialize")).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.headers().get(headers::SESSION_ID).is_none());
    let before = old.server.count();
    for made_up in ["1", "17", "ffffffffffffffffffffffffffffffff", "-1", "+1"] {
        let session = HeaderValue::from_static(made_up);
        let answer = old.post(&session, &message(1, "tools/call")).await;
        assert_eq!(answer.status(), 404, "{made_up}");
    }
    assert_eq!(old.server.count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_session_leads_to_the_server_it_was_begun_with_only() {
    let old = old();
    let session = old.begun().await;
    let mut request = Request::new(Bytes::from(message(1, "tools/call").to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "http://old.example/another".parse().unwrap();
    request.headers_mut().insert(headers::SESSION_ID, session);
    request.extensions_mut().insert(OverHttpSse(project()));
    let answer = old.transport.send(request, Duration::from_secs(5)).await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_whose_first_message_leads_to_nothing_ends_soon() {
    let old = old();
    let given_up = old.send(Method::POST, None, &message(0, "initialize")).await;
    drop(given_up);
    let dropped = Arc::clone(&old.streams.lock().unwrap()[0].dropped);
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert!(dropped.load(std::sync::atomic::Ordering::Acquire));
    // One that continues stays.
    old.streams.lock().unwrap().clear();
    let session = old.begun().await;
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    old.post(&session, &initialized).await;
    tokio::time::sleep(Duration::from_mins(20)).await;
    assert_eq!(old.post(&session, &message(1, "ping")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn no_project_takes_all_places() {
    let all = Arc::<Conversations>::default();
    let other = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(2));
    let held: Vec<_> = std::iter::from_fn(|| all.place(project())).take(2_000).collect();
    assert_eq!(held.len(), 250);
    assert!(all.place(other).is_some());
    drop(held);
    assert!(all.place(project()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_for_whose_events_there_is_no_room_is_broken_off() {
    let old = old();
    let session = old.begun().await;
    let mut waiting = old.post(&session, &message(1, "tools/call")).await;
    let conversations = &old.transport.conversations;
    let _all = conversations.room(project(), 64 * 1024 * 1024).unwrap();
    let other = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(2));
    assert!(conversations.room(other, 32 * 1024 * 1024).is_some());
    old.say(
        0,
        &json!({"jsonrpc": "2.0", "id": 1, "result": {"text": "x".repeat(40_000)}}),
    );
    assert_eq!(next(&mut waiting).await, Some(json!("broken off")));
}

#[tokio::test(start_paused = true)]
async fn after_an_event_that_is_too_large_the_session_ends() {
    let old = old();
    let session = old.begun().await;
    let mut waiting = old.post(&session, &message(1, "tools/call")).await;
    let piece = "x".repeat(1024 * 1024);
    for _ in 0..40 {
        let _ = old.streams.lock().unwrap()[0].pieces.send(piece.clone().into());
    }
    assert_eq!(next(&mut waiting).await, Some(json!("broken off")));
    assert_eq!(old.post(&session, &message(2, "ping")).await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn other_requests_pass_as_they_are() {
    let old = old();
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = URL.parse().unwrap();
    let answer = old.transport.send(request, Duration::from_secs(5)).await.unwrap();
    assert_eq!(answer.status(), 202);
    assert!(matches!(answer.body(), HttpSseBody::Direct(_)));
}
