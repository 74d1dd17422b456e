//! Clients with sessions, and servers of the official SDK, over real connections.

use std::sync::Arc;

use gatewright_demo::server::DemoServer;
use gatewright_domain::{
    grant::RevocationReason,
    server::{IdentityForwarding, Server},
};
use gatewright_store::{PageRequest, gateway, grant, server};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::world::{Answer, World};

async fn in_session(world: &World, method: &str, token: &str, session: Option<&str>, body: &Value) -> Answer {
    at("acme", world, method, token, session, body).await
}

async fn at(
    slug: &str,
    world: &World,
    method: &str,
    token: &str,
    session: Option<&str>,
    body: &Value,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/mcp/{slug}"))
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json");
    if let Some(session) = session {
        request = request
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-11-25");
    }
    world.send(request.body(body.to_string()).unwrap()).await
}

async fn begin(world: &World, token: &str) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
    let answer = in_session(world, "POST", token, None, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["result"]["serverInfo"]["title"], "Tools of acme");
    answer.header("mcp-session-id").to_owned()
}

fn call(id: u32, name: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments,
        "_meta": {"progressToken": id}}})
}

#[tokio::test]
async fn a_session_is_one_users_and_ends_for_good() {
    let world = World::new().await;
    let (ada, bob) = (
        world.sign_in("acme", "ada").await,
        world.sign_in("acme", "bob").await,
    );
    let session = begin(&world, &ada.token).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let told = call(2, "tell", &json!({}));
    assert_eq!(
        in_session(&world, "POST", &ada.token, Some(&session), &told)
            .await
            .status,
        StatusCode::OK
    );
    let stolen = in_session(&world, "POST", &bob.token, Some(&session), &ping).await;
    assert_eq!(stolen.status, StatusCode::NOT_FOUND);
    // Nor is it one of the same person at another gateway.
    let elsewhere = world.sign_in("other", "ada").await;
    for method in ["POST", "GET", "DELETE"] {
        let carried = at("other", &world, method, &elsewhere.token, Some(&session), &ping).await;
        assert_eq!(carried.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(
        in_session(&world, "DELETE", &bob.token, Some(&session), &json!({}))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        in_session(&world, "POST", &ada.token, Some(&session), &ping)
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(
        in_session(&world, "DELETE", &ada.token, Some(&session), &json!({}))
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        in_session(&world, "POST", &ada.token, Some(&session), &ping)
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_listening_stream_ends_with_its_grant() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let session = begin(&world, &ada.token).await;
    let request = Request::get("/mcp/acme")
        .header("authorization", format!("Bearer {}", ada.token))
        .header("mcp-session-id", &session)
        .body(String::new())
        .unwrap();
    let response = world.open(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut stream = response.into_body();
    assert!(
        stream
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .starts_with(b":")
    );
    let now = world.app.now();
    let mut tx = world.app.store.write().await.unwrap();
    grant::revoke(
        &mut tx,
        world.project,
        ada.grant,
        RevocationReason::Administrator,
        now,
    )
    .await
    .unwrap();
    world.commit(tx).await;
    assert!(stream.frame().await.is_none());
}

#[tokio::test]
async fn a_server_of_the_official_sdk_is_used_with_progress() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = CancellationToken::new();
    let demo = DemoServer::on(&listener, None).unwrap();
    let mut tx = world.app.store.write().await.unwrap();
    let page = PageRequest::first(10);
    let old = server::list(&mut tx, world.project, &page)
        .await
        .unwrap()
        .items
        .remove(0);
    let row = Server {
        url: demo.url().to_owned(),
        identity: IdentityForwarding::None,
        ..old.clone()
    };
    server::update(&mut tx, &row, old.updated_at).await.unwrap();
    world.commit(tx).await;
    let serving = tokio::spawn(demo.serve(listener, stop.clone()));
    let ada = world.sign_in("acme", "ada").await;
    let session = begin(&world, &ada.token).await;
    let list = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"});
    let answer = in_session(&world, "POST", &ada.token, Some(&session), &list).await;
    let tools = answer.json()["result"]["tools"].as_array().unwrap().len();
    assert!(tools >= 3, "{}", answer.body);
    let sum = call(6, "add", &json!({"a": 2, "b": 40}));
    let answer = in_session(&world, "POST", &ada.token, Some(&session), &sum).await;
    assert!(answer.body.contains("42"), "{}", answer.body);
    stop.cancel();
    serving.await.unwrap().unwrap();
    let answer = in_session(&world, "POST", &ada.token, Some(&session), &sum).await;
    let error: Value = answer.json();
    assert_eq!(error["id"], 6);
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`told` cannot be reached"),
        "{error}"
    );
}

#[tokio::test]
async fn a_revocation_leaves_the_plans_of_gateways_alone() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    assert_eq!(world.call_with("acme", &ada.token).await.status, StatusCode::OK);
    let plan = || {
        let directory = world.app.directory.current().unwrap();
        directory.gateway("acme").unwrap().plan.get().cloned()
    };
    let before = plan().unwrap();
    let now = world.app.now();
    let mut tx = world.app.store.write().await.unwrap();
    grant::revoke(
        &mut tx,
        world.project,
        ada.grant,
        RevocationReason::Administrator,
        now,
    )
    .await
    .unwrap();
    world.commit(tx).await;
    assert!(plan().is_some_and(|plan| Arc::ptr_eq(&plan, &before)));
    // What a plan is made of makes a new one.
    let mut tx = world.app.store.write().await.unwrap();
    let id = world.gateway_id("acme");
    let mut row = gateway::find(&mut tx, world.project, id).await.unwrap().unwrap();
    let seen = row.updated_at;
    row.name = "Renamed".to_owned();
    gateway::update(&mut tx, &row, seen).await.unwrap();
    world.commit(tx).await;
    assert!(plan().is_none());
}
