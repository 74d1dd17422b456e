//! Calls that do not go smoothly.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use gatewright_domain::server::IdentityForwarding;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    peer::transport::TransportError,
    testing::net::{
        FakeBody, FakeServer, User, World, answer, event, events, json_answer, legacy_server, meta,
        modern_headers, modern_reply, read, tool,
    },
};

const ADA: User = User("ada");
/// A call of a client with a session.
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{}}}"#;

fn body(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{{"name":"t","arguments":{arguments},{}}}}}"#,
        meta(r#","progressToken":"p""#)
    )
}

async fn call(server: &Arc<FakeServer>) -> (u16, String) {
    let world = World::new(&[("one", server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = modern_headers("tools/call", Some("t"));
    read(world.post(&plan, &ADA, &headers, &body("{}")).await).await
}

#[rstest]
#[case(401, "", "refused this gateway (HTTP 401)")]
#[case(500, "boom", "failed (HTTP 500)")]
#[case(302, "", "redirects to nowhere (HTTP 302)")]
#[case(200, "<html>", "is not MCP (neither JSON nor a stream of events)")]
#[tokio::test]
async fn failures_of_a_server_are_reported_in_words(
    #[case] status: u16,
    #[case] content: &'static str,
    #[case] says: &str,
) {
    let server = FakeServer::new(move |received| {
        Ok(match received.method() {
            "tools/call" => answer(status, "text/html", FakeBody::of(&[content])),
            _ => modern_reply(received, &[tool("t")], 60_000, "public"),
        })
    });
    let (status, text) = call(&server).await;
    assert_eq!(status, 200);
    let error: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&error["id"], &error["error"]["code"]),
        (&json!("c"), &json!(-32603))
    );
    assert!(text.contains(says), "{text}");
    assert!(
        content.is_empty() || !text.contains(content),
        "nothing of the body is passed on"
    );
}

#[tokio::test]
async fn errors_of_a_server_keep_their_bytes() {
    let error =
        r#"{"code":-32021,"message":"needs sampling","data":{"requiredCapabilities":{"sampling":{ }}}}"#;
    for (id, status) in [
        (r#""c""#, 400),
        ("null", 400),
        (r#""server-error""#, 400),
        (r#""c""#, 200),
    ] {
        let reply = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
        let server = FakeServer::new(move |received| {
            Ok(match received.method() {
                "tools/call" => json_answer(status, &reply),
                _ => modern_reply(received, &[tool("t")], 60_000, "public"),
            })
        });
        let (got, text) = call(&server).await;
        assert_eq!(got, status);
        assert!(text.contains(r#""id":"c""#) && text.contains(error), "{text}");
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_processed_is_not_repeated() {
    for (lost, tries) in [(true, 1), (false, 2)] {
        let server = FakeServer::new(move |received| match received.method() {
            "tools/call" if lost => Err(TransportError::Lost("reset".to_owned())),
            "tools/call" => Err(TransportError::Unreachable("refused".to_owned())),
            _ => Ok(modern_reply(received, &[tool("t")], 60_000, "public")),
        });
        let (_, text) = call(&server).await;
        let says = if lost {
            "may have carried"
        } else {
            "cannot be reached"
        };
        assert!(text.contains(says), "{text}");
        assert_eq!(server.received("tools/call").len(), tries);
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_with_an_error() {
    let server = legacy_server(vec![tool("t")], |_| {
        answer(
            200,
            "text/event-stream",
            FakeBody::of(&["id: 1\ndata:\n\n", "data: {\"jsonrpc\":\"2.0\",\"me"]),
        )
    });
    let (_, text) = call(&server).await;
    let error: Value = serde_json::from_str(&events(&text)[0]).unwrap();
    assert_eq!(error["id"], "c");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("broke before its answer was complete. The server may have carried the call out")
    );
}

#[tokio::test]
async fn requests_of_a_server_are_answered_and_its_notices_sorted() {
    let server = legacy_server(vec![tool("t")], |received| {
        let messages = [
            json!({"jsonrpc": "2.0", "id": "s1", "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage", "params": {}}),
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}),
            json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}),
            json!({"jsonrpc": "2.0", "method": "notifications/x.example/own", "params": {"a": 1}}),
            json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {"content": []}}),
        ];
        let stream: String = messages
            .iter()
            .map(|message| event(&message.to_string()))
            .collect();
        answer(200, "text/event-stream", FakeBody::of(&[&stream]))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = modern_headers("tools/call", Some("t"));
    let (_, text) = read(world.post(&plan, &ADA, &headers, &body("{}")).await).await;
    let messages = events(&text);
    assert_eq!(messages.len(), 2, "{text}");
    assert!(messages[0].contains("notifications/x.example/own"));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let replies = server.received("");
    let (ping, sampling) = (&replies[0].json, &replies[1].json);
    assert_eq!((&ping["id"], &ping["result"]), (&json!("s1"), &json!({})));
    assert_eq!(
        (&sampling["id"], &sampling["error"]["code"]),
        (&json!(7), &json!(-32601))
    );
    // The changed list is read again when it is asked for next.
    let list = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{}}}}}"#,
        meta("")
    );
    read(
        world
            .post(&plan, &ADA, &modern_headers("tools/list", None), &list)
            .await,
    )
    .await;
    assert_eq!(server.received("tools/list").len(), 2);
}

fn annotated(header: &str) -> Value {
    json!({"name": "t", "inputSchema": {"type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": header}}}})
}

#[tokio::test]
async fn mirrored_parameters_are_checked_and_derived_afresh() {
    let server =
        FakeServer::new(|received| Ok(modern_reply(received, &[annotated("Region")], 60_000, "public")));
    let world = World::new(&[("one", &server), ("two", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let body = body(r#"{"region":"Zürich"}"#).replace(r#""name":"t""#, r#""name":"one_t""#);
    let mut headers = modern_headers("tools/call", Some("one_t"));
    let (status, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("-32020"));
    headers.insert("mcp-param-region", "=?base64?QmVybg==?=".parse().unwrap());
    assert_eq!(read(world.post(&plan, &ADA, &headers, &body).await).await.0, 400);
    assert_eq!(server.received("tools/call").len(), 0);
    headers.insert("mcp-param-region", "=?base64?WsO8cmljaA==?=".parse().unwrap());
    headers.insert("mcp-param-other", "smuggled".parse().unwrap());
    let (status, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
    assert_eq!(status, 200, "{text}");
    let sent = &server.received("tools/call")[0];
    assert_eq!(sent.header("mcp-name"), Some("t"));
    assert_eq!(sent.header("mcp-param-region"), Some("=?base64?WsO8cmljaA==?="));
    assert_eq!(sent.header("mcp-param-other"), None);
}

#[tokio::test]
async fn mirrored_parameters_that_changed_are_learnt_and_the_call_repeated() {
    let lists = AtomicUsize::new(0);
    let server = FakeServer::new(move |received| {
        let seen = lists.fetch_add(usize::from(received.method() == "tools/list"), Ordering::SeqCst);
        if received.method() == "tools/call" && received.header("mcp-param-region").is_none() {
            let error = r#"{"jsonrpc":"2.0","id":"c","error":{"code":-32020,"message":"Header mismatch"}}"#;
            return Ok(json_answer(400, error));
        }
        let listed = if seen == 0 { tool("t") } else { annotated("Region") };
        Ok(modern_reply(received, &[listed], 60_000, "public"))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let body = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"t","arguments":{"region":"eu"}}}"#;
    let (status, text) = read(world.post(&plan, &ADA, &headers, body).await).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains(r#""tool":"t""#), "{text}");
    assert_eq!(server.received("tools/call").len(), 2);
}

#[tokio::test]
async fn a_client_with_a_session_learns_what_it_cannot_do() {
    let asks = r#"{"jsonrpc":"2.0","id":"c","result":{"resultType":"input_required","inputRequests":{}}}"#;
    let server = FakeServer::new(move |received| {
        Ok(match received.method() {
            "tools/call" => answer(200, "text/event-stream", FakeBody::of(&[&event(asks)])),
            _ => modern_reply(received, &[tool("t")], 60_000, "public"),
        })
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let old = r#"{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"t","arguments":{}}}"#;
    let (_, text) = read(world.post(&plan, &ADA, &headers, old).await).await;
    assert!(events(&text)[0].contains("asks for further input"), "{text}");
    // A client of the stateless era gets it as it is.
    let headers = modern_headers("tools/call", Some("t"));
    let (_, text) = read(world.post(&plan, &ADA, &headers, &body("{}")).await).await;
    assert_eq!(events(&text), [asks]);
}

#[tokio::test]
async fn a_refusal_of_the_arguments_is_passed_on_and_the_session_stays() {
    let error = r#"{"code":-32602,"message":"bad arguments"}"#;
    let server = legacy_server(vec![tool("t")], move |received| {
        let id = &received.json["id"];
        json_answer(400, &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
    });
    let (status, text) = call(&server).await;
    assert_eq!(status, 200);
    assert!(text.contains(error), "{text}");
    assert_eq!(server.received("tools/call").len(), 1);
    assert_eq!(server.received("initialize").len(), 1);
}

#[tokio::test]
async fn errors_of_a_server_have_the_status_of_an_answer() {
    for (code, modern, legacy) in [(-32601, 200, 200), (-32600, 200, 200), (-32021, 400, 200)] {
        let server = FakeServer::new(move |received| {
            let id = &received.json["id"];
            Ok(match received.method() {
                "tools/call" => json_answer(
                    400,
                    &json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no"}})
                        .to_string(),
                ),
                _ => modern_reply(received, &[tool("t")], 60_000, "public"),
            })
        });
        assert_eq!(call(&server).await.0, modern, "{code}");
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let headers = world.begin(&plan, &ADA).await;
        let (status, text) = read(world.post(&plan, &ADA, &headers, CALL).await).await;
        assert_eq!(status, legacy, "{text}");
        assert!(text.contains(&code.to_string()), "{text}");
    }
}

#[tokio::test]
async fn a_slow_tool_does_not_mark_its_server_as_down() {
    for (error, down) in [
        (TransportError::Timeout("slow".to_owned()), false),
        (TransportError::Lost("reset".to_owned()), false),
        (TransportError::Unreachable("refused".to_owned()), true),
    ] {
        let server = FakeServer::new(move |received| match received.method() {
            "tools/call" => Err(error.clone()),
            _ => Ok(modern_reply(received, &[tool("t")], 60_000, "public")),
        });
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let headers = modern_headers("tools/call", Some("t"));
        read(world.post(&plan, &ADA, &headers, &body("{}")).await).await;
        let noted = plan.servers[0]
            .server
            .upstream
            .failure(world.endpoint.federation.now());
        assert_eq!(noted.is_some(), down);
    }
}

#[tokio::test]
async fn a_client_with_a_session_learns_that_a_tool_needs_what_it_cannot_provide() {
    for (kind, says) in [
        ("input_required", "asks for further input"),
        ("complete", "\"kept\":1.50"),
    ] {
        for pieces in [1, 3] {
            let server = FakeServer::new(move |received| {
                let id = &received.json["id"];
                let reply = format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"kept":1.50,"resultType":"{kind}"}}}}"#
                );
                let cut: Vec<&str> = match pieces {
                    1 => vec![&reply],
                    _ => vec![&reply[..9], &reply[9..60], &reply[60..]],
                };
                Ok(match received.method() {
                    "tools/call" => answer(200, "application/json", FakeBody::of(&cut)),
                    _ => modern_reply(received, &[tool("t")], 60_000, "public"),
                })
            });
            let world = World::new(&[("one", &server)]);
            let plan = world.plan(IdentityForwarding::None, &[]);
            let headers = world.begin(&plan, &ADA).await;
            let (status, text) = read(world.post(&plan, &ADA, &headers, CALL).await).await;
            assert_eq!(status, 200, "{text}");
            assert!(text.contains(says), "{text}");
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer["id"], 1);
            assert!(!text.contains("resultType"), "{text}");
        }
    }
}

#[rstest]
#[case("[]", "", false)]
#[case(r#"{"jsonrpc":"2.0","id":99,"result":{}}"#, "", false)]
#[case(r#"{"jsonrpc":"2.0","id":"#, "ID,\"result\":{}}", true)]
#[tokio::test]
async fn an_answer_that_is_not_ours_is_refused_and_not_cut(
    #[case] start: &'static str,
    #[case] end: &'static str,
    #[case] good: bool,
) {
    let server = legacy_server(vec![tool("t")], move |received| {
        let end = end.replace("ID", &received.json["id"].to_string());
        answer(200, "application/json", FakeBody::of(&[start, &end]))
    });
    let (status, text) = call(&server).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["id"]), (200, &json!("c")));
    assert_eq!(answer.get("result").is_some(), good, "{text}");
    assert_eq!(text.contains("is not MCP"), !good, "{text}");
}

#[tokio::test]
async fn an_answer_in_an_encoding_is_refused() {
    for (encoding, good) in [("gzip", false), ("identity", true)] {
        let server = FakeServer::new(move |received| {
            let mut reply = modern_reply(received, &[tool("t")], 60_000, "public");
            assert_eq!(received.header("accept-encoding"), Some("identity"));
            if received.method() == "tools/call" {
                let value = http::HeaderValue::from_static(encoding);
                reply.headers_mut().insert("content-encoding", value);
            }
            Ok(reply)
        });
        let (_, text) = call(&server).await;
        assert_eq!(text.contains("compressed answer"), !good, "{text}");
    }
}
