//! What goes wrong with a server is counted by server.

use http::Request;
use serde_json::json;

use super::world::World;
use crate::resource_server::testing::Mood;

fn call(token: &str) -> Request<String> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tell", "arguments": {},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}});
    Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "tell")
        .body(body.to_string())
        .unwrap()
}

#[track_caller]
fn counts(world: &World, start: &str, number: u32) {
    let text = world.app.telemetry.encode().unwrap();
    let wanted = format!(" {number}");
    let found = text
        .lines()
        .any(|line| line.starts_with(start) && line.ends_with(&wanted));
    assert!(found, "{start}…{wanted} is missing in:\n{text}");
}

#[tokio::test]
async fn a_server_that_fails_is_counted_by_its_id() {
    let world = World::new().await;
    let token = world.sign_in("acme", "ada").await.token;
    world.upstream.feel(Mood::Fails);
    let answer = world.send(call(&token)).await;
    assert!(answer.body.contains("error"), "{}", answer.body);
    counts(&world, "gatewright_upstream_errors_total{server=\"srv_", 1);
    world.upstream.feel(Mood::Well);
    assert!(world.send(call(&token)).await.body.contains("told"));
    counts(&world, "gatewright_upstream_errors_total{server=\"srv_", 1);
}
