//! Servers of both eras that have prompts and resources in addition to tools.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderValue, Response};
use serde_json::{Value, json};

use super::{
    body::FakeBody,
    net::{FakeServer, Received, json_answer, raw_param, tool},
};
use crate::wire::version::Era;

/// What a server has.
#[derive(Clone)]
pub(crate) struct Offers {
    /// What it declares.
    pub(crate) capabilities: Value,
    pub(crate) tools: Vec<Value>,
    pub(crate) prompts: Vec<Value>,
    pub(crate) resources: Vec<Value>,
    pub(crate) templates: Vec<Value>,
    /// `ttlMs` and `cacheScope` of its lists, in the stateless era.
    pub(crate) cache: (u64, &'static str),
    /// What its calls return, in addition to what they received.
    pub(crate) content: Value,
}

impl Default for Offers {
    fn default() -> Self {
        Self {
            capabilities: json!({"tools": {}, "prompts": {}, "resources": {}, "completions": {}}),
            tools: vec![tool("t")],
            prompts: Vec::new(),
            resources: Vec::new(),
            templates: Vec::new(),
            cache: (60_000, "public"),
            content: json!([]),
        }
    }
}

pub(crate) fn prompt(name: &str) -> Value {
    json!({"name": name, "arguments": [{"name": "a"}]})
}

pub(crate) fn resource(uri: &str) -> Value {
    json!({"uri": uri, "name": "r"})
}

pub(crate) fn template(template: &str) -> Value {
    json!({"uriTemplate": template, "name": "t"})
}

impl Offers {
    /// The answer to a request that both eras know, with further members at the front of the result.
    fn reply(&self, received: &Received, first: &str) -> Response<FakeBody> {
        let id = &received.json["id"];
        let list = match received.method() {
            "tools/list" => Some(("tools", &self.tools)),
            "prompts/list" => Some(("prompts", &self.prompts)),
            "resources/list" => Some(("resources", &self.resources)),
            "resources/templates/list" => Some(("resourceTemplates", &self.templates)),
            _ => None,
        };
        if let Some((member, list)) = list {
            let (ttl_ms, scope) = self.cache;
            let hints = if first.is_empty() {
                String::new()
            } else {
                format!(r#"{first}"ttlMs":{ttl_ms},"cacheScope":"{scope}","#)
            };
            let list = Value::from(list.clone());
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{hints}"{member}":{list}}}}}"#);
            return json_answer(200, &body);
        }
        let told: Vec<_> = ["name", "uri", "ref", "argument", "arguments"]
            .map(|member| format!(r#""{member}":{}"#, raw_param(received, member)))
            .into();
        let user = received.header("gatewright-assertion").unwrap_or("nobody");
        match received.method() {
            "tools/call" | "prompts/get" | "resources/read" | "completion/complete" => json_answer(
                200,
                &format!(
                    r#"{{"jsonrpc":"2.0","result":{{{first}"x-n":1.50e+3, "user":"{user}",{},"content":{}}},"id":{id}}}"#,
                    told.join(","),
                    self.content
                ),
            ),
            _ => json_answer(
                404,
                &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}})
                    .to_string(),
            ),
        }
    }

    /// A server of an era that has them.
    pub(crate) fn server(self, era: Era) -> Arc<FakeServer> {
        match era {
            Era::Modern => FakeServer::new(move |received| Ok(self.modern(received))),
            Era::Legacy => {
                let sessions = AtomicUsize::new(0);
                FakeServer::new(move |received| Ok(self.legacy(received, &sessions)))
            }
        }
    }

    fn modern(&self, received: &Received) -> Response<FakeBody> {
        assert_eq!(received.header("mcp-method"), Some(received.method()));
        let params = &received.json["params"];
        let named = match received.method() {
            "tools/call" | "prompts/get" => params["name"].as_str(),
            "resources/read" => params["uri"].as_str(),
            _ => None,
        };
        assert_eq!(received.header("mcp-name"), named);
        assert_eq!(
            params["_meta"]["io.modelcontextprotocol/protocolVersion"],
            "2026-07-28"
        );
        if received.method() == "server/discover" {
            let body = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {"resultType": "complete",
                "supportedVersions": ["2026-07-28"], "capabilities": self.capabilities, "ttlMs": 1, "cacheScope": "public"}});
            return json_answer(200, &body.to_string());
        }
        let first = match received.method() {
            "resources/read" => r#""resultType":"complete","ttlMs":7,"cacheScope":"public","#,
            _ => r#""resultType":"complete","#,
        };
        self.reply(received, first)
    }

    fn legacy(&self, received: &Received, sessions: &AtomicUsize) -> Response<FakeBody> {
        if received.method() == "initialize" {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            let body = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {"protocolVersion": "2025-11-25",
                "capabilities": self.capabilities, "serverInfo": {"name": "old", "version": "1"}}});
            let mut response = json_answer(200, &body.to_string());
            let session = HeaderValue::from_str(&format!("session-{number}")).unwrap();
            response.headers_mut().insert("mcp-session-id", session);
            return response;
        }
        if received.header("mcp-session-id").is_none() {
            let error =
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#;
            return json_answer(400, error);
        }
        assert_eq!(received.header("mcp-name"), None);
        if received.json.get("id").is_none() {
            return super::net::answer(202, "", FakeBody::of(&[]));
        }
        self.reply(received, "")
    }
}
