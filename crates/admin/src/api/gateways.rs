//! `/projects/{project}/gateways`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    gateway::{
        AllowedPrompt, AllowedResource, AllowedTool, Gateway, GatewaySettings, GatewayStatus, Mode,
        OfferedKinds, PrefixMode, RecordArguments, TrustedClient,
    },
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
};
use gatewright_store::gateway_list::GatewayFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    effects::{self, DryRun, EffectsResource},
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, changed, created, deleted, listed, shown},
    version::{Created, Precondition, Versioned},
};
use crate::{
    Admin, schema,
    service::{
        Version,
        gateways::{self as service, GatewayPatch, NewGateway},
    },
};

/// A gateway: an MCP endpoint that federates tools of several servers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gateway)]
pub(crate) struct GatewayResource {
    #[schema(value_type = String)]
    id: GatewayId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    name: String,
    description: String,
    /// Returned to clients as MCP `instructions`.
    instructions: String,
    /// Whether the `instructions` of its servers follow its own, quoted and under the ID of each.
    server_instructions: bool,
    slug: String,
    /// The URL to enter in clients; it is both issuer and audience.
    url: String,
    #[schema(schema_with = schema::mode)]
    authentication_mode: Mode,
    #[schema(value_type = Option<String>)]
    user_source_id: Option<UserSourceId>,
    #[schema(value_type = Vec<schema::TrustedClient>)]
    trusted_clients: Vec<TrustedClient>,
    /// Empty means all servers of the project.
    #[schema(value_type = Vec<String>)]
    servers: Vec<ServerId>,
    /// When the names of its tools and prompts begin with the prefix of their server. With `never`, the first of its servers
    /// that has a name serves it.
    #[schema(schema_with = schema::prefix_mode)]
    prefix_mode: PrefixMode,
    /// Which kinds it offers. It offers nothing of a kind that is turned off, even if its list has entries.
    #[schema(value_type = schema::OfferedKinds)]
    offers: OfferedKinds,
    /// Empty means all tools of those servers.
    #[schema(value_type = Vec<schema::AllowedTool>)]
    allowed_tools: Vec<AllowedTool>,
    /// Empty means all prompts of those servers.
    #[schema(value_type = Vec<schema::AllowedPrompt>)]
    allowed_prompts: Vec<AllowedPrompt>,
    /// Empty means all resources and resource templates of those servers.
    #[schema(value_type = Vec<schema::AllowedResource>)]
    allowed_resources: Vec<AllowedResource>,
    #[schema(schema_with = schema::status)]
    status: GatewayStatus,
    #[schema(value_type = schema::GatewaySettings)]
    settings: GatewaySettings,
    /// That it records the arguments of requests, and how; `null` if it does not.
    #[schema(value_type = Option<schema::RecordArguments>)]
    record_arguments: Option<RecordArguments>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

effects::changed! {
    /// A gateway that was changed, or what the change would affect.
    ChangedGateway, GatewayResource
}

impl Resource for GatewayResource {
    type Of = Gateway;

    fn version(gateway: &Gateway) -> Version {
        gateway.updated_at.into()
    }

    fn of(app: &Admin, gateway: Gateway) -> Self {
        Self {
            id: gateway.id,
            project_id: gateway.project_id,
            name: gateway.name,
            description: gateway.description,
            instructions: gateway.instructions,
            server_instructions: gateway.server_instructions,
            url: app.config.gateway_url(&gateway.slug),
            slug: gateway.slug,
            authentication_mode: gateway.authentication.mode(),
            user_source_id: gateway.authentication.user_source(),
            trusted_clients: gateway.trusted_clients,
            servers: gateway.servers,
            prefix_mode: gateway.prefix_mode,
            offers: gateway.offers,
            allowed_tools: gateway.allowed_tools,
            allowed_prompts: gateway.allowed_prompts,
            allowed_resources: gateway.allowed_resources,
            status: gateway.status,
            settings: gateway.settings,
            record_arguments: gateway.record_arguments,
            created_at: gateway.created_at,
            updated_at: gateway.updated_at,
        }
    }
}

/// Create a gateway
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/gateways",
    tag = "Gateways",
    request_body = NewGateway,
    responses((status = 201, body = GatewayResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_gateway(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Input(new): Input<NewGateway>,
) -> Result<Created<Versioned<GatewayResource>>, Problem> {
    let gateway = service::create(&app, &authority, project, new).await?;
    let list = format!("/api/v1/projects/{project}/gateways");
    Ok(created(&app, &list, gateway.id, gateway))
}

/// Which gateways to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only gateways whose name or slug contains this text.
    search: Option<String>,
    /// Only gateways of this mode.
    #[param(schema_with = schema::mode)]
    authentication_mode: Option<Mode>,
    /// Only gateways of this status.
    #[param(schema_with = schema::status)]
    status: Option<GatewayStatus>,
}

/// List gateways, oldest first
#[utoipa::path(get, path = "/api/v1/projects/{project}/gateways", tag = "Gateways", params(GatewayQuery), responses((status = 200, body = List<GatewayResource>)))]
pub(super) async fn list_gateways(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<GatewayQuery>,
) -> Result<List<GatewayResource>, Problem> {
    let page = Paging::request::<GatewayId>(query.limit, query.cursor)?;
    let filter = GatewayFilter {
        search: query.search.unwrap_or_default(),
        mode: query.authentication_mode,
        status: query.status,
    };
    let page = service::list(&app, &authority, project, &filter, &page).await?;
    Ok(listed(&app, page))
}

/// Read a gateway
#[utoipa::path(get, path = "/api/v1/projects/{project}/gateways/{gateway}", tag = "Gateways", responses((status = 200, body = GatewayResource)))]
pub(super) async fn get_gateway(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, GatewayId)>,
) -> Result<Versioned<GatewayResource>, Problem> {
    let gateway = service::find(&app, &authority, project, id).await?;
    Ok(shown(&app, gateway))
}

/// Change a gateway
#[utoipa::path(patch, path = "/api/v1/projects/{project}/gateways/{gateway}", tag = "Gateways", params(DryRun), request_body = GatewayPatch, responses((status = 200, body = ChangedGateway)))]
pub(super) async fn update_gateway(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, GatewayId)>,
    Precondition(if_match): Precondition,
    Parameters(dry): Parameters<DryRun>,
    Input(patch): Input<GatewayPatch>,
) -> Result<Response, Problem> {
    let done = service::update(&app, &authority, project, id, patch, &if_match, dry.run()).await?;
    Ok(changed::<GatewayResource>(&app, done))
}

/// Delete a gateway
#[utoipa::path(delete, path = "/api/v1/projects/{project}/gateways/{gateway}", tag = "Gateways", params(DryRun), responses((status = 204, description = "Deleted."), (status = 200, body = EffectsResource, description = "`?dry_run=true`: what would go.")))]
pub(super) async fn delete_gateway(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, GatewayId)>,
    Precondition(if_match): Precondition,
    Parameters(dry): Parameters<DryRun>,
) -> Result<Response, Problem> {
    let done = service::delete(&app, &authority, project, id, &if_match, dry.run()).await?;
    Ok(deleted(done))
}

/// Delete all arguments that a gateway has recorded
///
/// It goes on recording if it does. Calls of the last two seconds may still be written afterwards.
#[utoipa::path(delete, path = "/api/v1/projects/{project}/gateways/{gateway}/recorded-arguments", tag = "Gateways", responses((status = 204, description = "Deleted.")))]
pub(super) async fn delete_recorded_arguments(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, GatewayId)>,
) -> Result<StatusCode, Problem> {
    service::delete_arguments(&app, &authority, project, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
