//! `/projects/{project}/secrets`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, SecretId},
    stored_secret::StoredSecret,
};
use serde::Serialize;
use utoipa::ToSchema;

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
    Admin,
    service::{
        Version,
        secrets::{self as service, NewSecret, SecretPatch},
    },
};

/// A secret of a project, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
pub(crate) struct SecretResource {
    #[schema(value_type = String)]
    id: SecretId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    /// Headers refer to it as `${secret:NAME}`.
    name: String,
    /// The origins it can be sent to.
    origins: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When value or origins last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A secret that was just saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedSecret {
    #[serde(flatten)]
    secret: SecretResource,
    /// Warnings; they do not prevent saving.
    warnings: Vec<Warning>,
}

impl Resource for SecretResource {
    type Of = StoredSecret;

    fn version(secret: &StoredSecret) -> Version {
        secret.updated_at.into()
    }

    fn of(_: &Admin, secret: StoredSecret) -> Self {
        Self {
            id: secret.id,
            project_id: secret.project_id,
            name: secret.name,
            origins: secret.origins,
            created_at: secret.created_at,
            updated_at: secret.updated_at,
        }
    }
}

impl Resource for SavedSecret {
    type Of = StoredSecret;

    fn version(secret: &StoredSecret) -> Version {
        SecretResource::version(secret)
    }

    fn of(app: &Admin, secret: StoredSecret) -> Self {
        Self {
            warnings: service::warnings(&secret)
                .into_iter()
                .map(Warning::from)
                .collect(),
            secret: SecretResource::of(app, secret),
        }
    }
}

/// Create a secret
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/secrets",
    tag = "Secrets",
    request_body = NewSecret,
    responses((status = 201, body = SavedSecret, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_secret(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Input(new): Input<NewSecret>,
) -> Result<Created<Versioned<SavedSecret>>, Problem> {
    let secret = service::create(&app, &authority, project, new).await?;
    let list = format!("/api/v1/projects/{project}/secrets");
    Ok(created(&app, &list, secret.id, secret))
}

/// List secrets, oldest first
#[utoipa::path(get, path = "/api/v1/projects/{project}/secrets", tag = "Secrets", params(Paging), responses((status = 200, body = List<SecretResource>)))]
pub(super) async fn list_secrets(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<SecretResource>, Problem> {
    let page = Paging::request::<SecretId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, project, &page).await?;
    Ok(listed(&app, page))
}

/// Read a secret
#[utoipa::path(get, path = "/api/v1/projects/{project}/secrets/{secret}", tag = "Secrets", responses((status = 200, body = SecretResource)))]
pub(super) async fn get_secret(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, SecretId)>,
) -> Result<Versioned<SecretResource>, Problem> {
    let secret = service::find(&app, &authority, project, id).await?;
    Ok(shown(&app, secret))
}

/// Change a secret
#[utoipa::path(patch, path = "/api/v1/projects/{project}/secrets/{secret}", tag = "Secrets", request_body = SecretPatch, responses((status = 200, body = SavedSecret)))]
pub(super) async fn update_secret(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, SecretId)>,
    Precondition(if_match): Precondition,
    Input(patch): Input<SecretPatch>,
) -> Result<Versioned<SavedSecret>, Problem> {
    let secret = service::update(&app, &authority, project, id, patch, &if_match).await?;
    Ok(shown(&app, secret))
}

/// Delete a secret
#[utoipa::path(delete, path = "/api/v1/projects/{project}/secrets/{secret}", tag = "Secrets", responses((status = 204, description = "Deleted.")))]
pub(super) async fn delete_secret(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, id)): Ids<(ProjectId, SecretId)>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &authority, project, id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}
