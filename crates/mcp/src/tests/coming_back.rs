//! Clients with sessions whose connection breaks during a call, and who come back for the rest of its answer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::answer::Answer,
    federation::Plan,
    testing::net::{
        FakeBody, FakeServer, Pieces, User, World, answer, event, legacy_headers, legacy_server, read, tool,
    },
};

const ADA: User = User("ada");
const BOB: User = User("bob");

type Open = Arc<Mutex<Vec<(Value, Pieces)>>>;

/// A server that leaves calls open, and their ids and streams.
fn open_server() -> (Arc<FakeServer>, Open) {
    let open = Open::default();
    let calls = Arc::clone(&open);
    let server = legacy_server(vec![tool("t")], move |received| {
        let (pieces, body) = FakeBody::open();
        let id = received.json["id"].clone();
        calls.lock().unwrap().push((id, pieces));
        answer(200, "text/event-stream", body)
    });
    (server, open)
}

struct Fixture {
    world: World,
    server: Arc<FakeServer>,
    open: Open,
    plan: Arc<Plan>,
}

impl Fixture {
    fn new() -> Self {
        let (server, open) = open_server();
        let world = World::new(&[("one", &server)]);
        let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
        Self {
            world,
            server,
            open,
            plan,
        }
    }

    async fn call(&self, user: &User, headers: &HeaderMap) -> Answer<FakeBody> {
        let call = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"p"}}}"#;
        let response = self.world.post(&self.plan, user, headers, call).await;
        response.into_body()
    }

    fn come_back(&self, user: &User, headers: &HeaderMap, after: &str) -> Response<Answer<FakeBody>> {
        let mut headers = headers.clone();
        headers.insert("last-event-id", HeaderValue::from_str(after).unwrap());
        let plan = Arc::clone(&self.plan);
        let never = CancellationToken::new();
        self.world
            .get(move || Some(Arc::clone(&plan)), user, &headers, &never)
    }

    fn say(&self, call: usize, message: &Value) {
        let open = self.open.lock().unwrap();
        open[call].1.send(event(&message.to_string()).into()).unwrap();
    }

    fn progress(&self, call: usize, number: u32) {
        let token = self.open.lock().unwrap()[call].0.clone();
        let params = json!({"progressToken": token, "progress": number});
        let method = "notifications/progress";
        self.say(
            call,
            &json!({"jsonrpc": "2.0", "method": method, "params": params}),
        );
    }

    fn answer(&self, call: usize) {
        let id = self.open.lock().unwrap()[call].0.clone();
        self.say(
            call,
            &json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}),
        );
    }

    fn cancelled(&self) -> usize {
        self.server.received("notifications/cancelled").len()
    }
}

/// The ID and the data of the next event, within five seconds; `None` if there are no more.
async fn next(body: &mut Answer<FakeBody>) -> Option<(String, String)> {
    let reading = async {
        loop {
            let data = body.frame().await?.unwrap().into_data().unwrap();
            let text = String::from_utf8(data.to_vec()).unwrap();
            if text.starts_with(':') {
                continue;
            }
            let line = |name: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name).map(str::to_owned))
            };
            return Some((line("id: ").unwrap_or_default(), line("data: ").unwrap()));
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.ok()?
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_connection_breaks_comes_back_for_the_rest_of_the_answer() {
    let f = Fixture::new();
    let headers = f.world.begin(&f.plan, &ADA).await;
    let mut body = f.call(&ADA, &headers).await;
    let (first, data) = next(&mut body).await.unwrap();
    assert_eq!(data, "", "it names the stream and says nothing");
    f.progress(0, 1);
    let (one, data) = next(&mut body).await.unwrap();
    assert_eq!(
        data,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"p"}}"#
    );
    drop(body);
    f.progress(0, 2);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut body = f.come_back(&ADA, &headers, &one).into_body();
    let (two, data) = next(&mut body).await.unwrap();
    assert!(data.contains(r#""progress":2"#), "{data}");
    f.progress(0, 3);
    assert!(next(&mut body).await.unwrap().1.contains(r#""progress":3"#));
    // Another connection takes the place of one that has not been seen to break.
    let mut again = f.come_back(&ADA, &headers, &two).into_body();
    assert_eq!(next(&mut body).await, None);
    assert!(next(&mut again).await.unwrap().1.contains(r#""progress":3"#));
    drop((body, again));
    f.answer(0);
    tokio::time::sleep(Duration::from_secs(20)).await;
    // From the beginning on, and after the answer.
    let mut body = f.come_back(&ADA, &headers, &first).into_body();
    let mut told = Vec::new();
    while let Some((_, data)) = next(&mut body).await {
        told.push(data);
    }
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[3], r#"{"id":"c","jsonrpc":"2.0","result":{"content":[]}}"#);
    assert_eq!((f.server.received("tools/call").len(), f.cancelled()), (1, 0));
    // It is not kept for ever.
    tokio::time::sleep(Duration::from_secs(40)).await;
    drop(next(&mut f.call(&ADA, &headers).await).await);
    assert_eq!(f.come_back(&ADA, &headers, &first).status(), 400);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_another_session_or_user_is_not_continued() {
    let f = Fixture::new();
    let headers = f.world.begin(&f.plan, &ADA).await;
    let mut body = f.call(&ADA, &headers).await;
    let (first, _) = next(&mut body).await.unwrap();
    let other_session = f.world.begin(&f.plan, &ADA).await;
    let of_bob = f.world.begin(&f.plan, &BOB).await;
    let number = first.trim_end_matches('0');
    for (user, headers, after, status) in [
        (&ADA, &other_session, first.as_str(), 400),
        (&BOB, &of_bob, first.as_str(), 400),
        (&BOB, &headers, first.as_str(), 404),
        (&ADA, &headers, "0000000000000000-0", 400),
        (&ADA, &headers, "what", 400),
        (&ADA, &headers, &format!("{number}7"), 400),
    ] {
        assert_eq!(f.come_back(user, headers, after).status(), status, "{after}");
    }
    f.progress(0, 1);
    assert!(next(&mut body).await.is_some(), "its own client reads on");
    // With the session, its answers end.
    let session = f
        .world
        .endpoint
        .delete(f.world.gateway_id, f.world.caller(&ADA), &headers);
    assert_eq!(session.status(), 204);
    assert_eq!(next(&mut body).await, None);
    assert_eq!(f.come_back(&ADA, &headers, &first).status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_client_does_not_come_back_is_cancelled_after_a_minute() {
    let f = Fixture::new();
    let headers = f.world.begin(&f.plan, &ADA).await;
    let mut body = f.call(&ADA, &headers).await;
    let (first, _) = next(&mut body).await.unwrap();
    drop(body);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        f.progress(0, 1);
    }
    assert_eq!(f.cancelled(), 0);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(f.cancelled(), 1);
    // What arrived until then is still there, and then there is no more.
    let mut body = f.come_back(&ADA, &headers, &first).into_body();
    for _ in 0..5 {
        assert!(next(&mut body).await.is_some());
    }
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn calls_that_run_on_without_their_client_are_bounded() {
    let f = Fixture::new();
    let headers = f.world.begin(&f.plan, &ADA).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        let mut body = f.call(&ADA, &headers).await;
        ids.push(next(&mut body).await.unwrap().0);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(f.cancelled(), 4);
    let of_bob = f.world.begin(&f.plan, &BOB).await;
    drop(next(&mut f.call(&BOB, &of_bob).await).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(f.cancelled(), 4, "another user has places of their own");
    // An event that is too large is not kept, and the rest does not look like all of it.
    let id = f.open.lock().unwrap()[0].0.clone();
    let result = json!({"x": "x".repeat(9 * 1024 * 1024)});
    f.say(0, &json!({"jsonrpc": "2.0", "id": id, "result": result}));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(f.come_back(&ADA, &headers, &ids[0]).status(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_client_cancels_its_call_also_where_it_has_come_back() {
    let f = Fixture::new();
    let headers = f.world.begin(&f.plan, &ADA).await;
    let mut body = f.call(&ADA, &headers).await;
    let (first, _) = next(&mut body).await.unwrap();
    drop(body);
    let mut body = f.come_back(&ADA, &headers, &first).into_body();
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}"#;
    let (status, _) = read(f.world.post(&f.plan, &ADA, &headers, notice).await).await;
    assert_eq!(status, 202);
    assert_eq!(next(&mut body).await, None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(f.cancelled(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_client_and_an_answer_that_is_here_get_no_ids() {
    let f = Fixture::new();
    let request = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let begun = f.world.post(&f.plan, &ADA, &legacy_headers(None), request).await;
    let mut older = legacy_headers(begun.headers()["mcp-session-id"].to_str().ok());
    older.insert("mcp-protocol-version", HeaderValue::from_static("2025-06-18"));
    let mut body = f.call(&ADA, &older).await;
    assert_eq!(next(&mut body).await, None);
    drop(body);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(f.cancelled(), 1);
    let headers = f.world.begin(&f.plan, &ADA).await;
    let body = f.call(&ADA, &headers).await;
    f.progress(1, 1);
    f.answer(1);
    let text = body.collect().await.unwrap().to_bytes();
    assert!(
        !text.starts_with(b"id") && text.windows(4).all(|part| part != b"\nid:"),
        "{text:?}"
    );
}
