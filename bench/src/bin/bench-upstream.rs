//! A stateless MCP server (2026-07-28) with almost no cost, so that the benchmark measures what is in front of it.
//!
//! `bench-upstream <port>`: tools `small` (a few bytes) and `large` (100 kB), and 48 others.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

/// Responses without their `id`, built once.
struct Answers {
    discover: String,
    list: String,
    small: String,
    large: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let answers = Arc::new(Answers::new());
    gatewright_bench::serve(gatewright_bench::port()?, move |request| {
        answer(Arc::clone(&answers), request)
    })
    .await
}

async fn answer(answers: Arc<Answers>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return status(StatusCode::BAD_REQUEST),
    };
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let Some(id) = message.get("id") else {
        return status(StatusCode::ACCEPTED);
    };
    let result = match (message["method"].as_str(), message["params"]["name"].as_str()) {
        (Some("server/discover"), _) => &answers.discover,
        (Some("tools/list"), _) => &answers.list,
        (Some("tools/call"), Some("large")) => &answers.large,
        (Some("tools/call"), Some(_)) => &answers.small,
        _ => return not_found(id),
    };
    json_answer(
        StatusCode::OK,
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
    )
}

impl Answers {
    fn new() -> Self {
        let text = |text: String| {
            json!({"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": false})
                .to_string()
        };
        let tools: Vec<Value> = ["small".to_owned(), "large".to_owned()]
            .into_iter()
            .chain((1..=48).map(|number| format!("tool_{number:02}")))
            .map(|name| {
                json!({
                    "name": name,
                    "title": format!("The tool {name}"),
                    "description": "Does what a tool of a real server does, and says so in a sentence of usual length.",
                    "inputSchema": {
                        "type": "object",
                        "properties": {
                            "query": {"type": "string", "description": "What to look for"},
                            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
                        },
                        "required": ["query"],
                    },
                })
            })
            .collect();
        Self {
            discover: json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "ttlMs": 3_600_000,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "bench", "version": "1"}},
            })
            .to_string(),
            list:
                json!({"resultType": "complete", "tools": tools, "ttlMs": 3_600_000, "cacheScope": "public"})
                    .to_string(),
            small: text("forty-two".to_owned()),
            large: text("0123456789abcdef".repeat(6_400)),
        }
    }
}

fn not_found(id: &Value) -> Response<Full<Bytes>> {
    let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}});
    json_answer(StatusCode::NOT_FOUND, error.to_string())
}

fn json_answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
