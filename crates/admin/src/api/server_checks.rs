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
    relying_party::check::Finding,
    service::server_checks::{
        self as service, Answered, LeftOut, Listed, Prompt, PromptArgument, Resource, ServerCheck, ShownAs,
        Tool,
    },
};

/// The result of a check of a server. The check does not act for a user, so what the server shows only to some users is
/// missing here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServerCheck)]
pub(crate) struct ServerCheckResource {
    /// When it was checked.
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    /// Whether it can be used.
    answers: bool,
    /// Why it cannot be used, and what to do; null when it can.
    #[schema(required = true)]
    problem: Option<Warning>,
    /// The protocol version that it uses with the gateway, like `2026-07-28`.
    #[schema(required = true)]
    protocol_version: Option<&'static str>,
    /// The name reported by the server.
    #[schema(required = true)]
    server_name: Option<String>,
    /// Its own version.
    #[schema(required = true)]
    server_version: Option<String>,
    /// The capabilities that it declares: some of `tools`, `prompts`, `resources`, `completions` and `logging`.
    capabilities: Vec<&'static str>,
    /// How long it took to list its tools, in milliseconds.
    #[schema(required = true)]
    listed_in_ms: Option<u64>,
    /// Its tools, in its order. Texts are its own, cut and without invisible characters.
    tools: Vec<ServerTool>,
    /// Entries of its list that are not usable tools; gateways leave them out. At most the first hundred.
    left_out: Vec<LeftOutTool>,
    /// Whether it lists more tools than Gatewright reads from one server.
    truncated: bool,
    /// Its prompts, in its order; empty if it declares none.
    prompts: Vec<ServerPrompt>,
    /// Its resources, in the same way.
    resources: Vec<ServerResource>,
    /// Its resource templates, in the same way.
    resource_templates: Vec<ServerResourceTemplate>,
    /// What to improve although it can be used: a deprecated transport, and why its prompts, resources or resource
    /// templates could not be listed.
    warnings: Vec<Warning>,
}

/// A tool of a server. What the server says about it is unverified.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerTool {
    /// Its name at the server, as `allowed_tools` of a gateway names it.
    name: String,
    shown_as: ShownNames,
    #[schema(required = true)]
    title: Option<String>,
    description: String,
    /// It says that it changes nothing.
    read_only: bool,
    /// It says whether it may destroy something; null when it does not say.
    #[schema(required = true)]
    destructive: Option<bool>,
    /// It says that repeating it has no further effect.
    idempotent: bool,
    /// It says whether it reaches beyond itself; null when it does not say.
    #[schema(required = true)]
    open_world: Option<bool>,
}

/// The names under which clients see a tool or prompt: letters, digits, `_` and `-`, 64 at most. A name that is longer or has
/// other characters is changed, and ends in `_x` and ten digits that are always the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownNames {
    /// At gateways that do not add a prefix.
    without_prefix: String,
    /// At gateways that do.
    with_prefix: String,
}

impl ShownNames {
    fn of(shown: &ShownAs) -> Self {
        Self {
            without_prefix: shown.without_prefix.to_string(),
            with_prefix: shown.with_prefix.to_string(),
        }
    }
}

/// A prompt of a server. What the server says about it is unverified.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerPrompt {
    /// Its name at the server, as `allowed_prompts` of a gateway names it.
    name: String,
    shown_as: ShownNames,
    #[schema(required = true)]
    title: Option<String>,
    description: String,
    /// What it can be filled in with.
    arguments: Vec<ServerPromptArgument>,
}

/// An argument of a prompt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerPromptArgument {
    name: String,
    description: String,
    /// It says that a value is required.
    required: bool,
}

/// A resource of a server. What the server says about it is unverified.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerResource {
    /// Its URI, as `allowed_resources` of a gateway names it.
    uri: String,
    name: String,
    #[schema(required = true)]
    title: Option<String>,
    description: String,
    /// Its media type, like `text/plain`.
    #[schema(required = true)]
    mime_type: Option<String>,
}

/// A resource template of a server: it describes every URI that matches it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerResourceTemplate {
    /// Its URI template (RFC 6570), as `uri` in `allowed_resources` of a gateway names it.
    uri_template: String,
    name: String,
    #[schema(required = true)]
    title: Option<String>,
    description: String,
    /// Their media type, like `text/plain`.
    #[schema(required = true)]
    mime_type: Option<String>,
}

/// An entry that is not a usable tool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeftOutTool {
    /// Its name, if it has one.
    #[schema(required = true)]
    name: Option<String>,
    /// Why it is left out.
    reason: String,
}

/// Read the state and the tools of a server: as known from a moment ago, otherwise by asking it now
#[utoipa::path(get, path = "/api/v1/projects/{project}/servers/{server}/check", tag = "Servers", responses((status = 200, body = ServerCheckResource)))]
pub(super) async fn get_server_check(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, ServerId)>,
) -> Result<Json<ServerCheckResource>, Problem> {
    let check = service::look(&app, &authority, project, id).await?;
    Ok(Json(resource(&check)))
}

/// Check a server now, and list its tools
#[utoipa::path(post, path = "/api/v1/projects/{project}/servers/{server}/check", tag = "Servers", responses((status = 200, body = ServerCheckResource, description = "The result, even if the server does not answer.")))]
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
    ServerCheckResource {
        checked_at: check.at,
        answers: check.answers(),
        problem: check.outcome.as_ref().err().cloned().map(Warning::from),
        protocol_version: answered.map(|answered| answered.protocol.as_str()),
        server_name: answered.and_then(|answered| said(&answered.called)),
        server_version: answered.and_then(|answered| said(&answered.version)),
        listed_in_ms: answered
            .map(|answered| u64::try_from(answered.listed_in.as_millis()).unwrap_or(u64::MAX)),
        tools: answered.map_or_else(Vec::new, |answered| answered.tools.iter().map(tool).collect()),
        left_out: answered.map_or_else(Vec::new, |answered| {
            answered.left_out.iter().map(left_out).collect()
        }),
        truncated: answered.is_some_and(|answered| answered.is_cut),
        capabilities: answered.map_or_else(Vec::new, |answered| answered.declares().collect()),
        prompts: each(answered, |answered| &answered.prompts, prompt),
        resources: each(answered, |answered| &answered.resources, of_resource),
        resource_templates: each(answered, |answered| &answered.resource_templates, template),
        warnings: answered.map_or_else(Vec::new, |answered| {
            let problems = answered.problems().cloned();
            answered
                .deprecation()
                .into_iter()
                .chain(problems)
                .map(Warning::from)
                .collect()
        }),
    }
}

/// What a server lists of a kind; `None` if that is not known.
fn each<T, R>(
    answered: Option<&Answered>,
    list: impl Fn(&Answered) -> &Result<Listed<T>, Finding>,
    shown: impl Fn(&T) -> R,
) -> Vec<R> {
    let list = answered.and_then(|answered| list(answered).as_ref().ok());
    list.map_or_else(Vec::new, |list| list.items.iter().map(shown).collect())
}

fn prompt(prompt: &Prompt) -> ServerPrompt {
    let argument = |argument: &PromptArgument| ServerPromptArgument {
        name: argument.name.clone(),
        description: argument.description.clone(),
        required: argument.is_required,
    };
    ServerPrompt {
        name: prompt.name.clone(),
        shown_as: ShownNames::of(&prompt.shown_as),
        title: prompt.title.clone(),
        description: prompt.description.clone(),
        arguments: prompt.arguments.iter().map(argument).collect(),
    }
}

fn of_resource(resource: &Resource) -> ServerResource {
    ServerResource {
        uri: resource.uri.clone(),
        name: resource.name.clone(),
        title: resource.title.clone(),
        description: resource.description.clone(),
        mime_type: said(&resource.mime_type),
    }
}

fn template(template: &Resource) -> ServerResourceTemplate {
    ServerResourceTemplate {
        uri_template: template.uri.clone(),
        name: template.name.clone(),
        title: template.title.clone(),
        description: template.description.clone(),
        mime_type: said(&template.mime_type),
    }
}

/// A text that can be empty if the server does not say.
fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn tool(tool: &Tool) -> ServerTool {
    ServerTool {
        name: tool.name.clone(),
        shown_as: ShownNames::of(&tool.shown_as),
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
