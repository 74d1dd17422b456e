//! A server on loopback that keeps what it was sent.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse as _, Response},
    routing::any,
};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// What the server on loopback got.
#[derive(Default)]
pub struct Upstream {
    pub received: Mutex<Vec<(HeaderMap, Value)>>,
    /// Calls are answered while no one holds this for writing.
    pub hold: tokio::sync::RwLock<()>,
    /// An answer that breaks does so once it is notified: what is sent and broken at once may never leave.
    pub breaks: tokio::sync::Notify,
    mood: Mutex<Mood>,
    /// Whether it has a prompt, a resource and a resource template beside its tool.
    has_more: AtomicBool,
    /// Whether calls are answered with a stream that reports progress and a line of the log first.
    reports: AtomicBool,
    /// Whether what follows such reports waits until `breaks` is notified.
    waits: AtomicBool,
    /// Notified when a client gives up a call that waits so.
    pub given_up: tokio::sync::Notify,
    /// What calls, prompts and resources that are asked for next are answered with, in this order.
    next: Mutex<VecDeque<Value>>,
}

/// How calls are answered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// With a result.
    #[default]
    Well,
    /// With status 500.
    Fails,
    /// With a JSON-RPC error.
    Refuses,
    /// With half a result, and then the connection breaks.
    Breaks,
    /// With a notification, and then the connection breaks.
    BreaksEvents,
    /// With half a result, and then with what is not JSON.
    Garbage,
}

impl Upstream {
    /// How calls are answered from now on.
    pub fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// From now on it declares and has a prompt, a resource and a resource template too, and its calls name a resource that
    /// it does not list.
    pub fn has_more(&self) {
        self.has_more.store(true, Ordering::SeqCst);
    }

    /// From now on it reports progress and a line of its log before it answers a call.
    pub fn reports(&self) {
        self.reports.store(true, Ordering::SeqCst);
    }

    /// From now on it waits after its reports, until `breaks` is notified.
    pub fn reports_and_waits(&self) {
        self.reports();
        self.waits.store(true, Ordering::SeqCst);
    }

    /// The next call, prompt or resource that is not answered yet is answered with this result.
    pub fn answer_next(&self, result: Value) {
        self.next.lock().unwrap().push_back(result);
    }

    /// The headers of each call.
    pub fn calls(&self) -> Vec<HeaderMap> {
        self.called().into_iter().map(|(headers, _)| headers).collect()
    }

    /// Each call: its headers, and its message.
    pub fn called(&self) -> Vec<(HeaderMap, Value)> {
        let received = self.received.lock().unwrap();
        let is_call = |(_, body): &&(HeaderMap, Value)| body["method"] == "tools/call";
        received.iter().filter(is_call).cloned().collect()
    }

    /// All requests.
    pub fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

/// A stateless server with one tool.
pub async fn upstream() -> (String, Arc<Upstream>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/some/path", listener.local_addr().unwrap());
    let upstream = Arc::new(Upstream::default());
    let router = Router::new()
        .fallback(any(tell))
        .with_state(Arc::clone(&upstream));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, upstream)
}

/// Tells that a call was given up, unless it was answered.
struct GivenUp(Option<Arc<Upstream>>);

impl GivenUp {
    fn answered(&mut self) {
        self.0 = None;
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(upstream) = &self.0 {
            upstream.given_up.notify_one();
        }
    }
}

/// Headers of an answer that concern no one behind the gateway.
const SMUGGLED: [(&str, &str); 11] = [
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

async fn tell(State(upstream): State<Arc<Upstream>>, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let result = match message["method"].as_str().unwrap() {
        "server/discover" => {
            let capabilities = if upstream.has_more.load(Ordering::SeqCst) {
                json!({"tools": {}, "prompts": {}, "resources": {}, "completions": {}})
            } else {
                json!({})
            };
            json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities})
        }
        "prompts/list" => json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public",
            "prompts": [{"name": "ask", "arguments": [
                {"name": "topic", "description": "The <b> topic", "required": true}]}]}),
        "resources/list" => json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public",
            "resources": [{"uri": "me://inbox", "name": "inbox"}]}),
        "resources/templates/list" => {
            json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public",
            "resourceTemplates": [{"uriTemplate": "you://{box}", "name": "boxes"}]})
        }
        "resources/read" => json!({"resultType": "complete", "ttlMs": 1_000, "cacheScope": "private",
            "contents": [{"uri": "me://inbox", "mimeType": "text/html", "text": "<script>alert(1)</script>"},
                {"uri": "me://picture", "mimeType": "image/png", "blob": "iVBORw0KGgo="},
                {"uri": "me://report.pdf", "mimeType": "application/pdf", "blob": "AAEC"}]}),
        "prompts/get" => json!({"resultType": "complete",
            "messages": [{"role": "user", "content": {"type": "text", "text": "got"}}]}),
        "completion/complete" => json!({"resultType": "complete", "completion": {"values": ["completed"]}}),
        "tools/list" => json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public",
            "tools": [{"name": "tell", "description": "Tells </p><script>alert(1)</script>",
                "inputSchema": {"type": "object", "properties": {
                    "text": {"type": "string"}, "count": {"type": "integer", "description": "How \"often\""}}}}]}),
        _ if upstream.has_more.load(Ordering::SeqCst) => json!({"resultType": "complete", "content": [
            {"type": "text", "text": "told"}, {"type": "resource_link", "uri": "seen://once", "name": "seen"}]}),
        _ => json!({"resultType": "complete", "content": [{"type": "text", "text": "told"}]}),
    };
    let asks_for_something =
        ["tools/call", "prompts/get", "resources/read"].contains(&message["method"].as_str().unwrap());
    let next = asks_for_something
        .then(|| upstream.next.lock().unwrap().pop_front())
        .flatten();
    let result = next.unwrap_or(result);
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
    let is_call = message["method"] == "tools/call";
    let token = message["params"]["_meta"]["progressToken"].clone();
    upstream.received.lock().unwrap().push((headers, message));
    if is_call {
        drop(upstream.hold.read().await);
    }
    if is_call && upstream.reports.load(Ordering::SeqCst) {
        return reporting(&upstream, &token, answer);
    }
    let mood = *upstream.mood.lock().unwrap();
    match mood {
        Mood::Fails if is_call => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Refuses if is_call => {
            let error =
                json!({"jsonrpc": "2.0", "id": answer["id"], "error": {"code": -32603, "message": "no"}});
            return axum::Json(error).into_response();
        }
        Mood::Breaks if is_call => {
            let half = answer.to_string()[..20].to_owned();
            return breaking(upstream, "application/json", half, Err(broken()));
        }
        Mood::BreaksEvents if is_call => {
            let event = r#"data: {"jsonrpc":"2.0","method":"notifications/example"}"#;
            return breaking(
                upstream,
                "text/event-stream",
                format!("{event}\n\n"),
                Err(broken()),
            );
        }
        Mood::Garbage if is_call => {
            let half = answer.to_string()[..20].to_owned();
            return breaking(
                upstream,
                "application/json",
                half,
                Ok("<html>oh no</html>".to_owned()),
            );
        }
        _ => {}
    }
    (SMUGGLED, answer.to_string()).into_response()
}

/// An answer behind a report of progress and a line of the log.
fn reporting(upstream: &Arc<Upstream>, token: &Value, answer: Value) -> Response {
    let report = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});
    let progress = json!({"progressToken": token, "progress": 1, "total": 2, "message": "Half <b>"});
    let line = json!({"level": "info", "data": "still here"});
    let reports = [
        report("notifications/progress", progress),
        report("notifications/message", line),
    ];
    let event = |message: Value| format!("data: {message}\n\n");
    let (reports, answer) = (reports.map(event).concat(), event(answer));
    let kind = [(http::header::CONTENT_TYPE, "text/event-stream")];
    if !upstream.waits.load(Ordering::SeqCst) {
        return (kind, reports + &answer).into_response();
    }
    let mut given_up = GivenUp(Some(Arc::clone(upstream)));
    let upstream = Arc::clone(upstream);
    let answer = stream::once(async move {
        upstream.breaks.notified().await;
        given_up.answered();
        Ok::<_, io::Error>(answer)
    });
    let body = Body::from_stream(stream::iter([Ok(reports)]).chain(answer));
    (kind, body).into_response()
}

/// A beginning of an answer, which ends like this when the test says so.
fn breaking(
    upstream: Arc<Upstream>,
    kind: &'static str,
    beginning: String,
    end: io::Result<String>,
) -> Response {
    let end = stream::once(async move {
        upstream.breaks.notified().await;
        end
    });
    let body = Body::from_stream(stream::iter([Ok(beginning)]).chain(end));
    ([("content-type", kind)], body).into_response()
}

/// Why a connection breaks.
fn broken() -> io::Error {
    io::Error::other("broken")
}
