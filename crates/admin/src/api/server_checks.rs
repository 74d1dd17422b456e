//! `/projects/{project}/servers/{server}/check`.

use std::sync::Arc;

use axum::{Json, extract::State};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, ServerId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{authenticate::Caller, input::Ids, problem::Problem, user_sources::Warning};
use crate::{
    Admin,
    service::server_checks::{self as service, LeftOut, ServerCheck, Tool},
};

/// What came of asking a server what it is. It is asked without any user, so what it shows to single users only is not here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServerCheck)]
pub struct ServerCheckResource {
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    /// Whether it can be used.
    answers: bool,
    /// Why it cannot be used, and what to do; null when it can.
    #[schema(required = true)]
    problem: Option<Warning>,
    /// The revision of MCP it speaks with the gateway, like `2026-07-28`.
    #[schema(required = true)]
    protocol_version: Option<&'static str>,
    /// What it calls itself.
    #[schema(required = true)]
    server_name: Option<String>,
    /// Its own version.
    #[schema(required = true)]
    server_version: Option<String>,
    /// How long it took to list its tools, in milliseconds.
    #[schema(required = true)]
    listed_in_ms: Option<u64>,
    /// Its tools, in its order. Texts are its own, cut and without characters that cannot be seen.
    tools: Vec<ServerTool>,
    /// Entries of its list that are no usable tools; gateways leave them out. The first hundred.
    left_out: Vec<LeftOutTool>,
    /// Whether it lists more tools than are taken from one server.
    truncated: bool,
}

/// A tool of a server. What is said of it are claims of the server.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerTool {
    name: String,
    #[schema(required = true)]
    title: Option<String>,
    description: String,
    /// It says that it changes nothing.
    read_only: bool,
    /// It says whether it may destroy something; null when it does not say.
    #[schema(required = true)]
    destructive: Option<bool>,
    /// It says that doing it twice does no more than once.
    idempotent: bool,
    /// It says whether it reaches beyond itself; null when it does not say.
    #[schema(required = true)]
    open_world: Option<bool>,
}

/// An entry that is no usable tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftOutTool {
    /// Its name, where it has one.
    #[schema(required = true)]
    name: Option<String>,
    /// Why it is left out.
    reason: String,
}

/// See what a server is and which tools it has: as it was seen a moment ago, or else asked now
#[utoipa::path(get, path = "/api/v1/projects/{project}/servers/{server}/check", tag = "Servers", responses((status = 200, body = ServerCheckResource)))]
pub(super) async fn get_server_check(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, ServerId)>,
) -> Result<Json<ServerCheckResource>, Problem> {
    let check = service::look(&app, &authority, project, id).await?;
    Ok(Json(resource(&check)))
}

/// Ask a server now what it is and which tools it has
#[utoipa::path(post, path = "/api/v1/projects/{project}/servers/{server}/check", tag = "Servers", responses((status = 200, body = ServerCheckResource, description = "What came of it, also where the server does not answer.")))]
pub(super) async fn check_server(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, ServerId)>,
) -> Result<Json<ServerCheckResource>, Problem> {
    let check = service::check(&app, &authority, project, id).await?;
    Ok(Json(resource(&check)))
}

fn resource(check: &ServerCheck) -> ServerCheckResource {
    let answered = check.outcome.as_ref().ok();
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    ServerCheckResource {
        checked_at: check.at,
        answers: check.answers(),
        problem: check.outcome.as_ref().err().cloned().map(Warning::from),
        protocol_version: answered.map(|answered| answered.protocol.as_str()),
        server_name: answered.and_then(|answered| text(&answered.called)),
        server_version: answered.and_then(|answered| text(&answered.version)),
        listed_in_ms: answered
            .map(|answered| u64::try_from(answered.listed_in.as_millis()).unwrap_or(u64::MAX)),
        tools: answered.map_or_else(Vec::new, |answered| answered.tools.iter().map(tool).collect()),
        left_out: answered.map_or_else(Vec::new, |answered| {
            answered.left_out.iter().map(left_out).collect()
        }),
        truncated: answered.is_some_and(|answered| answered.is_cut),
    }
}

fn tool(tool: &Tool) -> ServerTool {
    ServerTool {
        name: tool.name.clone(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        read_only: tool.is_read_only,
        destructive: tool.is_destructive,
        idempotent: tool.is_idempotent,
        open_world: tool.is_open_world,
    }
}

fn left_out(entry: &LeftOut) -> LeftOutTool {
    LeftOutTool {
        name: entry.name.clone(),
        reason: entry.reason.clone(),
    }
}
