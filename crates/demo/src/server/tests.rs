//! The server from the view of a gateway, over real sockets and in both eras.

use axum::{Json, routing::get};
use http::{HeaderName, Method, Response, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::sync::DropGuard;
use url::Url;

use super::*;
use crate::{
    loopback,
    walk::mcp::{self, McpClient},
};

/// Signs like a gateway and publishes its key.
struct Gateway {
    issuer: String,
    key: EncodingKey,
    _stop: DropGuard,
}

impl Gateway {
    async fn new() -> Self {
        use aws_lc_rs::{
            rand::SystemRandom,
            signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
        };
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EncodingKey::from_ec_der(pkcs8.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("k1".into());
        let keys = json!({ "keys": [jwk] });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let app = Router::new().route("/.well-known/jwks.json", get(move || async move { Json(keys) }));
        let served = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(served.into_future());
        Self {
            issuer,
            key,
            _stop: stop.drop_guard(),
        }
    }

    fn rules(&self) -> AssertionRules {
        AssertionRules {
            jwks_url: Url::parse(&format!("{}/.well-known/jwks.json", self.issuer)).unwrap(),
            issuer: self.issuer.clone(),
            project: "prj_1".into(),
            audience: None,
        }
    }

    fn claims(&self, audience: &str) -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({
            "iss": self.issuer, "aud": audience, "iat": now, "exp": now + 60,
            "project": "prj_1", "sub": "usr_1", "subject": "ada-1815", "mode": "user_source", "user_source": "src_1",
            "gateway": "gw_1", "name": "Ada Lovelace", "email": "ada@example.com",
        })
    }

    fn sign(&self, claims: &Value, typ: &str) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.into());
        header.kid = Some("k1".into());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

async fn start(rules: Option<AssertionRules>) -> (Url, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = DemoServer::on(&listener, rules).unwrap();
    let url = Url::parse(server.url()).unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(server.serve(listener, stop.clone()));
    (url, stop.drop_guard())
}

async fn whoami(url: &Url, assertion: Option<String>) -> Value {
    let headers = assertion.map(|value| (HeaderName::from_static("gatewright-assertion"), value));
    McpClient::new(url.clone(), headers.into_iter().collect())
        .request("tools/call", json!({ "name": "whoami", "arguments": {} }))
        .await
        .unwrap()
}

#[tokio::test]
async fn it_discovers_lists_and_adds_in_the_stateless_era() {
    let (url, _stop) = start(None).await;
    let client = McpClient::new(url, Vec::new());
    let discovered = client.request("server/discover", json!({})).await.unwrap();
    assert!(
        discovered["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!("2026-07-28"))
    );
    let listed = client.request("tools/list", json!({})).await.unwrap();
    let names: Vec<&str> = listed["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["add", "count_slowly", "counts", "echo", "text_of_size", "whoami"]
    );
    let call = |name: &str, arguments: Value| {
        let params = json!({ "name": name, "arguments": arguments });
        let client = &client;
        async move { client.request("tools/call", params).await.unwrap() }
    };
    assert_eq!(
        call("add", json!({ "a": 2, "b": 40.5 })).await["structuredContent"]["sum"],
        42.5
    );
    let text = call("text_of_size", json!({ "characters": 100_000 })).await;
    assert_eq!(text["content"][0]["text"].as_str().unwrap().len(), 100_000);
    assert_eq!(
        call("text_of_size", json!({ "characters": 9_000_000 })).await["isError"],
        true
    );
}

#[tokio::test]
async fn it_opens_a_session_in_the_older_era() {
    let (url, _stop) = start(None).await;
    let send = |body: Value, session: Option<String>| {
        let mut headers = vec![
            (header::ACCEPT, "application/json, text/event-stream".to_owned()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
        ];
        headers.extend(session.map(|id| (HeaderName::from_static("mcp-session-id"), id)));
        let url = url.clone();
        async move {
            loopback::send(Method::POST, &url, &headers, body.to_string())
                .await
                .unwrap()
        }
    };
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let answer = send(initialize, None).await;
    assert_eq!(mcp::read(&answer).unwrap()["protocolVersion"], "2025-11-25");
    let session = Some(answer.headers()["mcp-session-id"].to_str().unwrap().to_owned());
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        send(initialized, session.clone()).await.status(),
        StatusCode::ACCEPTED
    );
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "echo", "arguments": { "message": "hello" } } });
    let result = mcp::read(&send(call, session).await).unwrap();
    assert_eq!(result["content"][0]["text"], "hello");
}

#[tokio::test]
async fn whoami_names_the_caller_of_a_valid_assertion() {
    let gateway = Gateway::new().await;
    let (url, _stop) = start(Some(gateway.rules())).await;
    let token = gateway.sign(&gateway.claims(url.as_str()), "gatewright-assertion+jwt");
    let result = whoami(&url, Some(token)).await;
    assert_eq!(result["isError"], json!(false), "{result}");
    assert_eq!(result["structuredContent"]["subject"], "ada-1815");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Ada Lovelace <ada@example.com>"), "{text}");
}

#[tokio::test]
async fn whoami_refuses_every_other_assertion() {
    let gateway = Gateway::new().await;
    let stranger = Gateway::new().await;
    let (url, _stop) = start(Some(gateway.rules())).await;
    let typ = "gatewright-assertion+jwt";
    let claims = gateway.claims(url.as_str());
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        gateway.sign(&claims, typ)
    };
    let now = jsonwebtoken::get_current_timestamp();
    let refused = [
        ("no header", None),
        ("another key", Some(stranger.sign(&claims, typ))),
        ("an access token", Some(gateway.sign(&claims, "at+jwt"))),
        (
            "another audience",
            Some(changed("aud", json!("http://127.0.0.1:1/mcp"))),
        ),
        (
            "another issuer",
            Some(changed("iss", json!("http://127.0.0.1:1"))),
        ),
        ("another project", Some(changed("project", json!("prj_2")))),
        ("no project", Some(changed("project", Value::Null))),
        ("a long life", Some(changed("exp", json!(now + 61)))),
        ("expired", Some(changed("exp", json!(now - 30)))),
        ("not a token", Some("hello".into())),
    ];
    for (what, assertion) in refused {
        let result = whoami(&url, assertion).await;
        assert_eq!(result["isError"], true, "{what}: {result}");
        assert!(result.get("structuredContent").is_none(), "{what}: {result}");
    }
}

/// Begins a long count and returns its stream once the first progress has arrived.
async fn begin_count(url: &Url) -> TcpStream {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "count_slowly", "arguments": { "to": 10_000, "pause_ms": 60_000 },
        "_meta": {
            "progressToken": "p",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        } } })
    .to_string();
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    // This test needs a stream that breaks off half way; the crate's own client reads to the end.
    #[allow(clippy::disallowed_methods)]
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nAccept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n\
         Mcp-Name: count_slowly\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("\"progress\":1") {
        assert_ne!(
            stream.read_buf(&mut read).await.unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&read)
        );
    }
    stream
}

#[tokio::test]
async fn a_count_reports_its_progress_and_ends_when_its_stream_closes() {
    let (url, _stop) = start(None).await;
    let stream = begin_count(&url).await;
    let client = McpClient::new(url, Vec::new());
    let counts = || async {
        let params = json!({ "name": "counts", "arguments": {} });
        client.request("tools/call", params).await.unwrap()["structuredContent"].clone()
    };
    assert_eq!(
        counts().await,
        json!({ "started": 1, "finished": 0, "cancelled": 0 })
    );
    drop(stream);
    let cancelled = async { while counts().await["cancelled"] != 1 {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), cancelled)
        .await
        .unwrap();
}

#[tokio::test]
async fn progress_precedes_the_result() {
    let (url, _stop) = start(None).await;
    let params = json!({ "name": "count_slowly", "arguments": { "to": 3, "pause_ms": 0 }, "_meta": { "progressToken": 5 } });
    let answer: Response<_> = McpClient::new(url, Vec::new())
        .send("tools/call", params)
        .await
        .unwrap();
    let messages = mcp::messages(answer.body());
    let progress: Vec<_> = messages
        .iter()
        .filter_map(|message| message["params"]["progress"].as_f64())
        .collect();
    assert_eq!(progress, [1.0, 2.0, 3.0]);
    assert_eq!(mcp::read(&answer).unwrap()["content"][0]["text"], "Counted to 3.");
}
