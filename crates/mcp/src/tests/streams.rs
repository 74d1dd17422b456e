//! Answers that stream: what keeps them alive, and what ends them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::server::IdentityForwarding;
use http::{HeaderValue, Response};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    endpoint::{Reached, answer::Answer},
    peer::{
        caller::{Alive, Caller, Identify, RuleClass},
        config::UpstreamConfig,
        credentials::{Asked, NoCredentials},
    },
    testing::net::{
        FakeBody, FakeServer, Pieces, User, World, answer, event, meta, modern_headers, modern_reply, read,
        tool,
    },
};

/// A user whose grant the test ends.
#[derive(Default)]
struct Revocable(Arc<AtomicBool>);

impl Identify for Revocable {
    fn credentials<'a>(&'a self, _: &'a UpstreamConfig) -> Asked<'a> {
        Asked::Known(Err(NoCredentials::NotSigned))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(Self(Arc::clone(&self.0)))
    }

    fn alive(&self) -> Alive {
        let ended = Arc::clone(&self.0);
        Box::new(move || !ended.load(Ordering::SeqCst))
    }
}

/// A call that is open: the server's end of it, whether the gateway has let go of it, and the client's.
struct Open {
    pieces: Pieces,
    dropped: Arc<AtomicBool>,
    answer: Response<Answer<FakeBody>>,
}

async fn open(kind: &'static str, user: &Revocable) -> Open {
    let (pieces, body) = FakeBody::open();
    if kind == "application/json" {
        // The head goes to the client once the answer has begun.
        pieces.send(Bytes::from_static(b"{")).unwrap();
    }
    let dropped = Arc::clone(&body.dropped);
    let answer = answered(kind, body, user, &mut Reached::default()).await;
    Open {
        pieces,
        dropped,
        answer,
    }
}

/// The answer to a call whose server sends this body.
async fn answered(
    kind: &'static str,
    sent: FakeBody,
    user: &Revocable,
    reached: &mut Reached,
) -> Response<Answer<FakeBody>> {
    answered_to("application/json", kind, sent, user, reached).await
}

/// The same for a client that takes this.
async fn answered_to(
    takes: &'static str,
    kind: &'static str,
    sent: FakeBody,
    user: &Revocable,
    reached: &mut Reached,
) -> Response<Answer<FakeBody>> {
    let held = Mutex::new(Some(sent));
    let server = FakeServer::new(move |received| {
        Ok(match received.method() {
            "tools/call" => answer(200, kind, held.lock().unwrap().take().unwrap()),
            _ => modern_reply(received, &[tool("t")], 60_000, "public"),
        })
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let caller = Caller {
        key: world.key(&User("ada")),
        class: RuleClass::EVERYONE,
        identity: user,
        conversation: None,
    };
    let body = Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{}}}}}"#,
        meta("")
    ));
    let mut headers = modern_headers("tools/call", Some("t"));
    headers.insert("accept", HeaderValue::from_static(takes));
    world
        .endpoint
        .post(&plan, caller, &headers, &body, None, reached)
        .await
}

fn last() -> Bytes {
    event(&json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete"}}).to_string()).into()
}

#[tokio::test(start_paused = true)]
async fn a_revocation_ends_open_answers_whether_the_server_talks_or_not() {
    for (kind, nothing) in [("text/event-stream", ":\n\n"), ("application/json", " ")] {
        for talks in [false, true] {
            let user = Revocable::default();
            let call = open(kind, &user).await;
            let mut body = call.answer.into_body();
            let piece = || Bytes::from_static(nothing.as_bytes());
            call.pieces.send(piece()).unwrap();
            // It continues while the grant does, well beyond one check.
            let waited = tokio::time::timeout(Duration::from_secs(7), async {
                while body.frame().await.expect("it goes on").is_ok() {}
            });
            assert!(waited.await.is_err(), "{kind}");
            user.0.store(true, Ordering::SeqCst);
            if talks {
                call.pieces.send(piece()).unwrap();
            }
            let began = Instant::now();
            let ended = loop {
                match body.frame().await {
                    None => break kind == "text/event-stream",
                    Some(Err(_)) => break kind == "application/json",
                    Some(Ok(_)) => {}
                }
            };
            assert!(ended, "{kind}");
            assert_eq!(body.take_fault(), None, "nothing is wrong with the server");
            assert!(began.elapsed() <= Duration::from_secs(2), "{kind}");
            drop(body);
            assert!(call.dropped.load(Ordering::SeqCst), "the server sees it end");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_keeps_the_servers_connection_alive_keeps_the_clients() {
    let call = open("text/event-stream", &Revocable::default()).await;
    let mut body = call.answer.into_body();
    let began = Instant::now();
    let pieces = call.pieces.clone();
    let comments = async move {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            pieces.send(Bytes::from_static(b": still here\n\n")).unwrap();
        }
        pieces.send(last()).unwrap();
    };
    let mut kept = Vec::new();
    let reading = async {
        loop {
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            if !piece.starts_with(b":") {
                return;
            }
            kept.push(began.elapsed().as_secs());
        }
    };
    tokio::join!(comments, reading);
    assert_eq!(kept, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}

#[tokio::test(start_paused = true)]
async fn after_the_answer_the_end_of_the_stream_is_waited_for_a_moment() {
    for ends in [true, false] {
        let call = open("text/event-stream", &Revocable::default()).await;
        let mut body = call.answer.into_body();
        call.pieces.send(last()).unwrap();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        let began = Instant::now();
        let pieces = call.pieces;
        let ending = async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if ends {
                drop(pieces);
            } else {
                std::mem::forget(pieces);
            }
        };
        let (end, ()) = tokio::join!(body.frame(), ending);
        assert!(end.is_none());
        let waited = began.elapsed().as_millis();
        if ends {
            assert!((50..100).contains(&waited), "{waited}");
        } else {
            assert!((200..250).contains(&waited), "{waited}");
        }
    }
}

#[tokio::test]
async fn a_server_that_must_know_the_user_is_not_called_without() {
    let server = FakeServer::new(|received| Ok(modern_reply(received, &[tool("t")], 60_000, "public")));
    let world = World::new(&[("one", &server)]);
    let headers = modern_headers("tools/call", Some("t"));
    let user = Revocable::default();
    for (identity, called) in [
        (IdentityForwarding::Assertion, false),
        (IdentityForwarding::None, true),
    ] {
        let plan = world.plan(identity, &[]);
        let caller = Caller {
            key: world.key(&User("ada")),
            class: RuleClass::EVERYONE,
            identity: &user,
            conversation: None,
        };
        let body = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{}}}}}"#,
            meta("")
        ));
        let mut reached = Reached::default();
        let answer = world
            .endpoint
            .post(&plan, caller, &headers, &body, None, &mut reached)
            .await;
        assert_eq!(reached.failure, (!called).then_some("configuration"));
        assert_eq!(server.count() > 0, called);
        drop(answer);
    }
}

/// When the server ends its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With the last piece.
    With,
    /// After the client got the head.
    After,
    Never,
}

/// What is wrong with an answer whose server sends this: as counted before the client got the head, and after.
async fn faults(
    kind: &'static str,
    pieces: &[Bytes],
    end: End,
) -> (Option<&'static str>, Option<&'static str>) {
    let (sender, sent) = FakeBody::open();
    for piece in pieces {
        sender.send(piece.clone()).unwrap();
    }
    let mut sender = Some(sender);
    if end == End::With {
        drop(sender.take());
    }
    let mut reached = Reached::default();
    let answer = answered(kind, sent, &Revocable::default(), &mut reached).await;
    if end == End::After {
        drop(sender.take());
    }
    let mut body = answer.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    let told = body.take_fault();
    assert_eq!(body.take_fault(), None, "it is told once");
    (reached.failure, told)
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_an_answer_is_reported_in_a_word_before_its_head_or_after() {
    const JSON: &str = "application/json";
    const EVENTS: &str = "text/event-stream";
    const PROTOCOL: Option<&str> = Some("protocol");
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    let mut endless = vec![Bytes::from_static(b"data: ")];
    endless.resize(34, vec![b'x'; 1 << 20].into());
    for (kind, pieces, end, before, after) in [
        (
            JSON,
            vec![text(" {\"result\""), text(":{}}\n"), text(" ")],
            End::After,
            None,
            None,
        ),
        (JSON, vec![text("{\"result\":{}")], End::After, None, PROTOCOL),
        (JSON, vec![text("{\"result\":{}")], End::With, PROTOCOL, None),
        (
            JSON,
            vec![text("{\"result\""), text(":{}")],
            End::With,
            None,
            PROTOCOL,
        ),
        (JSON, vec![text("{"), text("oh no}")], End::After, None, PROTOCOL),
        (JSON, vec![text("<html>oh no</html>")], End::After, PROTOCOL, None),
        (JSON, vec![text("oh no}")], End::After, PROTOCOL, None),
        (JSON, vec![], End::With, PROTOCOL, None),
        (JSON, vec![], End::Never, Some("timeout"), None),
        (JSON, vec![text("{")], End::Never, None, Some("timeout")),
        (EVENTS, vec![last()], End::After, None, None),
        (
            EVENTS,
            vec![text(": hello\n\n")],
            End::After,
            None,
            Some("broken"),
        ),
        (
            EVENTS,
            vec![text("data: oh no\n\n")],
            End::After,
            None,
            Some("broken"),
        ),
        (EVENTS, vec![text("data: oh")], End::Never, None, Some("timeout")),
        (EVENTS, endless, End::Never, None, Some("too_large")),
    ] {
        let what = format!("{kind}, {end:?}, {before:?}, {after:?}");
        assert_eq!(faults(kind, &pieces, end).await, (before, after), "{what}");
    }
}

/// An answer of a stateless server in two pieces, the second of which comes after `pause`: how long it is said to be, and
/// all of it.
async fn in_two_pieces(pause: Duration, length: usize) -> (Option<u64>, String) {
    let text = "x".repeat(length);
    let whole = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"text":"{text}","resultType":"complete"}}}}"#);
    let (pieces, body) = FakeBody::open_of_length(whole.len() as u64);
    let middle = whole.len() / 2;
    let (first, second) = (whole[..middle].to_owned(), whole[middle..].to_owned());
    tokio::spawn(async move {
        pieces.send(first.into()).unwrap();
        tokio::time::sleep(pause).await;
        // Reading on is not allowed.
        let _ = pieces.send(second.into());
    });
    let user = Revocable::default();
    let takes = "application/json, text/event-stream";
    let mut reached = Reached::default();
    let answer = answered_to(takes, "application/json", body, &user, &mut reached).await;
    let said = http_body::Body::size_hint(answer.body()).exact();
    let (status, read) = read(answer).await;
    assert_eq!(status, 200);
    if said.is_some() {
        assert_eq!(read, whole, "not a byte is changed");
    }
    (said, read)
}

#[tokio::test(start_paused = true)]
async fn a_short_answer_is_passed_on_whole_with_its_length_and_a_long_one_as_it_comes() {
    for length in [0, 100_000] {
        let (said, read) = in_two_pieces(Duration::from_secs(1), length).await;
        assert_eq!(said, Some(read.len() as u64));
    }
    let (said, read) = in_two_pieces(Duration::from_secs(1), 300 * 1024).await;
    assert_eq!(said, None);
    assert!(read.len() > 300 * 1024);
}

#[tokio::test(start_paused = true)]
async fn the_client_of_a_short_answer_that_takes_long_gets_signs_of_life_and_all_of_it() {
    for length in [1_000, 100_000] {
        let (said, read) = in_two_pieces(Duration::from_secs(25), length).await;
        assert_eq!(said, None);
        assert!(read.starts_with(':'), "{read}");
        let events = crate::testing::net::events(&read);
        assert!(events[0].ends_with(r#""resultType":"complete"}}"#), "{read}");
        assert!(events[0].len() > length);
    }
}
