//! `/projects`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use gatewright_domain::{Timestamp, id::ProjectId, project::Project};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::{Details, Problem},
    resource::{Resource, created, listed, shown},
    version::{Created, Precondition, Versioned},
};
use crate::{
    Admin,
    service::{
        Version,
        projects::{self as service, Deletion, NewProject, ProjectPatch},
    },
};

/// A project: the unit of isolation and trust.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectResource {
    #[schema(value_type = String)]
    id: ProjectId,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl Resource for ProjectResource {
    type Of = Project;

    fn version(project: &Project) -> Version {
        project.updated_at.into()
    }

    fn of(_: &Admin, project: Project) -> Self {
        Self {
            id: project.id,
            name: project.name,
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}

/// Create a project
///
/// Needs an instance key, which can then create the project's first key.
#[utoipa::path(
    post,
    path = "/api/v1/projects",
    tag = "Projects",
    request_body = NewProject,
    responses((status = 201, body = ProjectResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_project(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Input(new): Input<NewProject>,
) -> Result<Created<Versioned<ProjectResource>>, Problem> {
    let project = service::create(&app, &authority, new).await?;
    Ok(created(&app, "/api/v1/projects", project.id, project))
}

/// List projects, oldest first
///
/// All projects for an instance key; its own for a key of a project.
#[utoipa::path(
    get,
    path = "/api/v1/projects",
    tag = "Projects",
    params(Paging),
    responses((status = 200, body = List<ProjectResource>))
)]
pub(super) async fn list_projects(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<ProjectResource>, Problem> {
    let page = Paging::request::<ProjectId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, &page).await?;
    Ok(listed(&app, page))
}

/// Read a project
#[utoipa::path(get, path = "/api/v1/projects/{project}", tag = "Projects", responses((status = 200, body = ProjectResource)))]
pub(super) async fn get_project(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
) -> Result<Versioned<ProjectResource>, Problem> {
    Ok(shown(&app, service::find(&app, &authority, project).await?))
}

/// Rename a project
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{project}",
    tag = "Projects",
    request_body = ProjectPatch,
    responses((status = 200, body = ProjectResource))
)]
pub(super) async fn update_project(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Precondition(if_match): Precondition,
    Input(patch): Input<ProjectPatch>,
) -> Result<Versioned<ProjectResource>, Problem> {
    let project = service::update(&app, &authority, project, patch, &if_match).await?;
    Ok(shown(&app, project))
}

/// What is deleted with a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectContents {
    gateways: i64,
    user_sources: i64,
    servers: i64,
    secrets: i64,
    /// End users.
    users: i64,
    /// Active grants.
    live_grants: i64,
    /// Grants that sleep while a gateway or User Source is inactive.
    sleeping_grants: i64,
    /// Keys that are not revoked.
    api_keys: i64,
    members: i64,
}

impl From<Deletion> for ProjectContents {
    fn from(Deletion { contents, grants }: Deletion) -> Self {
        Self {
            gateways: contents.gateways,
            user_sources: contents.user_sources,
            servers: contents.servers,
            secrets: contents.secrets,
            users: contents.users,
            live_grants: grants.live,
            sleeping_grants: grants.asleep,
            api_keys: contents.api_keys,
            members: contents.members,
        }
    }
}

/// How to delete.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeletionQuery {
    /// The name of the project, so that none is deleted by mistake.
    confirm_name: Option<String>,
    /// Delete nothing, and report what would be deleted.
    dry_run: Option<bool>,
}

/// Delete a project with everything in it, its keys included
///
/// It asks for the project's name. With `dry_run` nothing is deleted, and the response says what would be deleted.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}",
    tag = "Projects",
    params(DeletionQuery),
    responses(
        (status = 200, body = ProjectContents, description = "What would be deleted; nothing is deleted."),
        (status = 204, description = "Deleted."),
        (status = 422, body = Details, content_type = "application/problem+json",
         description = "`confirm_name` is not the name of the project."),
    )
)]
pub(super) async fn delete_project(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<DeletionQuery>,
    Precondition(if_match): Precondition,
) -> Result<Response, Problem> {
    if query.dry_run == Some(true) {
        let found = service::deletion(&app, &authority, project).await?;
        return Ok(Json(ProjectContents::from(found)).into_response());
    }
    let confirm_name = query.confirm_name.unwrap_or_default();
    service::delete(&app, &authority, project, &confirm_name, &if_match).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
