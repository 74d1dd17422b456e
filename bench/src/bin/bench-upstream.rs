//! A stateless MCP server (2026-07-28) with almost no cost, so that the benchmark measures what is in front of it.
//!
//! `bench-upstream <port>`: tools `small` (a few bytes) and `large` (100 kB), and 48 others; 50 prompts and 50 resources, which take about
//! as many bytes to list.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

/// Responses without their `id`, built once.
struct Answers {
    discover: String,
    tools: String,
    prompts: String,
    resources: String,
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
        (Some("tools/list"), _) => &answers.tools,
        (Some("prompts/list"), _) => &answers.prompts,
        (Some("resources/list"), _) => &answers.resources,
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
            .map(|name| tool(&name))
            .collect();
        Self {
            discover: json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
                "ttlMs": 3_600_000,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "bench", "version": "1"}},
            })
            .to_string(),
            tools: list("tools", &tools),
            prompts: list("prompts", &(1..=50).map(prompt).collect::<Vec<_>>()),
            resources: list("resources", &(1..=50).map(resource).collect::<Vec<_>>()),
            small: text("forty-two".to_owned()),
            large: text("0123456789abcdef".repeat(6_400)),
        }
    }
}

const DESCRIPTION: &str =
    "Does what one of a real server does, and says so in a sentence of usual length, such as this one.";

fn tool(name: &str) -> Value {
    json!({
        "name": name,
        "title": format!("The tool {name}"),
        "description": DESCRIPTION,
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            },
            "required": ["query"],
        },
    })
}

fn prompt(number: u32) -> Value {
    json!({
        "name": format!("prompt_{number:02}"),
        "title": format!("The prompt {number:02}"),
        "description": DESCRIPTION,
        "arguments": [
            {"name": "query", "description": "What to look for, in the words of the person who asks", "required": true},
            {"name": "limit", "description": "How many of them to show, from 1 to 100"},
        ],
    })
}

fn resource(number: u32) -> Value {
    json!({
        "uri": format!("file:///srv/documents/of-a-project/number-{number:02}/read-me-first.md"),
        "name": format!("resource_{number:02}"),
        "title": format!("The resource {number:02}"),
        "description": DESCRIPTION,
        "mimeType": "text/markdown",
        "size": 4_096,
        "annotations": {"audience": ["user", "assistant"], "priority": 0.5},
    })
}

/// The result of a list, which may be kept for an hour.
fn list(member: &str, entries: &[Value]) -> String {
    json!({"resultType": "complete", member: entries, "ttlMs": 3_600_000, "cacheScope": "public"}).to_string()
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
