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
    endpoint::{answer::Answer, methods::Reached},
    peer::{
        caller::{Alive, Caller, Identify},
        config::UpstreamConfig,
    },
    testing::net::{
        FakeBody, FakeServer, Pieces, User, World, answer, event, meta, modern_headers, modern_reply, tool,
    },
};

/// A user whose grant the test ends.
#[derive(Default)]
struct Revocable(Arc<AtomicBool>);

impl Identify for Revocable {
    fn assertion(&self, _: &UpstreamConfig) -> Option<HeaderValue> {
        None
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
    let dropped = Arc::clone(&body.dropped);
    let held = Mutex::new(Some(body));
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
        identity: user,
    };
    let body = Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{}}}}}"#,
        meta("")
    ));
    let headers = modern_headers("tools/call", Some("t"));
    let answer = world
        .federation
        .post(&plan, caller, &headers, &body, &mut Reached::default())
        .await;
    Open {
        pieces,
        dropped,
        answer,
    }
}

fn last() -> Bytes {
    event(&json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete"}}).to_string()).into()
}

#[tokio::test(start_paused = true)]
async fn a_revocation_ends_open_answers_whether_the_server_talks_or_not() {
    for kind in ["text/event-stream", "application/json"] {
        for talks in [false, true] {
            let user = Revocable::default();
            let call = open(kind, &user).await;
            let mut body = call.answer.into_body();
            // A comment of a stream, white space of JSON.
            let piece = || {
                Bytes::from_static(if kind == "application/json" {
                    b"  \n"
                } else {
                    b":\n\n"
                })
            };
            call.pieces.send(piece()).unwrap();
            // It goes on while the grant does, well beyond one look.
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
    assert_eq!(kept, [15, 30, 45, 60, 75, 90]);
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
            identity: &user,
        };
        let body = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{}}}}}"#,
            meta("")
        ));
        let mut reached = Reached::default();
        let answer = world
            .federation
            .post(&plan, caller, &headers, &body, &mut reached)
            .await;
        assert_eq!(reached.failure, (!called).then_some("configuration"));
        assert_eq!(server.count() > 0, called);
        drop(answer);
    }
}

/// What is wrong with an answer whose server sends this, and then ends it unless it `stays`.
async fn fault(kind: &'static str, pieces: &[Bytes], stays: bool) -> Option<&'static str> {
    let call = open(kind, &Revocable::default()).await;
    let mut body = call.answer.into_body();
    for piece in pieces {
        // What is no answer is given up before the rest of it comes.
        let _ = call.pieces.send(piece.clone());
    }
    if stays {
        std::mem::forget(call.pieces);
    } else {
        drop(call.pieces);
    }
    while let Some(Ok(_)) = body.frame().await {}
    let told = body.take_fault();
    assert_eq!(body.take_fault(), None, "it is told once");
    told
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_after_the_head_is_told_in_a_word() {
    const JSON: &str = "application/json";
    const EVENTS: &str = "text/event-stream";
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    let mut endless = vec![Bytes::from_static(b"data: ")];
    endless.resize(34, vec![b'x'; 1 << 20].into());
    for (kind, pieces, stays, told) in [
        (
            JSON,
            vec![text(" {\"result\""), text(":{}}\n"), text(" ")],
            false,
            None,
        ),
        (JSON, vec![text("{\"result\":{}")], false, Some("protocol")),
        (JSON, vec![text("<html>oh no</html>")], false, Some("protocol")),
        (JSON, vec![text("oh no}")], false, Some("protocol")),
        (JSON, vec![], false, Some("protocol")),
        (JSON, vec![text("{")], true, Some("timeout")),
        (EVENTS, vec![last()], false, None),
        (EVENTS, vec![text(": hello\n\n")], false, Some("broken")),
        (EVENTS, vec![text("data: oh no\n\n")], false, Some("broken")),
        (EVENTS, vec![text("data: oh")], true, Some("timeout")),
        (EVENTS, endless, true, Some("too_large")),
    ] {
        let what = format!("{kind}, {told:?}");
        assert_eq!(fault(kind, &pieces, stays).await, told, "{what}");
    }
}
