//! What servers announce, and what is changed of the gateway, reaches the clients that listen.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::server::IdentityForwarding;
use http::Response;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::answer::Answer,
    federation::Plan,
    testing::{
        net::{FakeBody, FakeServer, Pieces, User, World, answer, event, json_answer},
        offers::{Offers, prompt},
    },
    wire::version::Era,
};

const ADA: User = User("ada");
const BOB: User = User("bob");

type Open = Arc<Mutex<Vec<(String, Pieces)>>>;

/// A server that announces what the test sends, and the streams it is listened to with, by their users.
fn announcing(era: Era) -> (Arc<FakeServer>, Open) {
    let open = Open::default();
    let streams = Arc::clone(&open);
    let well = Offers {
        prompts: vec![prompt("p")],
        ..Offers::default()
    }
    .server(era);
    let server = FakeServer::new(move |received| {
        if received.verb != http::Method::GET && received.method() != "subscriptions/listen" {
            return (well.handler)(received);
        }
        let (pieces, body) = FakeBody::open();
        let user = received
            .header("gatewright-assertion")
            .unwrap_or_default()
            .to_owned();
        streams.lock().unwrap().push((user, pieces));
        Ok(answer(200, "text/event-stream", body))
    });
    (server, open)
}

fn changed(what: &str) -> Bytes {
    let message = json!({"jsonrpc": "2.0", "method": format!("notifications/{what}/list_changed")});
    event(&message.to_string()).into()
}

fn always(plan: &Arc<Plan>) -> impl Fn() -> Option<Arc<Plan>> + Clone + Send + Sync + 'static {
    let plan = Arc::clone(plan);
    move || Some(Arc::clone(&plan))
}

/// The next message of a stream, within a minute.
async fn next(stream: &mut Answer<FakeBody>) -> Option<Value> {
    let reading = async {
        while let Some(frame) = stream.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            let text = std::str::from_utf8(&data).unwrap();
            if let Some(message) = text.strip_prefix("data: ").or_else(|| text.strip_prefix("data:")) {
                return Some(serde_json::from_str(message.trim()).unwrap());
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_mins(1), reading)
        .await
        .ok()
        .flatten()
}

/// Waits until a server is listened to with this many streams; the pieces go to all of them.
async fn tell(open: &Open, streams: usize, pieces: &[Bytes]) {
    for _ in 0..1_000 {
        if open.lock().unwrap().len() >= streams {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let open = open.lock().unwrap();
    assert_eq!(open.len(), streams);
    for (_, stream) in open.iter() {
        for piece in pieces {
            stream.send(piece.clone()).unwrap();
        }
    }
}

fn body(response: Response<Answer<FakeBody>>) -> Answer<FakeBody> {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

#[tokio::test(start_paused = true)]
async fn what_servers_of_both_eras_announce_reaches_clients_of_both() {
    for era in [Era::Modern, Era::Legacy] {
        let (server, open) = announcing(era);
        let world = World::new(&[("one", &server)]);
        let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
        let headers = world.begin(&plan, &ADA).await;
        let shutdown = CancellationToken::new();
        let mut session = body(world.get(always(&plan), &ADA, &headers, &shutdown));
        let filter =
            r#"{"promptsListChanged":true,"toolsListChanged":false,"resourceSubscriptions":["a://b"]}"#;
        let mut subscription = body(world.subscribe(always(&plan), &ADA, filter, &shutdown).await);
        let meta = json!({"io.modelcontextprotocol/subscriptionId": "s"});
        assert_eq!(
            next(&mut subscription).await.unwrap(),
            json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                "params": {"_meta": meta, "notifications": {"promptsListChanged": true}}})
        );
        // A session with a server is that of one client; what keeps no state serves all.
        let streams = match era {
            Era::Modern => 1,
            Era::Legacy => 2,
        };
        tell(&open, streams, &[changed("tools"), changed("prompts")]).await;
        for what in ["tools", "prompts"] {
            let told = next(&mut session).await.unwrap();
            assert_eq!(
                told,
                json!({"jsonrpc": "2.0", "method": format!("notifications/{what}/list_changed")})
            );
        }
        assert_eq!(
            next(&mut subscription).await.unwrap(),
            json!({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed", "params": {"_meta": meta}})
        );
        // The stop ends theirs.
        assert_eq!(open.lock().unwrap().len(), streams);
        shutdown.cancel();
        assert_eq!(next(&mut session).await, None);
        assert_eq!(
            next(&mut subscription).await.unwrap(),
            json!({"jsonrpc": "2.0", "id": "s", "result": {"resultType": "complete", "_meta": meta}})
        );
        assert_eq!(next(&mut subscription).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_reports_to_one_user_does_not_reach_others() {
    for era in [Era::Modern, Era::Legacy] {
        let (server, open) = announcing(era);
        let world = World::new(&[("one", &server)]);
        let plan = Arc::new(world.plan(IdentityForwarding::Assertion, &[]));
        let shutdown = CancellationToken::new();
        let mut streams = Vec::new();
        for user in [&ADA, &BOB] {
            let headers = world.begin(&plan, user).await;
            streams.push(body(world.get(always(&plan), user, &headers, &shutdown)));
        }
        tell(&open, 2, &[]).await;
        let of_bob = open
            .lock()
            .unwrap()
            .iter()
            .find(|(user, _)| user == "bob")
            .unwrap()
            .1
            .clone();
        of_bob.send(changed("tools")).unwrap();
        assert!(next(&mut streams[1]).await.is_some());
        assert_eq!(next(&mut streams[0]).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_reported_once_a_second() {
    let (server, open) = announcing(Era::Modern);
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    let shutdown = CancellationToken::new();
    let mut stream = body(world.get(always(&plan), &ADA, &headers, &shutdown));
    let storm = vec![changed("tools"); 200];
    let mut told_at = Vec::new();
    for _ in 0..3 {
        tell(&open, 1, &storm).await;
        let told = next(&mut stream).await.unwrap();
        if told["method"] == "notifications/tools/list_changed" {
            told_at.push(tokio::time::Instant::now());
        }
    }
    while let Some(told) = next(&mut stream).await {
        if told["method"] == "notifications/tools/list_changed" {
            told_at.push(tokio::time::Instant::now());
        }
    }
    assert!(!told_at.is_empty() && told_at.len() <= 4, "{told_at:?}");
    let is_quiet = |pair: &[tokio::time::Instant]| pair[1] - pair[0] >= Duration::from_secs(1);
    assert!(told_at.windows(2).all(is_quiet), "{told_at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_gateway_is_reported_and_its_servers_are_listened_to() {
    let (server, open) = announcing(Era::Modern);
    let world = World::new(&[("one", &server)]);
    let now = Arc::new(Mutex::new(Arc::new(world.plan(IdentityForwarding::None, &[]))));
    let first = Arc::clone(&now.lock().unwrap());
    let headers = world.begin(&first, &ADA).await;
    drop(first);
    let shutdown = CancellationToken::new();
    let current = Arc::clone(&now);
    let plan_now = move || Some(Arc::clone(&current.lock().unwrap()));
    let mut stream = body(world.get(plan_now, &ADA, &headers, &shutdown));
    tell(&open, 1, &[]).await;
    assert_eq!(next(&mut stream).await, None);
    *now.lock().unwrap() = Arc::new(world.plan(IdentityForwarding::None, &[(0, "t")]));
    for what in ["tools", "prompts", "resources"] {
        let told = next(&mut stream).await.unwrap();
        assert_eq!(told["method"], format!("notifications/{what}/list_changed"));
    }
    let streams = open.lock().unwrap().len();
    tell(&open, streams, &[]).await;
    open.lock()
        .unwrap()
        .last()
        .unwrap()
        .1
        .send(changed("tools"))
        .unwrap();
    assert_eq!(
        next(&mut stream).await.unwrap()["method"],
        "notifications/tools/list_changed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_is_opened_again_and_a_server_without_one_is_left_alone() {
    let (server, open) = announcing(Era::Modern);
    let silent = Offers::default().server(Era::Modern);
    let world = World::new(&[("one", &server), ("two", &silent)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    let shutdown = CancellationToken::new();
    let mut stream = body(world.get(always(&plan), &ADA, &headers, &shutdown));
    tell(&open, 1, &[]).await;
    open.lock().unwrap().clear();
    // Changes in between are not announced, so all lists count as changed once the server is listened to again.
    for what in ["tools", "prompts", "resources"] {
        let told = next(&mut stream).await.unwrap();
        assert_eq!(told["method"], format!("notifications/{what}/list_changed"));
    }
    tell(&open, 1, &[changed("tools")]).await;
    assert!(next(&mut stream).await.is_some());
    assert_eq!(silent.received("subscriptions/listen").len(), 1);
    // With the last who listens the server is left.
    let ended = open.lock().unwrap()[0].1.clone();
    drop(stream);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(ended.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_an_event_that_is_too_large_is_left() {
    let (server, open) = announcing(Era::Modern);
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let headers = world.begin(&plan, &ADA).await;
    let shutdown = CancellationToken::new();
    let mut stream = body(world.get(always(&plan), &ADA, &headers, &shutdown));
    tell(&open, 1, &[Bytes::from(vec![b'x'; 100_000])]).await;
    let endless = open.lock().unwrap().remove(0).1;
    assert_eq!(
        next(&mut stream).await.unwrap()["method"],
        "notifications/tools/list_changed"
    );
    assert!(endless.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_for_a_moment_is_asked_again_and_one_that_cannot_is_not() {
    for (status, asked_again) in [(429, true), (409, true), (403, true), (405, false), (501, false)] {
        let well = Offers::default().server(Era::Legacy);
        let asked = Arc::new(AtomicUsize::new(0));
        let asks = Arc::clone(&asked);
        let server = FakeServer::new(move |received| match received.verb {
            http::Method::GET => {
                asks.fetch_add(1, Ordering::Relaxed);
                Ok(json_answer(status, "{}"))
            }
            _ => (well.handler)(received),
        });
        let world = World::new(&[("one", &server)]);
        let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
        let headers = world.begin(&plan, &ADA).await;
        let shutdown = CancellationToken::new();
        let mut stream = body(world.get(always(&plan), &ADA, &headers, &shutdown));
        assert_eq!(next(&mut stream).await, None);
        let asked = asked.load(Ordering::Relaxed);
        assert_eq!(asked > 1, asked_again, "{status}: {asked}");
    }
}

#[tokio::test]
async fn a_subscription_must_say_what_it_wants() {
    let server = Offers::default().server(Era::Modern);
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let answer = world
        .subscribe(always(&plan), &ADA, "5", &CancellationToken::new())
        .await;
    let (_, text) = crate::testing::net::read(answer).await;
    assert!(text.contains("params.notifications is missing"), "{text}");
}
