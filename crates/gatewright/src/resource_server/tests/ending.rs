//! A session that is ended at one replica ends at the others.

use std::{net::Ipv4Addr, sync::Arc};

use gatewright_domain::entropy::SystemEntropy;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::world::World;
use crate::{app::App, front::Front};

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

#[tokio::test]
async fn a_session_ended_at_one_replica_is_unknown_at_the_other_after_its_next_poll() {
    let world = World::new().await;
    let token = world.sign_in("acme", "ada").await.token;
    let other = App::build(
        world.app.config.clone(),
        world.clock.clone(),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    let front = Front::new(Arc::clone(&other));
    let there = async |session: &str| {
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        let request = request(&token, Some(session), "POST", ping);
        let request = request.map(|body| Full::new(bytes::Bytes::from(body)));
        front.answer(Ipv4Addr::LOCALHOST.into(), request).await.status()
    };
    let begin = async || {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
        let begun = world.send(request(&token, None, "POST", body.to_string())).await;
        begun.header("mcp-session-id").to_owned()
    };
    let (ended, kept) = (begin().await, begin().await);
    assert_eq!(there(&ended).await, StatusCode::OK);
    let gone = world
        .send(request(&token, Some(&ended), "DELETE", String::new()))
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    crate::resource_server::sessions::hear(&other).await.unwrap();
    assert_eq!(there(&ended).await, StatusCode::NOT_FOUND);
    assert_eq!(there(&kept).await, StatusCode::OK);
    // A replica that starts later knows of it too.
    let late = App::build(
        world.app.config.clone(),
        world.clock.clone(),
        Arc::new(SystemEntropy),
    )
    .await
    .unwrap();
    crate::resource_server::sessions::hear(&late).await.unwrap();
    let front = Front::new(late);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let again = request(&token, Some(&ended), "POST", ping).map(|body| Full::new(bytes::Bytes::from(body)));
    let answer = front.answer(Ipv4Addr::LOCALHOST.into(), again).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}
