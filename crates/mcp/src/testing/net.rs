//! Servers of both eras in memory, for the tests through all layers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::peer::transport::{Transport, TransportError};
pub(crate) use crate::testing::{
    body::{FakeBody, Pieces},
    words::{events, legacy_headers, meta, modern_headers, read},
    world::{User, World},
};

/// What a server got.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) verb: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) json: Value,
}

impl Received {
    pub(crate) fn method(&self) -> &str {
        self.json["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Handler = Box<dyn Fn(&Received) -> Result<Response<FakeBody>, TransportError> + Send + Sync>;

/// A server and what it got, in order.
pub(crate) struct FakeServer {
    /// It takes requests and never answers.
    hung: bool,
    /// How long it takes for a method; [`Duration::MAX`] means that it never answers.
    delays: Vec<(&'static str, Duration)>,
    pub(crate) handler: Handler,
    pub(crate) received: Mutex<Vec<Received>>,
}

impl FakeServer {
    pub(crate) fn new(
        handler: impl Fn(&Received) -> Result<Response<FakeBody>, TransportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            hung: false,
            delays: Vec::new(),
            handler: Box::new(handler),
            received: Mutex::default(),
        })
    }

    pub(crate) fn hung() -> Arc<Self> {
        Arc::new(Self {
            hung: true,
            delays: Vec::new(),
            handler: Box::new(|_| unreachable!()),
            received: Mutex::default(),
        })
    }

    /// The same server, which takes this long for a method; [`Duration::MAX`] means that it never answers.
    pub(crate) fn slow(server: Arc<Self>, delays: &[(&'static str, Duration)]) -> Arc<Self> {
        Arc::new(Self {
            hung: false,
            delays: delays.to_vec(),
            handler: Box::new(move |received| (server.handler)(received)),
            received: Mutex::default(),
        })
    }

    pub(crate) fn received(&self, method: &str) -> Vec<Received> {
        let all = self.received.lock().unwrap();
        all.iter().filter(|one| one.method() == method).cloned().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

#[derive(Default)]
pub(crate) struct FakeNet {
    pub(crate) servers: HashMap<String, Arc<FakeServer>>,
}

impl Transport for FakeNet {
    type Body = FakeBody;

    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<FakeBody>, TransportError> {
        let host = request.uri().host().unwrap().to_owned();
        let (head, body) = request.into_parts();
        let received = Received {
            verb: head.method,
            headers: head.headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
            body,
        };
        let server = &self.servers[&host];
        server.received.lock().unwrap().push(received.clone());
        // The other requests of a test get their turn, as they would over a network.
        tokio::task::yield_now().await;
        if server.hung {
            std::future::pending::<()>().await;
        }
        let mut delays = server.delays.iter();
        match delays.find(|(method, _)| *method == received.method()) {
            Some((_, Duration::MAX)) => std::future::pending().await,
            Some((_, delay)) => tokio::time::sleep(*delay).await,
            None => {}
        }
        (server.handler)(&received)
    }
}

pub(crate) fn answer(status: u16, content_type: &str, body: FakeBody) -> Response<FakeBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if !content_type.is_empty() {
        let value = HeaderValue::from_str(content_type).unwrap();
        response.headers_mut().insert("content-type", value);
    }
    response
}

pub(crate) fn json_answer(status: u16, body: &str) -> Response<FakeBody> {
    answer(status, "application/json; charset=utf-8", FakeBody::of(&[body]))
}

pub(crate) fn event(data: &str) -> String {
    format!("event: message\ndata: {data}\n\n")
}

/// A tool that takes anything.
pub(crate) fn tool(name: &str) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object" } })
}

/// The raw text of a member of `params`, as the server got it.
pub(crate) fn raw_param(received: &Received, name: &str) -> String {
    let params: HashMap<String, Box<serde_json::value::RawValue>> = {
        #[derive(serde::Deserialize)]
        struct Envelope {
            params: HashMap<String, Box<serde_json::value::RawValue>>,
        }
        serde_json::from_slice::<Envelope>(&received.body).unwrap().params
    };
    params
        .get(name)
        .map_or("null".to_owned(), |raw| raw.get().to_owned())
}

/// The answer of both kinds of server to a call: what they received, byte for byte.
pub(crate) fn echo(received: &Received) -> String {
    let arguments = raw_param(received, "arguments");
    let name = &received.json["params"]["name"];
    let user = received.header("gatewright-assertion").unwrap_or("nobody");
    format!(
        r#"{{"result":{{"content":[],"x-n":1.50e+3, "tool":{name},"user":"{user}","arguments":{arguments}}},"jsonrpc":"2.0","id":{}}}"#,
        received.json["id"]
    )
}

/// A stateless server with these tools.
pub(crate) fn modern_server(tools: Vec<Value>, ttl_ms: u64, scope: &'static str) -> Arc<FakeServer> {
    FakeServer::new(move |received| Ok(modern_reply(received, &tools, ttl_ms, scope)))
}

pub(crate) fn modern_reply(
    received: &Received,
    tools: &[Value],
    ttl_ms: u64,
    scope: &str,
) -> Response<FakeBody> {
    let id = &received.json["id"];
    if received
        .header("mcp-protocol-version")
        .is_some_and(|version| version != "2026-07-28")
    {
        return json_answer(
            400,
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32022, "message": "unsupported",
                "data": {"supported": ["2026-07-28"]}}})
            .to_string(),
        );
    }
    let version = &received.json["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    if version != "2026-07-28" || received.header("mcp-protocol-version") != Some("2026-07-28") {
        return json_answer(
            400,
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "no metadata"}})
                .to_string(),
        );
    }
    assert_eq!(received.header("mcp-method"), Some(received.method()));
    match received.method() {
        "server/discover" => json_answer(
            200,
            &json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}}, "ttlMs": 1, "cacheScope": "public"}})
            .to_string(),
        ),
        "tools/list" => json_answer(
            200,
            &json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "tools": tools,
                "ttlMs": ttl_ms, "cacheScope": scope}})
            .to_string(),
        ),
        "tools/call" => {
            assert_eq!(received.header("mcp-name"), received.json["params"]["name"].as_str());
            let body = echo(received).replace(r#""result":{"#, r#""result":{"resultType":"complete","#);
            json_answer(200, &body)
        }
        _ => json_answer(
            404,
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}).to_string(),
        ),
    }
}

/// A server with sessions, which answers calls as `call` says.
pub(crate) fn legacy_server(
    tools: Vec<Value>,
    call: impl Fn(&Received) -> Response<FakeBody> + Send + Sync + 'static,
) -> Arc<FakeServer> {
    let sessions = AtomicUsize::new(0);
    FakeServer::new(move |received| {
        let id = &received.json["id"];
        if received.method() == "initialize" {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            let mut response = json_answer(
                200,
                &json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}})
                .to_string(),
            );
            let session = HeaderValue::from_str(&format!("session-{number}")).unwrap();
            response.headers_mut().insert("mcp-session-id", session);
            return Ok(response);
        }
        if received.header("mcp-session-id").is_none() {
            let error =
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#;
            return Ok(json_answer(400, error));
        }
        assert_eq!(received.header("mcp-protocol-version"), Some("2025-11-25"));
        Ok(match received.method() {
            "tools/list" => {
                let result = json!({"jsonrpc": "2.0", "id": id, "result": {"tools": tools}});
                answer(
                    200,
                    "text/event-stream",
                    FakeBody::of(&[&event(&result.to_string())]),
                )
            }
            "tools/call" => call(received),
            _ => answer(202, "", FakeBody::of(&[])),
        })
    })
}
