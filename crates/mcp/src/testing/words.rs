//! What clients say and read, for the tests through all layers.

use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;

use crate::{endpoint::answer::Answer, testing::body::FakeBody};

pub(crate) fn legacy_headers(session: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    if let Some(session) = session {
        headers.insert("mcp-session-id", HeaderValue::from_str(session).unwrap());
        headers.insert("mcp-protocol-version", HeaderValue::from_static("2025-11-25"));
    }
    headers
}

pub(crate) fn modern_headers(method: &str, name: Option<&str>) -> HeaderMap {
    let mut headers = legacy_headers(None);
    headers.insert("mcp-protocol-version", HeaderValue::from_static("2026-07-28"));
    headers.insert("mcp-method", HeaderValue::from_str(method).unwrap());
    if let Some(name) = name {
        headers.insert("mcp-name", HeaderValue::from_str(name).unwrap());
    }
    headers
}

/// `_meta` of a request of the stateless era, with further members.
pub(crate) fn meta(more: &str) -> String {
    format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"c","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}{more}}}"#
    )
}

/// Reads an answer to its end.
pub(crate) async fn read(response: Response<Answer<FakeBody>>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The data of the events in a text that hold any: one without names the stream only.
pub(crate) fn events(text: &str) -> Vec<String> {
    text.split("\n\n")
        .filter_map(|event| {
            event
                .lines()
                .find_map(|line| line.strip_prefix("data: ").or_else(|| line.strip_prefix("data:")))
        })
        .filter(|data| !data.is_empty())
        .map(str::to_owned)
        .collect()
}
