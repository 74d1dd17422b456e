//! A server on loopback, for tests of code that looks at servers.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
};

use axum::{Json, Router, extract::State, response::IntoResponse, routing::any};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// A server of the stateless era.
pub struct TestServer {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// What it lists, by the member of the result that holds the list.
    lists: Value,
    status: AtomicU16,
    received: Mutex<Vec<HeaderMap>>,
}

impl TestServer {
    /// One with these tools.
    pub async fn with(tools: Value) -> Self {
        Self::having(json!({"tools": tools})).await
    }

    /// One with these `tools`, `prompts`, `resources` and `resourceTemplates`. It declares what it has.
    pub async fn having(lists: Value) -> Self {
        let shared = Arc::new(Shared {
            lists,
            status: AtomicU16::new(200),
            received: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/mcp", any(answer))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// From now on it answers everything with a status.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// The headers of what it got.
    pub fn received(&self) -> Vec<HeaderMap> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Its origin.
    pub fn origin(&self) -> &str {
        self.url.trim_end_matches("/mcp")
    }
}

/// A URL on loopback where nothing listens.
pub async fn dead_url() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/mcp", listener.local_addr().unwrap())
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> axum::response::Response {
    shared.received.lock().unwrap().push(headers);
    let status = StatusCode::from_u16(shared.status.load(Ordering::SeqCst)).unwrap();
    if status != StatusCode::OK {
        return status.into_response();
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let member = match asked["method"].as_str() {
        Some("prompts/list") => "prompts",
        Some("resources/list") => "resources",
        Some("resources/templates/list") => "resourceTemplates",
        _ => "tools",
    };
    let result = if asked["method"] == "server/discover" {
        let declared = ["tools", "prompts", "resources"];
        let declared = declared.iter().filter(|name| !shared.lists[**name].is_null());
        let capabilities: serde_json::Map<_, _> =
            declared.map(|name| ((*name).to_owned(), json!({}))).collect();
        json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "Shelf <b>", "version": "3.1"}},
        })
    } else {
        let mut listed = json!({"resultType": "complete", "ttlMs": 1_000, "cacheScope": "public"});
        listed[member] = match &shared.lists[member] {
            Value::Null => json!([]),
            list => list.clone(),
        };
        listed
    };
    Json(json!({"jsonrpc": "2.0", "id": asked["id"], "result": result})).into_response()
}
