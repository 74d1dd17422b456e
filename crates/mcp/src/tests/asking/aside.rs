//! What a server asks outside of the stream of a call, and what else belongs to the session of a client.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{EVERYTHING, Fixture, OldServer, Reader, Stream};
use crate::testing::net::{FakeBody, FakeServer, Pieces, Received, answer, event, modern_headers};

const ROOTS: &str = r#"{ "jsonrpc":"2.0","id":1,"method":"roots/list" }"#;

/// A server with sessions that can be listened to.
struct Listened {
    old: OldServer,
    opened: Arc<Mutex<VecDeque<Pieces>>>,
}

impl Listened {
    fn new() -> Self {
        let plain = OldServer::new();
        let opened = Arc::<Mutex<VecDeque<Pieces>>>::default();
        let (handler, kept) = (Arc::clone(&plain.server), Arc::clone(&opened));
        let server = FakeServer::new(move |received| {
            if received.verb != Method::GET {
                return (handler.handler)(received);
            }
            let (pieces, body) = FakeBody::open();
            kept.lock().unwrap().push_back(pieces);
            Ok(answer(200, "text/event-stream", body))
        });
        let streams = plain.streams;
        Self {
            old: OldServer { server, streams },
            opened,
        }
    }

    fn aside(&self) -> Stream {
        Stream(
            self.opened
                .lock()
                .unwrap()
                .pop_front()
                .expect("it is listened to"),
        )
    }

    /// The session in which the server was asked by this method or verb last.
    fn session_of(&self, verb: &Method, method: &str) -> String {
        let all = self.old.server.received.lock().unwrap();
        let mut found = all
            .iter()
            .rev()
            .filter(|one| one.verb == verb && one.method() == method);
        found.next().unwrap().header("mcp-session-id").unwrap().to_owned()
    }
}

impl Fixture {
    /// The stream that a client listens to.
    fn listen(&self, session: &HeaderMap) -> Reader {
        let plan = Arc::new(
            self.world
                .plan(gatewright_domain::server::IdentityForwarding::None, &[]),
        );
        let plan_now = move || Some(Arc::clone(&plan));
        Reader::new(
            self.world
                .get(plan_now, &self.user, session, &CancellationToken::new()),
        )
    }
}

#[tokio::test]
async fn a_question_outside_of_a_call_goes_to_the_stream_of_the_call() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let aside = listened.aside();
    let within = listened.session_of(&Method::POST, "tools/call");
    assert_eq!(listened.session_of(&Method::GET, ""), within);
    aside.send(ROOTS);
    let asked = reader.next().await.unwrap();
    let id = serde_json::from_str::<serde_json::Value>(&asked).unwrap()["id"].to_string();
    assert_eq!(asked.replacen(&id, "1", 1), ROOTS);
    let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[] }}}}"#);
    assert_eq!(f.send(&session, &answer).await, 202);
    reader.nothing_comes().await;
    let replies = listened.old.replies(1).await;
    assert_eq!(
        std::str::from_utf8(&replies[0].body).unwrap(),
        answer.replacen(&id, "1", 1)
    );
    assert_eq!(replies[0].header("mcp-session-id"), Some(&*within));
    // Further calls of the session listen with the same stream.
    let _second = f.call(&session).await;
    assert!(listened.opened.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_listens_is_asked_there() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let session = f.begin(EVERYTHING).await;
    let mut stream = f.listen(&session);
    stream.nothing_comes().await;
    let mut call = f.call(&session).await;
    let within = listened.session_of(&Method::POST, "tools/call");
    listened.aside_of(&within).send(ROOTS);
    assert_eq!(stream.json().await["method"], "roots/list");
    call.nothing_comes().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_no_stream_takes_is_refused_at_once() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    listened
        .old
        .stream()
        .finish(&listened.old.server.received("tools/call")[0].json["id"]);
    assert_eq!(reader.json().await["id"], "call");
    drop(reader);
    let aside = listened.aside();
    aside.send(ROOTS);
    aside.send(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let replies = listened.old.replies(2).await;
    let of = |id: i64| replies.iter().find(|reply| reply.json["id"] == id).unwrap();
    assert!(
        of(1).json["error"]["message"]
            .as_str()
            .unwrap()
            .contains("cannot be reached")
    );
    assert_eq!(of(2).json["result"], json!({}));
    assert_eq!(replies.len(), 2, "each is answered once");
}

#[tokio::test]
async fn a_client_that_declares_nothing_is_not_listened_for() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let session = f.begin("{}").await;
    let _reader = f.call(&session).await;
    assert!(listened.opened.lock().unwrap().is_empty());
}

impl Fixture {
    /// A call of a stateless client that takes a stream.
    async fn streamed(&self, id: u32, more: &str) -> Reader {
        self.streamed_with(id, more, "").await
    }

    /// The same with further members of its metadata.
    async fn streamed_with(&self, id: u32, more: &str, meta: &str) -> Reader {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","arguments":{{}}{more},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{EVERYTHING}{meta}}}}}}}"#
        );
        let mut headers = modern_headers("tools/call", Some("t"));
        headers.insert(
            "accept",
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        Reader::new(self.post(&headers, &body).await)
    }
}

#[tokio::test]
async fn a_question_outside_of_the_only_call_of_a_stateless_client_is_asked_with_its_answer() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let mut reader = f.streamed(1, "").await;
    let aside = listened.aside();
    let within = listened.session_of(&Method::POST, "tools/call");
    assert_eq!(listened.session_of(&Method::GET, ""), within);
    aside.send(ROOTS);
    let asked = reader.json().await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    assert_eq!(
        asked["result"]["inputRequests"]["ask"],
        json!({"method": "roots/list"})
    );
    let retry = format!(
        r#","inputResponses":{{"ask":{{"roots":[]}}}},"requestState":{}"#,
        asked["result"]["requestState"]
    );
    let mut reader = f.streamed(2, &retry).await;
    let replies = listened.old.replies(1).await;
    assert_eq!(
        replies[0].json,
        json!({"jsonrpc": "2.0", "id": 1, "result": {"roots": []}})
    );
    assert_eq!(replies[0].header("mcp-session-id"), Some(&*within));
    let call = listened.old.server.received("tools/call")[0].json["id"].clone();
    listened.old.stream().finish(&call);
    let last = reader.json().await;
    assert_eq!(
        (&last["id"], &last["result"]["resultType"]),
        (&json!(2), &json!("complete"))
    );
}

#[tokio::test]
async fn a_question_that_may_be_of_several_calls_of_stateless_clients_or_of_none_is_refused_with_the_reason()
{
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let mut readers = vec![f.streamed(1, "").await, f.streamed(2, "").await];
    let aside = listened.aside();
    aside.send(ROOTS);
    for reader in &mut readers {
        reader.nothing_comes().await;
    }
    let told = |reply: &Received| reply.json["error"]["message"].as_str().unwrap().to_owned();
    let replies = listened.old.replies(1).await;
    assert!(
        told(&replies[0]).starts_with("2 calls run in this session"),
        "{}",
        told(&replies[0])
    );
    for call in listened.old.server.received("tools/call") {
        listened.old.stream().finish(&call.json["id"]);
    }
    for reader in &mut readers {
        assert_eq!(reader.json().await["result"]["resultType"], "complete");
    }
    drop(readers);
    aside.send(ROOTS);
    let replies = listened.old.replies(2).await;
    assert!(
        told(&replies[1]).starts_with("No call runs"),
        "{}",
        told(&replies[1])
    );
    // Another client of the user that cannot be asked the same is in another session.
    let _other = f.modern(&f.user, r#"{"sampling":{}}"#, 3, "").await;
    assert_eq!(listened.opened.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn changed_roots_are_reported_to_the_servers_that_the_client_has_sessions_with() {
    const CHANGED: &str = r#"{ "jsonrpc":"2.0","method":"notifications/roots/list_changed","params":{"_meta":{"of":"the client"}} }"#;
    const TOLD: &str = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let (session, other) = (f.begin(EVERYTHING).await, f.begin(r#"{"sampling":{}}"#).await);
    let _calls = [f.call(&session).await, f.call(&other).await];
    for (session, told) in [(&other, 0), (&session, 1)] {
        assert_eq!(f.send(session, CHANGED).await, 202);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let received = listened.old.server.received("notifications/roots/list_changed");
        assert_eq!(received.len(), told);
        assert!(received.iter().all(|one| one.body == TOLD));
    }
    // During a storm, the server learns that the roots have changed, and then that they have changed again.
    for _ in 0..20 {
        assert_eq!(f.send(&session, CHANGED).await, 202);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let received = listened.old.server.received("notifications/roots/list_changed");
    assert_eq!(received.len(), 3);
}

#[tokio::test]
async fn a_server_that_floods_the_gateway_gets_some_replies_only_and_is_answered_later() {
    let ping = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let unknown = |id: u32| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"unknown"}}"#);
    for request in [&ping as &dyn Fn(u32) -> String, &unknown] {
        for of_the_call in [false, true] {
            let listened = Listened::new();
            let f = Fixture::new(&listened.old.server);
            let session = f.begin(EVERYTHING).await;
            let mut reader = f.call(&session).await;
            let stream = if of_the_call {
                listened.old.stream()
            } else {
                listened.aside()
            };
            let flood: String = (0..200).map(|id| event(&request(id))).collect();
            stream.0.send(Bytes::from(flood)).unwrap();
            reader.nothing_comes().await;
            let count = listened.old.replies(1).await.len();
            // Pings within a call are counted by the call.
            assert!((1..=64).contains(&count), "{count}");
            if !of_the_call {
                assert!(count <= 16, "{count}");
                stream.send(&request(999));
                reader.nothing_comes().await;
                let replies = listened.old.replies(count + 1).await;
                assert_eq!(replies.last().unwrap().json["id"], 999);
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_is_listened_to_can_ask_as_often_as_its_client_answers() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let aside = listened.aside();
    for _ in 0..300 {
        aside.send(ROOTS);
        let asked = reader.json().await;
        assert_eq!(asked["method"], "roots/list");
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"roots":[]}}}}"#,
            asked["id"]
        );
        assert_eq!(f.send(&session, &answer).await, 202);
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_with_servers_end_with_that_of_their_client() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let session = f.begin(EVERYTHING).await;
    let mut reader = f.call(&session).await;
    let within = listened.session_of(&Method::POST, "tools/call");
    listened
        .old
        .stream()
        .finish(&listened.old.server.received("tools/call")[0].json["id"]);
    assert_eq!(reader.json().await["id"], "call");
    drop(reader);
    let aside = listened.aside();
    let caller = f.world.caller(&f.user);
    assert_eq!(
        f.world
            .endpoint
            .delete(f.world.gateway_id, caller, &session)
            .status(),
        204
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(listened.session_of(&Method::DELETE, ""), within);
    assert!(aside.0.is_closed(), "it is listened to no longer");
}

impl Listened {
    /// The stream that this session is listened to with.
    fn aside_of(&self, session: &str) -> Stream {
        let all = self.old.server.received.lock().unwrap();
        let sessions: Vec<_> = all
            .iter()
            .filter(|one| one.verb == Method::GET)
            .map(|one| one.header("mcp-session-id").unwrap().to_owned())
            .collect();
        drop(all);
        let at = sessions.iter().position(|one| one == session).unwrap();
        Stream(self.opened.lock().unwrap().remove(at).unwrap())
    }
}

/// A log message of this level.
fn logged(level: &str) -> String {
    format!(
        r#"{{ "jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1.50}} }}"#
    )
}

#[tokio::test]
async fn what_a_server_logs_outside_of_a_call_reaches_its_client_where_it_listens_or_with_its_call() {
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let session = f.begin(EVERYTHING).await;
    let mut call = f.call(&session).await;
    let aside = listened.aside();
    aside.send(&logged("info"));
    assert_eq!(call.next().await.unwrap(), logged("info"));
    let mut stream = f.listen(&session);
    stream.nothing_comes().await;
    aside.send(&logged("error"));
    assert_eq!(stream.next().await.unwrap(), logged("error"));
    call.nothing_comes().await;
}

#[tokio::test]
async fn what_a_server_logs_outside_of_a_call_reaches_the_only_stateless_call_that_wants_it() {
    const WANTS: &str = r#","io.modelcontextprotocol/logLevel":"warning""#;
    let listened = Listened::new();
    let f = Fixture::new(&listened.old.server);
    let mut silent = f.streamed(1, "").await;
    let aside = listened.aside();
    let mut call = f.streamed_with(2, "", WANTS).await;
    for level in ["info", "error"] {
        aside.send(&logged(level));
    }
    assert_eq!(call.next().await.unwrap(), logged("error"));
    // With a second one, it is not known whose it is.
    let mut other = f.streamed_with(3, "", WANTS).await;
    aside.send(&logged("error"));
    for reader in [&mut silent, &mut call, &mut other] {
        reader.nothing_comes().await;
    }
}
