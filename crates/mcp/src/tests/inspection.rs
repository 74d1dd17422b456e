//! Looking at a server for administrators: what it shows, why it does not answer, and that gateways notice nothing of it.

use std::{sync::Arc, time::Duration};

use gatewright_domain::server::IdentityForwarding;
use http::Method;
use serde_json::json;

use crate::{
    peer::{config::UpstreamConfig, transport::TransportError, unavailable::Unavailable},
    testing::net::{FakeServer, World, echo, json_answer, legacy_server, modern_reply, tool},
    wire::version::ProtocolVersion,
};

const DEADLINE: Duration = Duration::from_secs(8);

fn config(world: &World, identity: IdentityForwarding) -> UpstreamConfig {
    world.plan(identity, &[]).servers[0]
        .server
        .upstream
        .config
        .clone()
}

/// A stateless server that says what it is called.
fn named_server() -> Arc<FakeServer> {
    FakeServer::new(|received| {
        if received.method() != "server/discover" {
            return Ok(modern_reply(received, &[tool("a"), tool("b")], 60_000, "public"));
        }
        let result = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {},
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "new", "version": "2.0"}}}});
        Ok(json_answer(200, &result.to_string()))
    })
}

#[tokio::test]
async fn both_eras_show_what_they_are_and_what_they_have() {
    let old = legacy_server(vec![tool("a")], |received| json_answer(200, &echo(received)));
    let new = named_server();
    for (server, version, called, tools) in [
        (&old, ProtocolVersion::V2025_11_25, ("old", "1"), 1),
        (&new, ProtocolVersion::V2026_07_28, ("new", "2.0"), 2),
    ] {
        let world = World::new(&[("tools", server)]);
        let config = config(&world, IdentityForwarding::Assertion);
        let seen = world.endpoint.inspect(config, DEADLINE).await.unwrap();
        assert_eq!(seen.version, version);
        let about = seen.about.unwrap();
        assert_eq!((about.name.as_str(), about.version.as_str()), called);
        assert_eq!(seen.tools.entries.len(), tools);
        let received = server.received.lock().unwrap();
        assert!(
            received
                .iter()
                .all(|one| one.header("gatewright-assertion").is_none()),
            "nobody is spoken of"
        );
    }
    let received = old.received.lock().unwrap();
    let last = received.last().unwrap();
    assert_eq!(
        last.verb,
        Method::DELETE,
        "the session begun for looking is ended"
    );
    assert_eq!(last.header("mcp-session-id"), Some("session-1"));
}

#[tokio::test]
async fn why_a_server_cannot_be_reached_is_reported_and_not_tried_twice() {
    let server = FakeServer::new(|_| Err(TransportError::Unreachable("the port is closed".to_owned())));
    let world = World::new(&[("tools", &server)]);
    let config = config(&world, IdentityForwarding::None);
    let unwell = world.endpoint.inspect(config, DEADLINE).await.unwrap_err();
    assert!(
        matches!(unwell.why, Unavailable::Unreachable { .. }),
        "{unwell:?}"
    );
    assert_eq!(unwell.cause.as_deref(), Some("the port is closed"));
    assert_eq!(server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_left_at_the_deadline() {
    let server = FakeServer::hung();
    let world = World::new(&[("tools", &server)]);
    let config = config(&world, IdentityForwarding::None);
    let began = tokio::time::Instant::now();
    let unwell = world.endpoint.inspect(config, DEADLINE).await.unwrap_err();
    assert!(matches!(unwell.why, Unavailable::Timeout { .. }), "{unwell:?}");
    assert_eq!(unwell.cause, None);
    assert_eq!(began.elapsed(), DEADLINE);
}

#[tokio::test]
async fn a_server_that_answers_again_is_not_down_for_gateways_either() {
    let works = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = Arc::clone(&works);
    let server = FakeServer::new(move |received| {
        if switch.load(std::sync::atomic::Ordering::SeqCst) {
            Ok(modern_reply(received, &[tool("a")], 60_000, "public"))
        } else {
            Err(TransportError::Unreachable("down".to_owned()))
        }
    });
    let world = World::new(&[("tools", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let UpstreamConfig { id, audience, .. } = plan.servers[0].server.upstream.config.clone();
    let health = || world.endpoint.health(id, &audience);
    assert!(health().unwrap().failure.is_none(), "nobody has asked yet");
    let why = Unavailable::Unreachable {
        server: "tools".to_owned(),
    };
    plan.servers[0]
        .server
        .upstream
        .note_failure(&why, world.endpoint.federation.now());
    let (at, told) = health().unwrap().failure.unwrap();
    assert_eq!((at, told.as_ref()), (world.endpoint.federation.now(), &why));
    let config = plan.servers[0].server.upstream.config.clone();
    world
        .endpoint
        .inspect(config.clone(), DEADLINE)
        .await
        .unwrap_err();
    assert!(health().unwrap().failure.is_some());
    works.store(true, std::sync::atomic::Ordering::SeqCst);
    world.endpoint.inspect(config, DEADLINE).await.unwrap();
    assert!(health().unwrap().failure.is_none());
    let elsewhere = world.endpoint.health(id, "http://elsewhere.example/mcp");
    assert!(elsewhere.is_none(), "of a server that moved nothing is known");
}
