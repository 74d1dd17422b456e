//! Servers that begin a conversation in unusual ways.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gatewright_domain::server::{IdentityForwarding, ProtocolChoice};
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    federation::plan::Plan,
    peer::{config::UpstreamConfig, transport::TransportError},
    testing::net::{
        FakeBody, FakeServer, Pieces, Received, User, World, answer, echo, event, json_answer, legacy_server,
        meta, modern_headers, modern_reply, modern_server, read, tool,
    },
    wire::version::{Era, ProtocolVersion},
};

const ADA: User = User("ada");

type Reply = Result<http::Response<FakeBody>, TransportError>;

/// A server with sessions that answers some requests in its own way.
fn odd(own: impl Fn(&Received) -> Option<Reply> + Send + Sync + 'static) -> Arc<FakeServer> {
    let usual = legacy_server(vec![tool("t")], |received| json_answer(200, &echo(received)));
    FakeServer::new(move |received| own(received).unwrap_or_else(|| (usual.handler)(received)))
}

async fn list(world: &World, plan: &Plan) -> Value {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"l","method":"tools/list","params":{{{}}}}}"#,
        meta("")
    );
    let headers = modern_headers("tools/list", None);
    let (_, text) = read(world.post(plan, &ADA, &headers, &body).await).await;
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

/// Lists and calls the one tool; returns the detected era of the server.
async fn used(server: &Arc<FakeServer>) -> Option<Era> {
    let world = World::new(&[("one", server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let listed = list(&world, &plan).await;
    assert_eq!(listed["result"]["tools"][0]["name"], "t", "{listed}");
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{{"name":"t","arguments":{{}},{}}}}}"#,
        meta("")
    );
    let headers = modern_headers("tools/call", Some("t"));
    let (_, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
    assert!(text.contains(r#""tool":"t""#), "{text}");
    assert_eq!(server.received("tools/call").len(), 1);
    plan.servers[0].server.upstream.era()
}

#[tokio::test]
async fn a_server_that_fails_at_discovery_is_asked_in_the_older_era() {
    let failures: [Result<u16, TransportError>; 6] = [
        Ok(500),
        Ok(502),
        Ok(200),
        Ok(429),
        Err(TransportError::Lost("closed".to_owned())),
        Err(TransportError::Timeout("silent".to_owned())),
    ];
    for failure in failures {
        let server = odd(move |received| {
            let page = |status| answer(status, "text/html", FakeBody::of(&["<h1>oops</h1>"]));
            (received.method() == "server/discover").then(|| failure.clone().map(page))
        });
        assert_eq!(used(&server).await, Some(Era::Legacy));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_at_discovery_is_asked_in_the_older_era() {
    let server = FakeServer::slow(odd(|_| None), &[("server/discover", Duration::MAX)]);
    let began = Instant::now();
    assert_eq!(used(&server).await, Some(Era::Legacy));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_at_discovery_is_not_down_and_is_waited_for_once() {
    // `initialize` fails at first, so that the era is found out a second time.
    let fails = AtomicBool::new(true);
    let usual = odd(move |received| {
        let first = received.method() == "initialize" && fails.swap(false, Ordering::SeqCst);
        first.then(|| Ok(answer(500, "text/plain", FakeBody::of(&["starting"]))))
    });
    let server = FakeServer::slow(usual, &[("server/discover", Duration::MAX)]);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan_with(IdentityForwarding::None, &[], |server| {
        server.timeout = Duration::from_secs(6);
    });
    let began = Instant::now();
    let listed = list(&world, &plan).await;
    assert!(listed.get("error").is_some(), "{listed}");
    assert!(began.elapsed() >= Duration::from_secs(2));
    world.clock.advance(Duration::from_mins(2));
    let began = Instant::now();
    let listed = list(&world, &plan).await;
    assert_eq!(listed["result"]["tools"][0]["name"], "t", "{listed}");
    assert_eq!(began.elapsed(), Duration::ZERO, "no one waits for it again");
    let upstream = &plan.servers[0].server.upstream;
    assert_eq!(upstream.era(), Some(Era::Legacy));
    // What was asked and never answered has run out of time by now.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(upstream.failure(world.endpoint.federation.now()).is_none());
    assert!(upstream.last_failure().is_none());
}

#[tokio::test]
async fn a_server_set_to_sessions_only_is_never_asked_for_the_newer_era() {
    let server = odd(|received| {
        assert_ne!(received.method(), "server/discover");
        None
    });
    let world = World::new(&[("one", &server)]);
    let sessions_only = |config: &mut UpstreamConfig| config.protocol = ProtocolChoice::SessionsOnly;
    let plan = world.plan_with(IdentityForwarding::None, &[], sessions_only);
    let listed = list(&world, &plan).await;
    assert_eq!(listed["result"]["tools"][0]["name"], "t", "{listed}");
    assert_eq!(plan.servers[0].server.upstream.era(), Some(Era::Legacy));
    assert!(server.received("server/discover").is_empty());

    // One without sessions cannot be used, and the message says which setting is in the way.
    let newer = modern_server(vec![tool("t")], 60_000, "public");
    let world = World::new(&[("one", &newer)]);
    let plan = world.plan_with(IdentityForwarding::None, &[], sessions_only);
    for _ in 0..2 {
        let listed = list(&world, &plan).await.to_string();
        assert!(listed.contains("*Sessions only*"), "{listed}");
        world.clock.advance(Duration::from_mins(5));
    }
    assert!(newer.received("server/discover").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stateless_server_that_is_slow_is_found_out_all_the_same() {
    let modern = FakeServer::new(|received| Ok(modern_reply(received, &[tool("t")], 60_000, "public")));
    for silent in [None, Some(("initialize", Duration::MAX))] {
        let mut delays = vec![("server/discover", Duration::from_secs(12))];
        delays.extend(silent);
        let server = FakeServer::slow(Arc::clone(&modern), &delays);
        assert_eq!(used(&server).await, Some(Era::Modern));
    }
}

#[tokio::test]
async fn a_stateless_server_that_refuses_to_initialize_is_one() {
    let server = FakeServer::new(|received| {
        if received.method() == "server/discover" {
            return Ok(answer(500, "text/plain", FakeBody::of(&["oops"])));
        }
        Ok(modern_reply(received, &[tool("t")], 60_000, "public"))
    });
    let refusing = FakeServer::new(move |received| {
        if received.method() != "initialize" {
            return (server.handler)(received);
        }
        let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}"#;
        Ok(json_answer(400, error))
    });
    assert_eq!(used(&refusing).await, Some(Era::Modern));
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_of_the_server_holds_for_its_beginning_too() {
    for (limit, works) in [(30, true), (5, false)] {
        let server = FakeServer::slow(odd(|_| None), &[("initialize", Duration::from_secs(12))]);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan_with(IdentityForwarding::None, &[], |server| {
            server.timeout = Duration::from_secs(limit);
        });
        let began = Instant::now();
        let listed = list(&world, &plan).await;
        assert_eq!(listed.get("result").is_some(), works, "{listed}");
        assert!(
            began.elapsed() <= Duration::from_secs(13),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(
            listed.to_string().contains("did not answer in time"),
            !works,
            "{listed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_answered_with_a_stream_is_not_waited_for() {
    let held: Arc<Mutex<Vec<Pieces>>> = Arc::default();
    let keep = Arc::clone(&held);
    let server = odd(move |received| {
        (received.method() == "notifications/initialized").then(|| {
            let (pieces, body) = FakeBody::open();
            keep.lock().unwrap().push(pieces);
            Ok(answer(200, "text/event-stream", body))
        })
    });
    let began = Instant::now();
    assert_eq!(used(&server).await, Some(Era::Legacy));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(held.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_version_that_is_refused_is_followed_by_one_that_is_offered() {
    for (status, error) in [
        (
            200,
            json!({"code": -32602, "message": "Unsupported protocol version",
            "data": {"supported": ["2024-11-05", "2025-03-26"], "requested": "2025-11-25"}}),
        ),
        (
            400,
            json!({"code": -32000,
            "message": "Bad Request: Unsupported protocol version: 2025-11-25 (supported versions: 2025-03-26, 2024-11-05)"}),
        ),
    ] {
        let server = odd(move |received| {
            let id = &received.json["id"];
            match received.method() {
                "initialize" if received.json["params"]["protocolVersion"] == "2025-11-25" => {
                    let refused = json!({"jsonrpc": "2.0", "id": id, "error": error});
                    Some(Ok(json_answer(status, &refused.to_string())))
                }
                "initialize" => {
                    assert_eq!(received.json["params"]["protocolVersion"], "2025-03-26");
                    let begun = json!({"jsonrpc": "2.0", "id": id, "result": {
                        "protocolVersion": "2025-03-26", "capabilities": {"tools": {}},
                        "serverInfo": {"name": "old", "version": "1"}}});
                    Some(Ok(json_answer(200, &begun.to_string())))
                }
                "tools/list" => {
                    assert_eq!(received.header("mcp-protocol-version"), None);
                    let list = json!({"jsonrpc": "2.0", "id": id, "result": {"tools": [tool("t")]}});
                    Some(Ok(json_answer(200, &list.to_string())))
                }
                "tools/call" => Some(Ok(json_answer(200, &echo(received)))),
                _ => None,
            }
        });
        assert_eq!(used(&server).await, Some(Era::Legacy));
        assert_eq!(server.received("initialize").len(), 2);
    }
}

#[tokio::test]
async fn messages_that_an_older_server_sends_together_are_understood() {
    let server = odd(|received| {
        let id = &received.json["id"];
        let batch = |result: Value| {
            json!([
                {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "so far"}},
                {"jsonrpc": "2.0", "id": id, "result": result},
            ])
        };
        Some(Ok(match received.method() {
            "initialize" => {
                let begun = json!({"protocolVersion": "2025-03-26", "capabilities": {"tools": {}},
                    "serverInfo": {"name": "old", "version": "1"}});
                json_answer(200, &batch(begun).to_string())
            }
            "tools/list" => {
                let list = batch(json!({"tools": [tool("t")]}));
                answer(
                    200,
                    "text/event-stream",
                    FakeBody::of(&[&event(&list.to_string())]),
                )
            }
            "tools/call" => {
                let called = batch(serde_json::from_str::<Value>(&echo(received)).unwrap()["result"].take());
                answer(
                    200,
                    "text/event-stream",
                    FakeBody::of(&[&event(&called.to_string())]),
                )
            }
            "notifications/initialized" => answer(202, "", FakeBody::of(&[])),
            _ => return None,
        }))
    });
    assert_eq!(used(&server).await, Some(Era::Legacy));
}

#[tokio::test]
async fn a_server_that_refuses_every_version_is_not_asked_for_ever() {
    let server = odd(|received| {
        (received.method() == "initialize").then(|| {
            let refused = json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -32602, "message": "no",
                "data": {"supported": ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]}}});
            Ok(json_answer(200, &refused.to_string()))
        })
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let listed = list(&world, &plan).await;
    assert!(
        listed.to_string().contains("`initialize` was refused"),
        "{listed}"
    );
    assert_eq!(server.received("initialize").len(), 4, "each version once");
}

#[tokio::test]
async fn the_oldest_version_is_supported_over_the_newer_transport() {
    let server = odd(|received| {
        let id = &received.json["id"];
        let result = match received.method() {
            "initialize" => json!({"protocolVersion": "2024-11-05", "capabilities": {},
                "serverInfo": {"name": "older", "version": "1"}}),
            "tools/list" => json!({"tools": [tool("t")]}),
            "tools/call" => return Some(Ok(json_answer(200, &echo(received)))),
            _ => return None,
        };
        let text = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
        Some(Ok(json_answer(200, &text)))
    });
    assert_eq!(used(&server).await, Some(Era::Legacy));
    let world = World::new(&[("one", &server)]);
    let config = world.plan(IdentityForwarding::None, &[]).servers[0]
        .server
        .upstream
        .config
        .clone();
    let seen = world
        .endpoint
        .inspect(config, Duration::from_secs(8))
        .await
        .unwrap();
    assert_eq!(seen.version, ProtocolVersion::V2024_11_05);
}

#[tokio::test]
async fn a_server_that_only_streams_is_reported_as_not_mcp_and_its_stream_is_not_quoted() {
    for first in [
        "event: endpoint\ndata: /messages?session=hush\n\n",
        "event: message\ndata: {}\n\n",
    ] {
        let server = FakeServer::new(move |received| {
            Ok(match received.verb {
                Method::GET => answer(200, "text/event-stream", FakeBody::of(&[": hello\n\n", first])),
                _ => answer(405, "text/plain", FakeBody::of(&["Method Not Allowed"])),
            })
        });
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let told = list(&world, &plan).await.to_string();
        assert!(told.contains("not MCP (HTTP 405)"), "{told}");
        assert!(!told.contains("hush"), "{told}");
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_a_list_or_a_session_is_waited_for() {
    let pings: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let keep = Arc::clone(&pings);
    let server = odd(move |received| {
        let id = &received.json["id"];
        if received.json.get("method").is_none() && received.verb == Method::POST {
            let session = received.header("mcp-session-id").unwrap_or("none").to_owned();
            keep.lock().unwrap().push((session, received.json.clone()));
            return Some(Ok(answer(202, "", FakeBody::of(&[]))));
        }
        let result = match received.method() {
            "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {},
                "serverInfo": {"name": "old", "version": "1"}}),
            "tools/list" => json!({"tools": [tool("t")]}),
            _ => return None,
        };
        let ping = json!({"jsonrpc": "2.0", "id": received.method(), "method": "ping"});
        let result = json!({"jsonrpc": "2.0", "id": id, "result": result});
        let stream = format!("{}{}", event(&ping.to_string()), event(&result.to_string()));
        let mut answer = answer(200, "text/event-stream", FakeBody::of(&[&stream]));
        let session = http::HeaderValue::from_static("session-1");
        answer.headers_mut().insert("mcp-session-id", session);
        Some(Ok(answer))
    });
    assert_eq!(used(&server).await, Some(Era::Legacy));
    let pong = |id: &str| {
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": {}});
        ("session-1".to_owned(), answer)
    };
    assert_eq!(*pings.lock().unwrap(), [pong("initialize"), pong("tools/list")]);
}

#[tokio::test]
async fn numbers_and_members_of_other_writers_are_understood() {
    let server = odd(|received| {
        let id = received.json["id"].as_i64().map(|id| format!("{id}.0"));
        let result = match received.method() {
            "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {},
                "serverInfo": {"name": "old", "version": "1"}}),
            "tools/list" => json!({"tools": [tool("t")]}),
            "tools/call" => json!({"tool": "t"}),
            _ => return None,
        };
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result},"error":null}}"#,
            id?
        );
        let mut answer = match received.method() {
            "tools/call" => answer(200, "text/event-stream", FakeBody::of(&[&event(&text)])),
            _ => json_answer(200, &text),
        };
        let session = http::HeaderValue::from_static("session-1");
        answer.headers_mut().insert("mcp-session-id", session);
        Some(Ok(answer))
    });
    assert_eq!(used(&server).await, Some(Era::Legacy));
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{}}}"#;
    let (_, text) = read(world.post(&plan, &ADA, &headers, body).await).await;
    assert!(text.contains(r#""id":7"#) && !text.contains("error"), "{text}");
}
