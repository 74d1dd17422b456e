//! A server on loopback that keeps what it was sent.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::any,
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// What the server on loopback got.
#[derive(Default)]
pub(crate) struct Upstream {
    pub(crate) received: Mutex<Vec<(HeaderMap, Value)>>,
    /// Calls are answered while nobody holds this for writing.
    pub(crate) hold: tokio::sync::RwLock<()>,
    mood: Mutex<Mood>,
}

/// How calls are answered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// With a result.
    #[default]
    Well,
    /// With status 500.
    Fails,
}

impl Upstream {
    /// How calls are answered from now on.
    pub(crate) fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// The headers of each call.
    pub(crate) fn calls(&self) -> Vec<HeaderMap> {
        self.called().into_iter().map(|(headers, _)| headers).collect()
    }

    /// Each call: its headers, and its message.
    pub(crate) fn called(&self) -> Vec<(HeaderMap, Value)> {
        let received = self.received.lock().unwrap();
        let is_call = |(_, body): &&(HeaderMap, Value)| body["method"] == "tools/call";
        received.iter().filter(is_call).cloned().collect()
    }

    /// All requests.
    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

/// A stateless server with one tool.
pub(crate) async fn upstream() -> (String, Arc<Upstream>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/some/path", listener.local_addr().unwrap());
    let upstream = Arc::new(Upstream::default());
    let router = Router::new()
        .fallback(any(tell))
        .with_state(Arc::clone(&upstream));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, upstream)
}

async fn tell(State(upstream): State<Arc<Upstream>>, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let result = match message["method"].as_str().unwrap() {
        "server/discover" => {
            json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {}})
        }
        "tools/list" => json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public",
            "tools": [{"name": "tell", "description": "Tells </p><script>alert(1)</script>",
                "inputSchema": {"type": "object", "properties": {
                    "text": {"type": "string"}, "count": {"type": "integer", "description": "How \"often\""}}}}]}),
        _ => json!({"resultType": "complete", "content": [{"type": "text", "text": "told"}]}),
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    let is_call = message["method"] == "tools/call";
    upstream.received.lock().unwrap().push((headers, message));
    if is_call {
        drop(upstream.hold.read().await);
    }
    let mood = *upstream.mood.lock().unwrap();
    match mood {
        Mood::Fails if is_call => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Well | Mood::Fails => {}
    }
    let smuggled = [
        ("content-type", "application/json"),
        ("set-cookie", "a=b"),
        ("location", "https://evil.example"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("connection", "x-hop"),
        ("x-hop", "something"),
        ("keep-alive", "timeout=1"),
        (
            "www-authenticate",
            "Bearer resource_metadata=\"https://evil.example\"",
        ),
        ("mcp-session-id", "a-session"),
        ("x-powered-by", "something"),
    ];
    (smuggled, answer.to_string()).into_response()
}
