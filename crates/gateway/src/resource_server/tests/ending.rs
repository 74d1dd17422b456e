//! A session that is ended at one replica ends at the others.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use gatewright_domain::entropy::SystemEntropy;
use gatewright_store::ended_session::{self, EndedSession};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::world::World;
use crate::{Gateways, front::Front};

fn request(token: &str, session: Option<&str>, method: &str, body: String) -> Request<String> {
    let mut request = Request::builder()
        .method(method)
        .uri("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json");
    if let Some(session) = session {
        request = request
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-11-25");
    }
    request.body(body).unwrap()
}

/// Begins a session.
async fn begin(world: &World, token: &str) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
    let begun = world.send(request(token, None, "POST", body.to_string())).await;
    begun.header("mcp-session-id").to_owned()
}

/// What another replica answers to a ping in a session.
async fn ping_at(front: &Front, token: &str, session: &str) -> StatusCode {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let request = request(token, Some(session), "POST", ping);
    let request = request.map(|body| Full::new(bytes::Bytes::from(body)));
    front.answer(Ipv4Addr::LOCALHOST.into(), request).await.status()
}

#[tokio::test]
async fn a_replica_whose_clock_is_fast_hides_no_session_that_another_ends() {
    let world = World::new().await;
    let token = world.sign_in("acme", "ada").await.token;
    let other = Gateways::build(
        world.app.config.clone(),
        world.clock.clone(),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    let front = crate::testing::front(Arc::clone(&other));
    let session = begin(&world, &token).await;
    let fast = world.app.now().plus(Duration::from_mins(10));
    let row = EndedSession {
        session: [1; 16],
        caller: [2; 16],
        ended_at: fast,
        expires_at: fast.plus(Duration::from_hours(1)),
    };
    let mut tx = world.app.store.write().await.unwrap();
    ended_session::insert(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    crate::resource_server::sessions::hear(&other.resource_server)
        .await
        .unwrap();
    assert_eq!(ping_at(&front, &token, &session).await, StatusCode::OK);
    let gone = world
        .send(request(&token, Some(&session), "DELETE", String::new()))
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    crate::resource_server::sessions::hear(&other.resource_server)
        .await
        .unwrap();
    assert_eq!(ping_at(&front, &token, &session).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_ended_at_one_replica_is_unknown_at_the_other_after_its_next_poll() {
    let world = World::new().await;
    let token = world.sign_in("acme", "ada").await.token;
    let other = Gateways::build(
        world.app.config.clone(),
        world.clock.clone(),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    let front = crate::testing::front(Arc::clone(&other));
    let there = async |session: &str| ping_at(&front, &token, session).await;
    let (ended, kept) = (begin(&world, &token).await, begin(&world, &token).await);
    assert_eq!(there(&ended).await, StatusCode::OK);
    let gone = world
        .send(request(&token, Some(&ended), "DELETE", String::new()))
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    crate::resource_server::sessions::hear(&other.resource_server)
        .await
        .unwrap();
    assert_eq!(there(&ended).await, StatusCode::NOT_FOUND);
    assert_eq!(there(&kept).await, StatusCode::OK);
    // A replica that starts later knows of it too.
    let late = Gateways::build(
        world.app.config.clone(),
        world.clock.clone(),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    crate::resource_server::sessions::hear(&late.resource_server)
        .await
        .unwrap();
    let late = crate::testing::front(late);
    assert_eq!(ping_at(&late, &token, &ended).await, StatusCode::NOT_FOUND);
}
