//! How names begin is what the configuration says at every request, and clients that listen hear of another way.

use gatewright_domain::gateway::PrefixMode;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{
    primitives::ask,
    selecting::{choose, listed},
    world::World,
};

/// The next message of a stream.
async fn next<B>(stream: &mut B) -> Value
where
    B: http_body::Body<Data = bytes::Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    loop {
        let frame = stream.frame().await.expect("a frame").unwrap();
        let data = frame.into_data().unwrap_or_default();
        let text = String::from_utf8_lossy(&data).into_owned();
        if let Some(message) = text.strip_prefix("data:") {
            return serde_json::from_str(message.trim()).unwrap();
        }
    }
}

#[tokio::test]
async fn another_prefix_mode_renames_from_the_next_request_and_is_announced() {
    let world = World::new().await;
    world.upstream.has_more();
    let token = world.sign_in("acme", "ada").await.token;
    let slug = world.app.directory.current().unwrap().servers()[0]
        .server
        .slug
        .clone();
    let plain = listed(&world, &token, "tools/list").await;
    let uris = listed(&world, &token, "resources/list").await;
    let name = &plain[0];

    let body = json!({"jsonrpc": "2.0", "id": "s", "method": "subscriptions/listen", "params": {
        "notifications": {"toolsListChanged": true, "promptsListChanged": true},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}});
    let request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen")
        .body(body.to_string())
        .unwrap();
    let mut stream = world.open(request).await.into_body();
    let acknowledged = next(&mut stream).await;
    assert_eq!(
        acknowledged["method"], "notifications/subscriptions/acknowledged",
        "{acknowledged}"
    );

    choose(&world, |gateway| gateway.prefix_mode = PrefixMode::Always).await;
    let prefixed: Vec<String> = plain.iter().map(|name| format!("{slug}_{name}")).collect();
    assert_eq!(listed(&world, &token, "tools/list").await, prefixed);
    assert_eq!(listed(&world, &token, "resources/list").await, uris, "URIs stay");
    let prompts = listed(&world, &token, "prompts/list").await;
    assert!(
        prompts.iter().all(|name| name.starts_with(&format!("{slug}_"))),
        "{prompts:?}"
    );
    let call = async |name: &str| {
        let params = json!({"name": name, "arguments": {}});
        ask(&world, &token, "tools/call", params).await
    };
    assert!(call(&prefixed[0]).await.get("result").is_some());
    assert_eq!(call(name).await["error"]["code"], -32602);
    let announced = [next(&mut stream).await, next(&mut stream).await];
    let methods = announced.map(|message| message["method"].as_str().unwrap().to_owned());
    assert_eq!(
        methods,
        [
            "notifications/tools/list_changed",
            "notifications/prompts/list_changed"
        ]
    );

    for mode in [PrefixMode::Never, PrefixMode::WhenSeveral] {
        choose(&world, |gateway| gateway.prefix_mode = mode).await;
        assert_eq!(
            listed(&world, &token, "tools/list").await,
            plain,
            "it has one server"
        );
        assert!(call(name).await.get("result").is_some());
    }
}
