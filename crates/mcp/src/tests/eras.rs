//! Every pairing of eras: what the server gets, and what the client gets back.

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use crate::{
    testing::net::{
        FakeBody, FakeServer, Received, User, World, answer, echo, event, events, json_answer, legacy_server,
        meta, modern_headers, modern_reply, modern_server, raw_param, read, tool,
    },
    wire::version::Era,
};

/// Numbers, order, spacing, duplicates and escapes that any parse and write would change.
const ARGUMENTS: &str =
    r#"{ "z": 1.0E+2,"a":-0, "big":123456789012345678901234567890,"u":"\u00e9\/","z":[ ] }"#;
const ADA: User = User("ada");

fn call(id: &str, name: &str, meta: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0", "id":{id},"x-unknown":{{"b":1e1}},"method":"tools/call","params":{{"name":"{name}","arguments":{ARGUMENTS},"extra":[1,2]{meta}}}}}"#
    )
}

fn events_server() -> std::sync::Arc<FakeServer> {
    legacy_server(vec![tool("look")], |received| {
        let id = &received.json["id"];
        let token = &received.json["params"]["_meta"]["progressToken"];
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1}});
        let body = format!("{}{}", event(&progress.to_string()), event(&echo(received)));
        assert!(id.is_i64() && token == id);
        answer(200, "text/event-stream", FakeBody::of(&[&body]))
    })
}

#[tokio::test]
async fn between_two_stateless_sides_no_byte_changes() {
    let server = modern_server(vec![tool("look")], 60_000, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let body = call("\"7\"", "look", &format!(",{}", meta(r#","progressToken":"p""#)));
    let headers = modern_headers("tools/call", Some("look"));
    for round in 0..3 {
        let response = world.post(&plan, &ADA, &headers, &body).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let (status, text) = read(response).await;
        assert_eq!(status, 200);
        let calls = server.received("tools/call");
        assert_eq!(calls.len(), round + 1);
        let sent = calls.last().unwrap();
        assert_eq!(sent.body, body, "the body went upstream as it came");
        assert_eq!(sent.header("x-api-key"), Some("hush"));
        assert_eq!(sent.header("gatewright-assertion"), None);
        assert_eq!(
            text,
            echo(sent).replace(r#""result":{"#, r#""result":{"resultType":"complete","#)
        );
    }
    // `server/discover` and `tools/list` once, then one request per call.
    assert_eq!(server.count(), 2 + 3);
}

#[tokio::test]
async fn a_stateless_client_uses_a_server_with_sessions() {
    let server = events_server();
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let body = call(
        "\"7\"",
        "look",
        &format!(",{}", meta(r#","progressToken":"p","x.example/y":[ 1 ]"#)),
    );
    let headers = modern_headers("tools/call", Some("look"));
    for _ in 0..2 {
        let response = world.post(&plan, &ADA, &headers, &body).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let (_, text) = read(response).await;
        let messages = events(&text);
        assert_eq!(messages.len(), 2, "{text}");
        let progress: Value = serde_json::from_str(&messages[0]).unwrap();
        assert_eq!(progress["params"], json!({"progressToken": "p", "progress": 1}));
        assert!(
            messages[1].contains(&format!(r#""arguments":{ARGUMENTS}"#)),
            "{}",
            messages[1]
        );
        assert!(messages[1].contains(r#""x-n":1.50e+3, "tool":"look""#));
        let answer: Value = serde_json::from_str(&messages[1]).unwrap();
        assert_eq!(answer["id"], "7");
        assert_eq!(answer["result"]["resultType"], "complete");
    }
    let calls = server.received("tools/call");
    assert_eq!(server.received("initialize").len(), 1);
    assert_ne!(calls[0].json["id"], calls[1].json["id"]);
    let sent: &Received = &calls[0];
    assert_eq!(sent.header("mcp-session-id"), Some("session-1"));
    assert_eq!(sent.header("mcp-method"), None);
    let id = &sent.json["id"];
    assert_eq!(
        sent.json["params"]["_meta"],
        json!({"progressToken": id, "x.example/y": [1]})
    );
    assert_eq!(raw_param(sent, "arguments"), ARGUMENTS);
    assert!(String::from_utf8_lossy(&sent.body).contains(r#""x-unknown":{"b":1e1}"#));
}

#[tokio::test]
async fn what_clients_of_an_era_refuse_reaches_them_in_no_kind_of_answer() {
    const JSON: &str = "application/json";
    for (era, kind, size) in [Era::Legacy, Era::Modern]
        .into_iter()
        .flat_map(|era| [(era, JSON), (era, "text/event-stream")])
        .flat_map(|(era, kind)| [(era, kind, 5), (era, kind, 1_000)])
    {
        let reply = move |received: &Received| {
            let id = &received.json["id"];
            let text = format!(
                r#"{{"jsonrpc":"2.0","error":null,"id":{id},"result":{{"content":[],"resultType":"complete"}}}}"#
            );
            let text = if kind == JSON { text } else { event(&text) };
            let pieces = text.as_bytes().chunks(size);
            let pieces: Vec<&str> = pieces.map(|piece| std::str::from_utf8(piece).unwrap()).collect();
            answer(200, kind, FakeBody::of(&pieces))
        };
        let server = match era {
            Era::Legacy => legacy_server(vec![tool("look")], reply),
            Era::Modern => FakeServer::new(move |received| {
                Ok(match received.method() {
                    "tools/call" => reply(received),
                    _ => modern_reply(received, &[tool("look")], 60_000, "public"),
                })
            }),
        };
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let modern = (
            modern_headers("tools/call", Some("look")),
            format!(",{}", meta("")),
            1,
        );
        let legacy = (world.begin(&plan, &ADA).await, String::new(), 0);
        for (headers, meta, types) in [modern, legacy] {
            let body = call("7", "look", &meta);
            let (_, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
            let text = if kind == JSON {
                text
            } else {
                events(&text).concat()
            };
            let told: Value = serde_json::from_str(&text).unwrap();
            let context = format!("{era:?} {kind} {size}: {text}");
            assert_eq!(
                (&told["id"], &told["result"]["content"]),
                (&json!(7), &json!([])),
                "{context}"
            );
            assert!(told.get("error").is_none(), "{context}");
            assert_eq!(text.matches("resultType").count(), types, "{context}");
        }
    }
}

#[tokio::test]
async fn a_client_with_a_session_uses_a_stateless_server() {
    let server = modern_server(vec![tool("look")], 60_000, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let body = call("3", "look", r#","_meta":{"progressToken":5}"#);
    let (status, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
    assert_eq!(status, 200, "{text}");
    let sent = &server.received("tools/call")[0];
    assert_eq!(text, echo(sent), "older clients know no `resultType`");
    assert_eq!(sent.json["id"], 3);
    let meta = &sent.json["params"]["_meta"];
    assert_eq!(meta["progressToken"], 5);
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
    assert_eq!(sent.header("mcp-session-id"), None);
    assert_eq!(raw_param(sent, "arguments"), ARGUMENTS);
}

#[tokio::test]
async fn between_two_sides_with_sessions_ids_are_translated() {
    let server = legacy_server(vec![tool("look")], |received| json_answer(200, &echo(received)));
    let world = World::new(&[("old", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let body = call("\"client\"", "look", "");
    let (status, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
    assert_eq!(status, 200, "{text}");
    let sent = &server.received("tools/call")[0];
    let number = sent.json["id"].to_string();
    assert_eq!(
        text,
        echo(sent).replace(&format!(r#""id":{number}}}"#), r#""id":"client"}"#)
    );
    let expected = body.replace(r#""id":"client""#, &format!(r#""id":{number}"#));
    assert_eq!(sent.body, expected, "only the id changed on the way up");
}

#[tokio::test]
async fn a_server_that_changes_its_era_is_found_out() {
    let modern = modern_server(vec![tool("look")], 60_000, "public");
    let old = legacy_server(vec![tool("look")], |received| json_answer(200, &echo(received)));
    let upgraded = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (switch, new, before) = (
        std::sync::Arc::clone(&upgraded),
        std::sync::Arc::clone(&modern),
        std::sync::Arc::clone(&old),
    );
    let server = crate::testing::net::FakeServer::new(move |received| {
        if switch.load(std::sync::atomic::Ordering::SeqCst) {
            (new.handler)(received)
        } else {
            (before.handler)(received)
        }
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = modern_headers("tools/call", Some("look"));
    let body = call("1", "look", &format!(",{}", meta("")));
    for (era, initialized) in [(false, 1), (true, 1), (false, 2)] {
        let before = server.received("tools/call").len();
        if upgraded.swap(era, std::sync::atomic::Ordering::SeqCst) != era {
            // Its refusal shows it, and the call that it refused is not made again.
            let (_, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
            assert!(text.contains("error"), "{text}");
            assert_eq!(server.received("tools/call").len(), before + 1);
        }
        let (status, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains(ARGUMENTS), "{text}");
        assert_eq!(server.received("initialize").len(), initialized);
    }
}
