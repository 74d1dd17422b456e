//! What the client came for: tools.

use http::header;
use serde_json::{Value, json};
use url::Url;

use super::{
    Notes,
    mcp::{McpClient, McpError, PROTOCOL_VERSION},
    problem::Mismatch,
};

/// A client with a token.
pub(super) struct Calls {
    client: McpClient,
}

impl Calls {
    pub(super) fn new(gateway: &Url, access_token: &str) -> Self {
        let authorization = (header::AUTHORIZATION, format!("Bearer {access_token}"));
        Self {
            client: McpClient::new(gateway.clone(), vec![authorization]),
        }
    }

    /// `server/discover`.
    pub(super) async fn discover(&self, notes: &mut Notes) -> Result<(), Mismatch> {
        let result = self.request("server/discover", json!({})).await?;
        let versions: Vec<&str> = list(&result["supportedVersions"])
            .filter_map(Value::as_str)
            .collect();
        if !versions.contains(&PROTOCOL_VERSION) {
            let came = format!("it supports {}", versions.join(", "));
            let expected = format!("a gateway that supports MCP {PROTOCOL_VERSION}");
            return Err(Mismatch::new(expected, came, "Update the gateway."));
        }
        let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        let name = info["title"].as_str().or(info["name"].as_str());
        notes.add("name", name.unwrap_or("none"));
        notes.add("speaks MCP", versions.join(", "));
        Ok(())
    }

    /// `tools/list`.
    pub(super) async fn list(&self, notes: &mut Notes) -> Result<(), Mismatch> {
        let result = self.request("tools/list", json!({})).await?;
        let names: Vec<&str> = list(&result["tools"])
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        if !names.contains(&"whoami") {
            let came = format!("it has {}", names.join(", "));
            let remedy =
                "Check that the demo server is the gateway's only server and that its tools are allowed.";
            return Err(Mismatch::new("the tool whoami", came, remedy));
        }
        notes.add("tools", names.join(", "));
        Ok(())
    }

    /// The purpose of the whole flow: a server behind the gateway knows who called.
    pub(super) async fn whoami(&self, notes: &mut Notes) -> Result<(), Mismatch> {
        let result = self.call("whoami", json!({})).await?;
        let caller = &result["structuredContent"];
        if caller["subject"] != "ada-1815" {
            let came = format!("it says {}", caller["subject"]);
            let remedy = "Check the subject claim of the User Source: the demo uses sub.";
            return Err(Mismatch::new(
                "the server to know Ada by her subject",
                came,
                remedy,
            ));
        }
        notes.add(super::THE_SERVER_SAYS, words(&result));
        notes.add("confirmed by", "a signed assertion, verified by the server");
        Ok(())
    }

    /// A call that computes.
    pub(super) async fn add(&self, notes: &mut Notes) -> Result<(), Mismatch> {
        let result = self.call("add", json!({ "a": 2, "b": 40 })).await?;
        let sum = &result["structuredContent"]["sum"];
        if sum.as_f64() != Some(42.0) {
            let remedy =
                "Check the gateway's log: the gateway should forward arguments and results unchanged.";
            return Err(Mismatch::new("2 + 40 = 42", format!("it was {sum}"), remedy));
        }
        notes.add("2 + 40", "42");
        Ok(())
    }

    /// A call that repeats its input.
    pub(super) async fn echo(&self, notes: &mut Notes) -> Result<(), Mismatch> {
        let message = "Good morning, Grace.";
        let result = self.call("echo", json!({ "message": message })).await?;
        let said = words(&result);
        if said != message {
            let remedy =
                "Check the gateway's log: the gateway should forward arguments and results unchanged.";
            return Err(Mismatch::new(
                "the same words",
                format!("it said \"{said}\""),
                remedy,
            ));
        }
        notes.add("echo", said);
        Ok(())
    }

    async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Mismatch> {
        let params = json!({ "name": tool, "arguments": arguments });
        let result = self.request("tools/call", params).await?;
        if result["isError"] == true {
            let came = format!("it says: {}", words(&result));
            let remedy = "The message comes from the server: follow it, or check the gateway's log.";
            return Err(Mismatch::new(format!("a result of {tool}"), came, remedy));
        }
        Ok(result)
    }

    async fn request(&self, method: &str, params: Value) -> Result<Value, Mismatch> {
        self.client
            .request(method, params)
            .await
            .map_err(|error| match error {
                McpError::Loopback(error) => error.into(),
                McpError::Rpc { .. } | McpError::Status(_) | McpError::Unreadable => Mismatch::new(
                    format!("a result of {method}"),
                    format!("the response was {error}"),
                    "Check the gateway's log, and that the demo server still responds.",
                ),
            })
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The text of a tool's result.
fn words(result: &Value) -> String {
    let texts = list(&result["content"]).filter_map(|content| content["text"].as_str());
    texts.collect::<Vec<_>>().join(" ")
}
