//! Each fault that shows at a gateway, made, and read where an operator reads it: in `/metrics`, and in the log by the
//! request's id.

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;

use super::world::World;
use crate::{relying_party::testing::Log, resource_server::testing::Mood};

fn request(token: &str, method: &str) -> Request<String> {
    let mut params = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}}});
    let mut request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if method == "tools/call" {
        params["name"] = json!("tell");
        params["arguments"] = json!({});
        request = request.header("mcp-name", "tell");
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    request.body(body.to_string()).unwrap()
}

fn call(token: &str) -> Request<String> {
    request(token, "tools/call")
}

/// What `/metrics` says of one measure, with its labels.
async fn measure(world: &World, name: &str) -> Option<f64> {
    let request = Request::get("/metrics").body(String::new()).unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    let mut lines = answer.body.lines().filter_map(|line| line.rsplit_once(' '));
    lines.find_map(|(found, value)| (found == name).then(|| value.parse().unwrap()))
}

/// The id of the one server.
fn server_id(world: &World) -> String {
    let directory = world.app.directory.current().unwrap();
    directory.gateway("acme").unwrap().servers[0]
        .server
        .id
        .to_string()
}

/// That the log has a line with these words, whose request has its own line.
#[track_caller]
fn assert_told(log: &Log, words: &[&str]) {
    let text = log.text();
    let told = text
        .lines()
        .find(|line| words.iter().all(|word| line.contains(word)))
        .unwrap_or_else(|| panic!("{words:?} is missing in:\n{text}"));
    let (_, rest) = told.split_once("request_id=").unwrap();
    let id = &rest[..16];
    let is_request =
        |line: &str| line.contains("/mcp/{slug}") && line.contains(&format!("request_id=\"{id}\""));
    assert!(text.lines().any(is_request), "{id} is no request in:\n{text}");
}

#[tokio::test]
async fn a_server_that_fails_is_counted_by_its_id() {
    let world = World::new().await;
    let token = world.sign_in("acme", "ada").await.token;
    let failed = format!(
        "gatewright_upstream_errors_total{{server=\"{}\",reason=\"failed\"}}",
        server_id(&world)
    );
    assert_eq!(measure(&world, &failed).await, None);
    let log = Log::listen();
    world.upstream.feel(Mood::Fails);
    let answer = world.send(call(&token)).await;
    assert!(answer.body.contains("error"), "{}", answer.body);
    assert_eq!(measure(&world, &failed).await, Some(1.0));
    assert_told(
        &log,
        &[
            "a request to a server failed",
            "server=\"told\"",
            "reason=\"failed\"",
        ],
    );
    world.upstream.feel(Mood::Well);
    assert!(world.send(call(&token)).await.body.contains("told"));
    assert_eq!(measure(&world, &failed).await, Some(1.0));
}

#[tokio::test]
async fn an_answer_that_breaks_after_its_head_is_counted_and_told() {
    for (mood, ends_early, reason) in [
        (Mood::Breaks, true, "broken"),
        (Mood::BreaksEvents, false, "broken"),
        (Mood::Garbage, true, "protocol"),
    ] {
        let world = World::new().await;
        let token = world.sign_in("acme", "ada").await.token;
        let broken = format!(
            "gatewright_broken_answers_total{{server=\"{}\",reason=\"{reason}\"}}",
            server_id(&world)
        );
        assert!(world.send(call(&token)).await.body.contains("told"));
        assert_eq!(measure(&world, &broken).await, None, "{mood:?}");
        let log = Log::listen();
        world.upstream.feel(mood);
        let response = world.open(call(&token)).await;
        assert_eq!(response.status(), StatusCode::OK, "{mood:?}");
        let mut body = response.into_body();
        // The beginning has come through before the end is missing.
        assert!(body.frame().await.unwrap().is_ok(), "{mood:?}");
        world.upstream.breaks.notify_one();
        assert_eq!(body.collect().await.is_err(), ends_early, "{mood:?}");
        assert_eq!(measure(&world, &broken).await, Some(1.0), "{mood:?}");
        let reason = format!("reason=\"{reason}\"");
        let words = ["broke after its head", "server=\"told\"", reason.as_str()];
        assert_told(&log, &words);
    }
}

#[tokio::test]
async fn too_many_requests_of_a_person_and_of_a_project_are_counted() {
    const REFUSED: &str = "gatewright_rate_limited_total{route=\"/mcp/{slug}\"}";
    for of_project in [false, true] {
        let world = World::with(|config| {
            config.limits.running_per_person = 1;
            if of_project {
                config.server.max_connections = 2;
                config.limits.project_share_percent = 50;
            }
        })
        .await;
        let ada = world.sign_in("acme", "ada").await.token;
        let bob = world.sign_in("acme", "bob").await.token;
        assert_eq!(world.call_with("acme", &ada).await.status, StatusCode::OK);
        assert_eq!(measure(&world, REFUSED).await, None);
        let held = world.upstream.hold.write().await;
        let meanwhile = async {
            let one_more = world
                .call_with("acme", if of_project { &bob } else { &ada })
                .await;
            drop(held);
            one_more.status
        };
        let (first, refused) = tokio::join!(biased; world.call_with("acme", &ada), meanwhile);
        assert_eq!(
            (first.status, refused),
            (StatusCode::OK, StatusCode::TOO_MANY_REQUESTS)
        );
        assert_eq!(measure(&world, REFUSED).await, Some(1.0), "{of_project}");
    }
}

#[tokio::test]
async fn the_memory_of_lists_is_measured() {
    const LISTS: &str = "gatewright_list_memory_bytes";
    let world = World::new().await;
    let token = world.sign_in("acme", "ada").await.token;
    assert_eq!(measure(&world, LISTS).await, Some(0.0));
    let listed = world.send(request(&token, "tools/list")).await;
    assert!(listed.body.contains("tell"), "{}", listed.body);
    assert!(measure(&world, LISTS).await.unwrap() > 100.0);
}
