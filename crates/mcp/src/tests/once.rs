//! A call is sent once, whatever the response, unless certainly nothing was done.

use std::sync::Arc;

use gatewright_domain::server::IdentityForwarding;
use http::HeaderValue;
use serde_json::{Value, json};

use crate::{
    peer::transport::TransportError,
    testing::net::{
        FakeBody, FakeServer, Received, User, World, answer, echo, json_answer, legacy_server, meta,
        modern_headers, modern_reply, read, tool,
    },
};

const ADA: User = User("ada");

/// The era of a test's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Modern,
    WithSessions,
    /// The older era, without sessions.
    WithoutSessions,
}

const SPEAKERS: [Speaks; 3] = [Speaks::Modern, Speaks::WithSessions, Speaks::WithoutSessions];

type Answered = crate::testing::net::FakeBody;

fn server(
    speaks: Speaks,
    call: impl Fn(&Received) -> Result<http::Response<Answered>, TransportError> + Send + Sync + 'static,
) -> Arc<FakeServer> {
    let old = legacy_server(vec![tool("t")], |_| unreachable!("calls are answered here"));
    FakeServer::new(move |received| match (received.method(), speaks) {
        ("tools/call", _) => call(received),
        (_, Speaks::Modern) => Ok(modern_reply(received, &[tool("t")], 60_000, "public")),
        (_, Speaks::WithSessions) => (old.handler)(received),
        ("initialize", Speaks::WithoutSessions) => {
            let mut answer = (old.handler)(received)?;
            answer.headers_mut().remove("mcp-session-id");
            Ok(answer)
        }
        ("tools/list", Speaks::WithoutSessions) => {
            let id = &received.json["id"];
            let result = json!({"jsonrpc": "2.0", "id": id, "result": {"tools": [tool("t")]}});
            Ok(json_answer(200, &result.to_string()))
        }
        ("server/discover", Speaks::WithoutSessions) => Ok(answer(404, "text/plain", FakeBody::of(&["no"]))),
        _ => Ok(answer(202, "", FakeBody::of(&[]))),
    })
}

async fn call(world: &World, retries: u8) -> Value {
    let plan = world.plan_with(IdentityForwarding::None, &[], |server| server.retries = retries);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{{"name":"t","arguments":{{}},{}}}}}"#,
        meta("")
    );
    let headers = modern_headers("tools/call", Some("t"));
    let (_, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

/// What a body says, and whether it is an answer to the call itself.
const BODIES: [(&str, bool); 12] = [
    ("", false),
    ("<html>gone</html>", false),
    (r#"{"error":"no such thing"}"#, false),
    (
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"No valid session ID provided"}}"#,
        false,
    ),
    (
        r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#,
        false,
    ),
    (
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"no","data":{"supported":["2025-11-25"]}}}"#,
        false,
    ),
    (
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32001,"message":"Session not found"}}"#,
        true,
    ),
    (
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"bad arguments"}}"#,
        true,
    ),
    (
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"no such method"}}"#,
        true,
    ),
    (
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}"#,
        true,
    ),
    (
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32020,"message":"Header mismatch"}}"#,
        true,
    ),
    (r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}"#, true),
];

#[tokio::test]
async fn a_call_that_was_answered_is_not_made_again() {
    let statuses = [
        301, 307, 400, 401, 403, 404, 405, 406, 409, 410, 415, 422, 429, 500, 501, 502, 503, 504,
    ];
    for speaks in SPEAKERS {
        for status in statuses {
            for (body, is_ours) in BODIES {
                for retries in [0, 1, 5] {
                    let server = server(speaks, move |received| {
                        let body = body.replace("ID", &received.json["id"].to_string());
                        Ok(json_answer(status, &body))
                    });
                    let world = World::new(&[("one", &server)]);
                    let told = call(&world, retries).await;
                    let context = format!("{speaks:?} {status} {body} {retries}: {told}");
                    assert_eq!(told["id"], "c", "{context}");
                    assert!(told.get("error").is_some(), "{context}");
                    // By the standard, an ended session is reported with 404, before the request is read.
                    let surely_nothing = speaks == Speaks::WithSessions && status == 404 && !is_ours;
                    let sent = if surely_nothing && retries > 0 { 2 } else { 1 };
                    assert_eq!(server.received("tools/call").len(), sent, "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_never_left_is_made_again_as_often_as_is_allowed() {
    for speaks in SPEAKERS {
        for retries in [0, 1, 5] {
            for (error, sent) in [
                (
                    TransportError::Unreachable("refused".to_owned()),
                    1 + usize::from(retries),
                ),
                (TransportError::Lost("reset".to_owned()), 1),
                (TransportError::Timeout("slow".to_owned()), 1),
            ] {
                let answered = error.clone();
                let server = server(speaks, move |_| Err(answered.clone()));
                let world = World::new(&[("one", &server)]);
                let told = call(&world, retries).await;
                assert_eq!(
                    server.received("tools/call").len(),
                    sent,
                    "{speaks:?} {error:?} {retries}"
                );
                let message = told["error"]["message"].as_str().unwrap();
                let unsure = message.contains("may have carried the call out");
                assert_eq!(
                    unsure,
                    !matches!(error, TransportError::Unreachable(_)),
                    "{message}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_has_ended_by_the_standard_costs_no_call() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let server = server(Speaks::WithSessions, move |received| {
        Ok(match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => json_answer(
                404,
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
            ),
            _ => json_answer(200, &echo(received)),
        })
    });
    let world = World::new(&[("one", &server)]);
    let told = call(&world, 1).await;
    assert_eq!(told["result"]["tool"], "t", "{told}");
    let sent = server.received("tools/call");
    let sessions: Vec<_> = sent.iter().map(|call| call.header("mcp-session-id")).collect();
    assert_eq!(sessions, [Some("session-1"), Some("session-2")]);
}

#[tokio::test]
async fn a_refusal_of_its_own_headers_is_not_answered_with_the_same_call() {
    let annotated = json!({"name": "t", "inputSchema": {"type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}});
    let server = FakeServer::new(move |received| {
        if received.method() != "tools/call" {
            return Ok(modern_reply(
                received,
                std::slice::from_ref(&annotated),
                60_000,
                "public",
            ));
        }
        let error = r#"{"jsonrpc":"2.0","id":"c","error":{"code":-32020,"message":"Header mismatch"}}"#;
        Ok(json_answer(400, error))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{{"name":"t","arguments":{{"region":"eu"}},{}}}}}"#,
        meta("")
    );
    let mut headers = modern_headers("tools/call", Some("t"));
    headers.insert("mcp-param-region", HeaderValue::from_static("eu"));
    let (_, text) = read(world.post(&plan, &ADA, &headers, &body).await).await;
    assert!(
        text.contains("refuses the headers that its own list asks for"),
        "{text}"
    );
    assert_eq!(server.received("tools/call").len(), 1);
}
