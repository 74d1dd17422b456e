//! How many requests of one person and one project run at once, and that others are served in the meantime.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, request::Builder};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tokio::sync::oneshot;

use super::world::{Answer, World};

fn to_list(token: &str) -> Builder {
    Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list")
}

fn message() -> String {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}});
    message.to_string()
}

async fn list(world: &World, token: &str) -> Answer {
    world.send(to_list(token).body(message()).unwrap()).await
}

/// A list whose message arrives when a test sends it, and breaks off when the test forgets it.
async fn slow_list(world: &World, token: &str, arrives: oneshot::Receiver<Bytes>) -> StatusCode {
    let frames = futures_util::stream::once(async move { arrives.await.map(Frame::data) });
    let body = StreamBody::new(Box::pin(frames));
    world.open_any(to_list(token).body(body).unwrap()).await.status()
}

#[tokio::test]
async fn slow_calls_of_one_person_do_not_stop_others_and_their_places_come_back() {
    let world = World::with(|config| config.limits.running_per_person = 2).await;
    let (ada, bob) = (
        world.sign_in("acme", "ada").await.token,
        world.sign_in("acme", "bob").await.token,
    );
    for token in [&ada, &bob] {
        assert_eq!(list(&world, token).await.status, StatusCode::OK);
    }
    let held = world.upstream.hold.write().await;
    let meanwhile = async {
        let refused = world.call_with("acme", &ada).await;
        let other = list(&world, &bob).await;
        drop(held);
        (refused, other)
    };
    let (one, two, (refused, other)) = tokio::join!(
        biased;
        world.call_with("acme", &ada),
        world.call_with("acme", &ada),
        meanwhile,
    );
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.json()["id"], 1);
    let message = refused.json()["error"]["message"].to_string();
    assert!(message.contains("2 of your requests are running"), "{message}");
    assert_eq!(other.status, StatusCode::OK);
    assert_eq!(world.call_with("acme", &ada).await.status, StatusCode::OK);
}

#[tokio::test]
async fn all_people_of_a_project_together_take_no_more_than_its_share() {
    let world = World::with(|config| {
        config.server.max_connections = 4;
        config.limits.project_share_percent = 50;
    })
    .await;
    let mut tokens = Vec::new();
    for subject in ["ada", "bob", "eve"] {
        let token = world.sign_in("acme", subject).await.token;
        assert_eq!(list(&world, &token).await.status, StatusCode::OK);
        tokens.push(token);
    }
    let held = world.upstream.hold.write().await;
    let meanwhile = async {
        let refused = world.call_with("acme", &tokens[2]).await;
        drop(held);
        refused
    };
    let (one, two, refused) = tokio::join!(
        biased;
        world.call_with("acme", &tokens[0]),
        world.call_with("acme", &tokens[1]),
        meanwhile,
    );
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    assert_eq!(world.call_with("acme", &tokens[2]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_person_at_the_bound_can_still_cancel() {
    let world = World::with(|config| config.limits.running_per_person = 1).await;
    let ada = world.sign_in("acme", "ada").await.token;
    let post = async |session: Option<&str>, body: serde_json::Value| {
        let mut request = Request::post("/mcp/acme")
            .header("authorization", format!("Bearer {ada}"))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        if let Some(session) = session {
            request = request
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", "2025-11-25");
        }
        world.send(request.body(body.to_string()).unwrap()).await
    };
    let begun = post(
        None,
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}}),
    )
    .await;
    let session = begun.header("mcp-session-id").to_owned();
    let call = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "tell", "arguments": {}}});
    assert_eq!(post(Some(&session), call(1)).await.status, StatusCode::OK);
    let held = world.upstream.hold.write().await;
    let meanwhile = async {
        let refused = post(Some(&session), call(3)).await;
        let cancel =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}});
        let cancelled = post(Some(&session), cancel).await;
        (refused, cancelled)
    };
    let (_, (refused, cancelled)) = tokio::join!(biased; post(Some(&session), call(2)), meanwhile);
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    assert_eq!(cancelled.status, StatusCode::ACCEPTED);
    drop(held);
    assert_eq!(post(Some(&session), call(4)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn messages_that_do_not_arrive_take_places_of_their_sender_only_and_give_them_back() {
    let world = World::with(|config| config.limits.running_per_person = 2).await;
    let (ada, bob) = (
        world.sign_in("acme", "ada").await.token,
        world.sign_in("acme", "bob").await.token,
    );
    for token in [&ada, &bob] {
        assert_eq!(list(&world, token).await.status, StatusCode::OK);
    }
    let ((arrives, first), (breaks, second)) = (oneshot::channel(), oneshot::channel());
    let meanwhile = async {
        let refused = list(&world, &ada).await;
        let other = list(&world, &bob).await;
        arrives.send(Bytes::from(message())).unwrap();
        drop(breaks);
        (refused, other)
    };
    let (one, two, (refused, other)) = tokio::join!(
        biased;
        slow_list(&world, &ada, first),
        slow_list(&world, &ada, second),
        meanwhile,
    );
    assert_eq!((one, two), (StatusCode::OK, StatusCode::BAD_REQUEST));
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    assert_eq!(refused.header("retry-after"), "1");
    let told = refused.json()["error"]["message"].to_string();
    assert!(told.contains("2 of your messages"), "{told}");
    assert_eq!(other.status, StatusCode::OK);

    // Clients that go away give theirs back too.
    for _ in 0..4 {
        let (_arrives, never) = oneshot::channel();
        let gone = tokio::time::timeout(Duration::ZERO, slow_list(&world, &ada, never)).await;
        assert!(gone.is_err());
    }
    assert_eq!(list(&world, &ada).await.status, StatusCode::OK);
}
