//! `/projects/{project}/gateways/{gateway}/tool-calls`, and the same for prompts and resources.

use std::sync::Arc;

use axum::{Json, extract::State};
use gatewright_domain::id::{GatewayId, ProjectId, ServerId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    problem::Problem,
};
use crate::{
    Admin,
    resource_server::{Outcome, Report, Tried},
    service::{
        Authority,
        try_tool::{self as service, PromptRequest, Request, ResourceRequest, ToolCall},
    },
};

/// The result of calling a tool, getting a prompt or reading a resource.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriedTool)]
pub(crate) struct TriedToolResource {
    /// What the server returned (MCP, `CallToolResult`, `GetPromptResult`, `ReadResourceResult` or `InputRequiredResult`), which
    /// can say that a tool failed; null if there was no response.
    #[schema(value_type = Option<Object>, required = true)]
    result: Option<Value>,
    /// Why there was no response; null if there was one.
    #[schema(required = true)]
    error: Option<CallFailure>,
    /// What the server reported before it responded: progress and log messages, at most the first hundred.
    reports: Vec<ReportResource>,
    /// How long it took, in milliseconds.
    duration_ms: f64,
    /// The server it was sent to; null if it was not sent.
    #[schema(required = true)]
    server: Option<CalledServer>,
    /// What that server received about the caller.
    told: ToldResource,
}

/// What a server reported while it was working. Its texts are the server's own, cut.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriedReport)]
pub(crate) struct ReportResource {
    /// The progress so far; null for a log message.
    #[schema(required = true)]
    progress: Option<f64>,
    /// The total, if it is known.
    #[schema(required = true)]
    total: Option<f64>,
    /// The level of a log message, like `info`; null for progress.
    #[schema(required = true)]
    level: Option<String>,
    /// In words.
    #[schema(required = true)]
    message: Option<String>,
}

impl From<Report> for ReportResource {
    fn from(report: Report) -> Self {
        match report {
            Report::Progress {
                progress,
                total,
                message,
            } => Self {
                progress: Some(progress),
                total,
                level: None,
                message,
            },
            Report::Log { level, text } => Self {
                progress: None,
                total: None,
                level: Some(level),
                message: Some(text),
            },
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallFailure {
    /// The error code of JSON-RPC, if the server returned one.
    #[schema(required = true)]
    code: Option<i64>,
    /// What happened, in words.
    message: String,
}

/// The server a call went to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CalledServer {
    #[schema(value_type = String)]
    id: ServerId,
    slug: String,
    name: String,
}

/// What a server received in addition to the call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToldServer)]
pub(crate) struct ToldResource {
    /// The claims of the identity assertion, for a server that gets one. `act` names who called in the user's name
    /// (RFC 8693 section 4.1).
    #[schema(value_type = Option<Object>, required = true)]
    claims: Option<Map<String, Value>>,
    /// The headers that the gateway added, by name.
    headers: Vec<String>,
}

fn resource(tried: Tried) -> TriedToolResource {
    let (result, error) = match tried.outcome {
        Outcome::Result(raw) => match serde_json::from_str(raw.get()) {
            Ok(result) => (Some(result), None),
            Err(_) => (
                None,
                Some((None, "The answer is nested too deeply to be shown.".to_owned())),
            ),
        },
        Outcome::Error { code, message } => (None, Some((Some(code), message))),
        Outcome::Late => (None, Some((None, "There was no answer in time.".to_owned()))),
        Outcome::TooLarge => (None, Some((None, "The answer is larger than 4 MiB.".to_owned()))),
        Outcome::Broken => (
            None,
            Some((None, "The answer broke off or is not MCP.".to_owned())),
        ),
    };
    TriedToolResource {
        result,
        error: error.map(|(code, message)| CallFailure { code, message }),
        reports: tried.reports.into_iter().map(ReportResource::from).collect(),
        duration_ms: (tried.duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0,
        server: tried.server.map(|entry| CalledServer {
            id: entry.server.id,
            slug: entry.server.slug.clone(),
            name: entry.server.name.clone(),
        }),
        told: ToldResource {
            claims: tried.told.claims,
            headers: tried.told.headers,
        },
    }
}

async fn ask(
    app: &Arc<Admin>,
    authority: &Authority,
    (project, gateway): (ProjectId, GatewayId),
    request: &Request,
) -> Result<Json<TriedToolResource>, Problem> {
    let tried = service::ask(app, authority, project, gateway, request, &|_| {}).await?;
    Ok(Json(resource(tried)))
}

/// Call a tool of a gateway, as a client of one of its users would, and see what its server received
///
/// It works like a request from a client, with the same tools, servers and limits. Servers that receive the user's
/// identity see in the claim `act` who called on the user's behalf. The audit log contains the tool and the user, but
/// neither arguments nor results.
///
/// A server can ask for input by a form or a URL: `result` then has `resultType: input_required`, with `inputRequests`
/// and `requestState` (MCP 2026-07-28). Make the same request again, with `input_responses` and `request_state`; the
/// audit trail records what was done with each question, but not the answer. A call whose server waits for the answer is
/// held for ten minutes.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/gateways/{gateway}/tool-calls",
    tag = "Tool calls",
    request_body = ToolCall,
    responses((status = 200, body = TriedToolResource))
)]
pub(super) async fn call_tool(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Input(call): Input<ToolCall>,
) -> Result<Json<TriedToolResource>, Problem> {
    ask(&app, &authority, (project, gateway), &Request::Tool(call)).await
}

/// Get a prompt of a gateway, as a client of one of its users would
///
/// The same rules apply as for calling a tool: what servers learn about the caller, what the audit trail records, and the limits.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/gateways/{gateway}/prompt-requests",
    tag = "Tool calls",
    request_body = PromptRequest,
    responses((status = 200, body = TriedToolResource))
)]
pub(super) async fn request_prompt(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Input(request): Input<PromptRequest>,
) -> Result<Json<TriedToolResource>, Problem> {
    ask(&app, &authority, (project, gateway), &Request::Prompt(request)).await
}

/// Read a resource at a gateway, as a client of one of its users would
///
/// The same rules apply as for calling a tool. The audit trail records the URI.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/gateways/{gateway}/resource-requests",
    tag = "Tool calls",
    request_body = ResourceRequest,
    responses((status = 200, body = TriedToolResource))
)]
pub(super) async fn request_resource(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Input(request): Input<ResourceRequest>,
) -> Result<Json<TriedToolResource>, Problem> {
    ask(&app, &authority, (project, gateway), &Request::Resource(request)).await
}
