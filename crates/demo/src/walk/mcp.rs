//! A client of MCP 2026-07-28 over Streamable HTTP: every request carries its own version, name and capabilities.

use bytes::Bytes;
use http::{HeaderName, Method, Response, header};
use serde_json::{Value, json};
use url::Url;

use crate::loopback::{self, LoopbackError};

/// The supported revision.
pub(crate) const PROTOCOL_VERSION: &str = "2026-07-28";

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum McpError {
    /// No answer.
    #[error(transparent)]
    Loopback(#[from] LoopbackError),
    /// A JSON-RPC error.
    #[error("JSON-RPC error {code}: {message}")]
    Rpc {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
    },
    /// Another status than success, without a JSON-RPC error.
    #[error("HTTP {0}")]
    Status(http::StatusCode),
    /// Success that cannot be read.
    #[error("a response that is neither a JSON-RPC response nor an event stream with one")]
    Unreadable,
}

/// A client of one endpoint.
#[derive(Clone)]
pub(crate) struct McpClient {
    endpoint: Url,
    headers: Vec<(HeaderName, String)>,
}

impl McpClient {
    /// A client that sends `headers` with every request.
    pub(crate) const fn new(endpoint: Url, headers: Vec<(HeaderName, String)>) -> Self {
        Self { endpoint, headers }
    }

    /// Sends a request and returns its result.
    pub(crate) async fn request(&self, method: &str, params: Value) -> Result<Value, McpError> {
        read(&self.send(method, params).await?)
    }

    /// Sends a request and returns the HTTP response unchanged.
    pub(crate) async fn send(
        &self,
        method: &str,
        mut params: Value,
    ) -> Result<Response<Bytes>, LoopbackError> {
        let mut headers = self.headers.clone();
        headers.extend([
            (header::ACCEPT, "application/json, text/event-stream".into()),
            (header::CONTENT_TYPE, "application/json".into()),
            (
                HeaderName::from_static("mcp-protocol-version"),
                PROTOCOL_VERSION.into(),
            ),
            (HeaderName::from_static("mcp-method"), method.into()),
        ]);
        if let Some(name) = params["name"].as_str() {
            headers.push((HeaderName::from_static("mcp-name"), name.into()));
        }
        let meta = [
            ("io.modelcontextprotocol/protocolVersion", json!(PROTOCOL_VERSION)),
            (
                "io.modelcontextprotocol/clientInfo",
                json!({ "name": "gatewright-demo-walk", "version": env!("CARGO_PKG_VERSION") }),
            ),
            ("io.modelcontextprotocol/clientCapabilities", json!({})),
        ];
        for (key, value) in meta {
            params["_meta"][key] = value;
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        loopback::send(Method::POST, &self.endpoint, &headers, body.to_string()).await
    }
}

/// The result in an answer, which is one JSON object or a stream of events that ends with it.
pub(crate) fn read(answer: &Response<Bytes>) -> Result<Value, McpError> {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let message = if is_stream {
        messages(answer.body()).into_iter().find(is_response)
    } else {
        serde_json::from_slice(answer.body()).ok().filter(is_response)
    };
    match message {
        Some(mut message) if message.get("error").is_some() => {
            let error = message["error"].take();
            Err(McpError::Rpc {
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
            })
        }
        Some(mut message) => Ok(message["result"].take()),
        None if answer.status().is_success() => Err(McpError::Unreadable),
        None => Err(McpError::Status(answer.status())),
    }
}

fn is_response(message: &Value) -> bool {
    message.get("result").is_some() || message.get("error").is_some()
}

/// The JSON messages of an event stream.
pub(crate) fn messages(stream: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n");
    let data = |event: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    };
    text.split("\n\n")
        .filter_map(|event| serde_json::from_str(&data(event)).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, body: &'static str) -> Response<Bytes> {
        Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, kind)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap()
    }

    #[test]
    fn a_result_is_found_in_json_and_behind_notifications_in_a_stream() {
        let json = answer(
            200,
            "application/json",
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#,
        );
        assert_eq!(read(&json).unwrap(), json!({ "a": 1 }));
        let stream = answer(
            200,
            "text/event-stream; charset=utf-8",
            ": hello\n\nid: 0\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n\
             event: message\r\ndata: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":1,\"result\":{\"a\":2}}\r\n\r\n",
        );
        assert_eq!(read(&stream).unwrap(), json!({ "a": 2 }));
    }

    #[test]
    fn an_error_is_distinguished_from_a_status() {
        let error = answer(
            404,
            "application/json",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#,
        );
        assert!(matches!(read(&error), Err(McpError::Rpc { code: -32601, .. })));
        let page = answer(502, "text/html", "<h1>");
        assert!(matches!(read(&page), Err(McpError::Status(status)) if status == 502));
        let empty = answer(200, "text/html", "<h1>");
        assert!(matches!(read(&empty), Err(McpError::Unreadable)));
    }
}
