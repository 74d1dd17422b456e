//! `/projects/{project}/servers`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, ServerId},
    server::{CustomHeader, IdentityForwarding, ProtocolChoice, Server},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, created, listed, shown},
    user_sources::Warning,
    version::{Created, Precondition, Versioned},
};
use crate::{
    Admin, schema,
    service::{
        Saved, Version,
        servers::{self as service, NewServer, ServerPatch},
    },
};

/// An upstream MCP server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Server)]
pub(crate) struct ServerResource {
    #[schema(value_type = String)]
    id: ServerId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    slug: String,
    /// What the names of its tools and prompts begin with when a gateway adds a prefix; null if that is the slug.
    #[schema(required = true)]
    prefix: Option<String>,
    name: String,
    url: String,
    timeout_ms: u32,
    retries: u8,
    /// Values refer to secrets by name and do not contain the secrets' values.
    #[schema(value_type = Vec<schema::CustomHeader>)]
    headers: Vec<CustomHeader>,
    #[schema(schema_with = schema::identity)]
    identity: IdentityForwarding,
    #[schema(schema_with = schema::protocol)]
    protocol: ProtocolChoice,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A server that was just saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedServer {
    #[serde(flatten)]
    server: ServerResource,
    /// Warnings from asking the server, for example that it does not respond; they do not prevent saving.
    warnings: Vec<Warning>,
}

/// Which servers to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only servers whose name, slug or URL contains this text.
    search: Option<String>,
}

impl Resource for ServerResource {
    type Of = Server;

    fn version(server: &Server) -> Version {
        server.updated_at.into()
    }

    fn of(_: &Admin, server: Server) -> Self {
        Self {
            id: server.id,
            project_id: server.project_id,
            slug: server.slug,
            prefix: server.prefix,
            name: server.name,
            url: server.url,
            timeout_ms: server.timeout_ms,
            retries: server.retries,
            headers: server.headers,
            identity: server.identity,
            protocol: server.protocol,
            created_at: server.created_at,
            updated_at: server.updated_at,
        }
    }
}

impl Resource for SavedServer {
    type Of = Saved<Server>;

    fn version(saved: &Saved<Server>) -> Version {
        ServerResource::version(&saved.entity)
    }

    fn of(app: &Admin, saved: Saved<Server>) -> Self {
        Self {
            server: ServerResource::of(app, saved.entity),
            warnings: saved.warnings.into_iter().map(Warning::from).collect(),
        }
    }
}

/// Create a server
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/servers",
    tag = "Servers",
    request_body = NewServer,
    responses((status = 201, body = SavedServer, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_server(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Input(new): Input<NewServer>,
) -> Result<Created<Versioned<SavedServer>>, Problem> {
    let saved = service::create(&app, &authority, project, new).await?;
    let list = format!("/api/v1/projects/{project}/servers");
    Ok(created(&app, &list, saved.entity.id, saved))
}

/// List servers, oldest first
#[utoipa::path(get, path = "/api/v1/projects/{project}/servers", tag = "Servers", params(ServerQuery), responses((status = 200, body = List<ServerResource>)))]
pub(super) async fn list_servers(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<ServerQuery>,
) -> Result<List<ServerResource>, Problem> {
    let page = Paging::request::<ServerId>(query.limit, query.cursor)?;
    let page = match query.search {
        Some(text) => service::search(&app, &authority, project, &text, &page).await?,
        None => service::list(&app, &authority, project, &page).await?,
    };
    Ok(listed(&app, page))
}

/// Read a server
#[utoipa::path(get, path = "/api/v1/projects/{project}/servers/{server}", tag = "Servers", responses((status = 200, body = ServerResource)))]
pub(super) async fn get_server(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, ServerId)>,
) -> Result<Versioned<ServerResource>, Problem> {
    let server = service::find(&app, &authority, project, id).await?;
    Ok(shown(&app, server))
}

/// Change a server
#[utoipa::path(patch, path = "/api/v1/projects/{project}/servers/{server}", tag = "Servers", request_body = ServerPatch, responses((status = 200, body = SavedServer)))]
pub(super) async fn update_server(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, ServerId)>,
    Precondition(if_match): Precondition,
    Input(patch): Input<ServerPatch>,
) -> Result<Versioned<SavedServer>, Problem> {
    let saved = service::update(&app, &authority, project, id, patch, &if_match).await?;
    Ok(shown(&app, saved))
}

/// Delete a server
#[utoipa::path(delete, path = "/api/v1/projects/{project}/servers/{server}", tag = "Servers", responses((status = 204, description = "Deleted.")))]
pub(super) async fn delete_server(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, ServerId)>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &authority, project, id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}
