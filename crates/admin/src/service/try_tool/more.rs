//! Getting a prompt and reading a resource, as a client of a user would.

use std::{collections::BTreeMap, sync::Arc};

use gatewright_domain::{
    Invalid,
    id::{GatewayId, ProjectId},
};
use gatewright_mcp::uri_template::URI_MAX;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Asked, NAME_MAX, ask};
use crate::{
    Admin,
    resource_server::Tried,
    service::{Authority, ServiceError},
};

/// A prompt to get.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromptRequest {
    /// The prompt, by the name that clients see.
    #[schema(required = true, min_length = 1, max_length = 512)]
    #[serde(default)]
    pub prompt: String,
    /// What it is filled in with.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// For whom, as for a call of a tool.
    #[serde(default)]
    pub user: Option<String>,
}

/// A resource to read.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceRequest {
    /// Its URI: one that a server lists, or that a resource template stands for.
    #[schema(required = true, min_length = 1, max_length = 2048)]
    #[serde(default)]
    pub uri: String,
    /// For whom, as for a call of a tool.
    #[serde(default)]
    pub user: Option<String>,
}

/// Gets a prompt. What the server makes of it is no error here.
pub(crate) async fn get_prompt(
    app: &Arc<Admin>,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    request: PromptRequest,
) -> Result<Tried, ServiceError> {
    let params = if request.prompt.is_empty() || request.prompt.len() > NAME_MAX {
        Err(Invalid::one(
            "/prompt",
            "Name a prompt of the gateway, as its clients see it.",
        ))
    } else {
        let arguments = json!(request.arguments);
        Ok(format!(
            r#""name":{},"arguments":{arguments}"#,
            Value::from(request.prompt.as_str())
        ))
    };
    let asked = Asked {
        method: "prompts/get",
        params,
        verb: "prompt_tried",
        what: ("prompt", &request.prompt),
        user: request.user.as_deref(),
    };
    ask(app, authority, project, gateway, asked).await
}

/// Reads a resource. What the server makes of it is no error here.
pub(crate) async fn read_resource(
    app: &Arc<Admin>,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    request: ResourceRequest,
) -> Result<Tried, ServiceError> {
    let params = if request.uri.is_empty() || request.uri.len() > URI_MAX {
        Err(Invalid::one(
            "/uri",
            format!("Enter the URI of a resource, {URI_MAX} bytes at most, like `file:///notes.txt`."),
        ))
    } else {
        Ok(format!(r#""uri":{}"#, Value::from(request.uri.as_str())))
    };
    let asked = Asked {
        method: "resources/read",
        params,
        verb: "resource_tried",
        what: ("resource", &request.uri),
        user: request.user.as_deref(),
    };
    ask(app, authority, project, gateway, asked).await
}
