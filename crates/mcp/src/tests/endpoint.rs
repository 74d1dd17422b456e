//! What the endpoint says to clients of both eras, and what it refuses.

use std::sync::Arc;

use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, HeaderValue};
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::net::{
    FakeServer, User, World, legacy_headers, meta, modern_headers, modern_server, read, tool,
};

const ADA: User = User("ada");
const BOB: User = User("bob");

async fn refused(headers: &HeaderMap, body: &str) -> (u16, Value) {
    let server = modern_server(vec![tool("t")], 60_000, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let (status, text) = read(world.post(&plan, &ADA, headers, body).await).await;
    assert_eq!(server.count(), 0, "nothing went upstream");
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn discovery_says_who_and_what() {
    let server = modern_server(vec![tool("t")], 60_000, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{{}}}}}"#,
        meta("")
    );
    let (status, text) = read(
        world
            .post(&plan, &ADA, &modern_headers("server/discover", None), &body)
            .await,
    )
    .await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete");
    // A version that is not supported, or not without a session, is refused with the very same list.
    for version in ["1900-01-01", "2025-11-25", "2024-11-05"] {
        let unspoken = body.replace("2026-07-28", version);
        let mut headers = modern_headers("server/discover", None);
        headers.insert("mcp-protocol-version", HeaderValue::from_static(version));
        let (status, text) = read(world.post(&plan, &ADA, &headers, &unspoken).await).await;
        let refused: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &refused["error"]["code"]), (400, &json!(-32022)));
        assert_eq!(result["supportedVersions"], refused["error"]["data"]["supported"]);
    }
    let newest = result["supportedVersions"][0].as_str();
    assert_eq!(newest, Some("2026-07-28"));
    assert_eq!(result["capabilities"], json!({"tools": {"listChanged": true}}));
    assert_eq!(result["instructions"], "Be kind.");
    assert_eq!(result["cacheScope"], "public");
    assert!(result["ttlMs"].is_u64());
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(
        (&info["name"], &info["title"]),
        (&json!("gatewright"), &json!("Tools \"R\" us"))
    );
}

#[tokio::test]
async fn a_session_begins_with_a_version_that_both_support() {
    let server = modern_server(vec![], 0, "public");
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    for (asked, given) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2024-11-05", "2024-11-05"),
        ("2024-10-07", "2025-11-25"),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": {
            "protocolVersion": asked, "capabilities": {"roots": {}}, "clientInfo": {"name": "c", "version": "1"}}});
        let response = world
            .post(&plan, &ADA, &legacy_headers(None), &body.to_string())
            .await;
        let session = response.headers()["mcp-session-id"].clone();
        let (_, text) = read(response).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["result"]["protocolVersion"], given);
        assert_eq!(answer["result"]["instructions"], "Be kind.");
        let mut headers = legacy_headers(Some(session.to_str().unwrap()));
        headers.insert("mcp-protocol-version", HeaderValue::from_static(given));
        let done = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(
            read(world.post(&plan, &ADA, &headers, done).await).await,
            (202, String::new())
        );
        let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        let (status, text) = read(world.post(&plan, &ADA, &headers, ping).await).await;
        assert_eq!(
            (status, text.as_str()),
            (200, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#)
        );
        // Another user has no use for it.
        let (status, text) = read(world.post(&plan, &BOB, &headers, ping).await).await;
        assert_eq!(status, 404, "{text}");
        let never = tokio_util::sync::CancellationToken::new();
        let now = Arc::clone(&plan);
        let stream = world.get(move || Some(Arc::clone(&now)), &BOB, &headers, &never);
        assert_eq!(stream.status(), 404);
    }
}

#[rstest]
#[case::unknown_method("tasks/list", 404, -32601)]
#[case::of_the_other_era("ping", 404, -32601)]
#[case::initialize_is_none("initialize", 404, -32601)]
#[tokio::test]
async fn methods_that_are_not_supported_are_reported_to_stateless_clients(
    #[case] method: &str,
    #[case] status: u16,
    #[case] code: i64,
) {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{}}}}}"#,
        meta("")
    );
    let (got, answer) = refused(&modern_headers(method, None), &body).await;
    assert_eq!(
        (got, answer["error"]["code"].as_i64()),
        (status, Some(code)),
        "{answer}"
    );
    assert_eq!(answer["id"], 1);
}

#[tokio::test]
async fn metadata_and_headers_of_stateless_requests_are_checked() {
    let body = |meta: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{meta}}}}}"#)
    };
    let headers = modern_headers("tools/call", Some("t"));
    let code = |answer: &Value| answer["error"]["code"].as_i64();
    let (status, answer) = refused(&headers, &body(r#""_meta":{}"#)).await;
    assert_eq!((status, code(&answer)), (400, Some(-32602)), "{answer}");
    let (status, answer) = refused(&modern_headers("tools/call", Some("other")), &body(&meta(""))).await;
    assert_eq!((status, code(&answer)), (400, Some(-32020)), "{answer}");
    let (status, answer) = refused(&modern_headers("tools/list", Some("t")), &body(&meta(""))).await;
    assert_eq!((status, code(&answer)), (400, Some(-32020)), "{answer}");
    let future = body(&meta("").replace("2026-07-28", "2099-01-01"));
    let mut headers = modern_headers("tools/call", Some("t"));
    headers.insert("mcp-protocol-version", HeaderValue::from_static("2099-01-01"));
    let (status, answer) = refused(&headers, &future).await;
    assert_eq!((status, code(&answer)), (400, Some(-32022)), "{answer}");
    assert!(
        answer["error"]["data"]["supported"]
            .as_array()
            .unwrap()
            .contains(&json!("2026-07-28"))
    );
}

#[tokio::test]
async fn what_is_not_a_single_message_is_refused() {
    let headers = legacy_headers(None);
    for body in [
        "[]",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        "",
        "{",
        "null",
        "\"x\"",
    ] {
        let (status, answer) = refused(&headers, body).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(
            matches!(answer["error"]["code"].as_i64(), Some(-32700 | -32600)),
            "{body}: {answer}"
        );
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}}"#,
        "[".repeat(100_000)
    );
    assert_eq!(refused(&headers, &deep).await.0, 400);
    let mut form = legacy_headers(None);
    form.insert("content-type", HeaderValue::from_static("text/plain"));
    assert_eq!(
        refused(&form, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
            .await
            .0,
        415
    );
}

#[tokio::test]
async fn without_a_session_older_clients_are_asked_to_begin_one() {
    let (status, answer) = refused(
        &legacy_headers(None),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    )
    .await;
    assert_eq!(status, 400);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("begin with `initialize`")
    );
    let headers = legacy_headers(Some("v1.made.up"));
    let (status, _) = refused(&headers, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    assert_eq!(status, 404);
    let server = modern_server(vec![], 0, "public");
    let world = World::new(&[("one", &server)]);
    let plan = Arc::new(world.plan(IdentityForwarding::None, &[]));
    let caller = world.caller(&ADA);
    let modern = modern_headers("tools/list", None);
    let never = tokio_util::sync::CancellationToken::new();
    let now = Arc::clone(&plan);
    for response in [
        world.endpoint.delete(world.gateway_id, caller, &modern),
        world.get(move || Some(Arc::clone(&now)), &ADA, &modern, &never),
    ] {
        assert_eq!(response.headers()["allow"], "POST");
        let (status, text) = read(response).await;
        assert_eq!(status, 405);
        // An answer to no request has no id in this era, not even an empty one.
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&answer["error"]["code"], answer.get("id")),
            (&json!(-32600), None)
        );
    }
}

#[tokio::test]
async fn unknown_methods_of_older_clients_keep_their_session() {
    let server = modern_server(vec![], 0, "public");
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#;
    let (status, text) = read(world.post(&plan, &ADA, &headers, body).await).await;
    assert_eq!(status, 200, "404 would end the session in these clients");
    assert!(text.contains("-32601"));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"made up"}}"#;
    let (_, text) = read(world.post(&plan, &ADA, &headers, body).await).await;
    assert!(text.contains("-32602"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_while_the_list_of_its_session_is_waited_for() {
    let server = FakeServer::slow(
        modern_server(vec![tool("t")], 60_000, "public"),
        &[("tools/list", std::time::Duration::from_secs(30))],
    );
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let headers = world.begin(&plan, &ADA).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let mut listing = std::pin::pin!(world.post(&plan, &ADA, &headers, list));
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    tokio::select! {
        biased;
        _ = &mut listing => panic!("the list is not there yet"),
        answer = world.post(&plan, &ADA, &headers, ping) => {
            assert_eq!(read(answer).await.1, r#"{"jsonrpc":"2.0","id":2,"result":{}}"#);
        }
    }
    assert!(read(listing.await).await.1.contains(r#""name":"t""#));
}
