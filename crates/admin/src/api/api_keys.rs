//! `/projects/{project}/api-keys`, and `/api-keys` of the instance.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    api_key::{ApiKey, KeyScope},
    id::{ApiKeyId, GatewayId, ProjectId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, created, listed, shown},
    version::{Created, Precondition, Versioned},
};
use crate::{
    Admin, schema,
    service::{
        Version,
        api_keys::{self as service, ApiKeyPatch, CreatedKey, NewApiKey, NewInstanceKey, RotateApiKey},
    },
};

/// An API key, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyResource {
    #[schema(value_type = String)]
    id: ApiKeyId,
    /// Null for keys of the instance.
    #[schema(value_type = Option<String>)]
    project_id: Option<ProjectId>,
    name: String,
    /// What it can do; `instance` for keys of the instance.
    #[schema(schema_with = schema::role_or_instance)]
    role: &'static str,
    /// The only gateway that it works at; null for all.
    #[schema(value_type = Option<String>)]
    gateway_id: Option<GatewayId>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, to within about a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// The key that replaces it, once it was rotated.
    #[schema(value_type = Option<String>)]
    successor_id: Option<ApiKeyId>,
}

/// A new API key with its text, which is shown only once.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub(crate) struct CreatedKeyResource {
    #[serde(flatten)]
    #[schema(inline)]
    resource: ApiKeyResource,
    /// The key itself. Store it now: it cannot be read again. Null in a response that is repeated for an `Idempotency-Key`.
    #[schema(value_type = Option<String>, required = true, extensions(("x-shown-once" = json!(true))))]
    key: String,
    /// Only in a response that is repeated for an `Idempotency-Key`: what it does not contain, and what to do without it.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

impl Resource for ApiKeyResource {
    type Of = ApiKey;

    fn version(key: &ApiKey) -> Version {
        service::version(key)
    }

    fn of(_: &Admin, key: ApiKey) -> Self {
        let (project_id, role, gateway_id) = match key.scope {
            KeyScope::Instance => (None, "instance", None),
            KeyScope::Project {
                project_id,
                role,
                gateway_id,
            } => (Some(project_id), role.as_str(), gateway_id),
        };
        Self {
            id: key.id,
            project_id,
            name: key.name,
            role,
            gateway_id,
            expires_at: key.expires_at,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            successor_id: key.successor_id,
        }
    }
}

impl Resource for CreatedKeyResource {
    type Of = CreatedKey;

    fn version(made: &CreatedKey) -> Version {
        ApiKeyResource::version(&made.key)
    }

    fn of(app: &Admin, made: CreatedKey) -> Self {
        Self {
            resource: ApiKeyResource::of(app, made.key),
            key: made.text.expose().to_owned(),
            notice: None,
        }
    }
}

/// Create an API key of a project
///
/// Needs a key of role `owner`; an instance key can create the first one of a project without an active key of role `owner`.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/api-keys",
    tag = "API keys",
    request_body = NewApiKey,
    responses((status = 201, body = CreatedKeyResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_api_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Input(new): Input<NewApiKey>,
) -> Result<Created<Versioned<CreatedKeyResource>>, Problem> {
    let made = service::create(&app, &authority, project, new).await?;
    let list = format!("/api/v1/projects/{project}/api-keys");
    Ok(created(&app, &list, made.key.id, made))
}

/// List API keys of a project, oldest first, including revoked ones
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/api-keys",
    tag = "API keys",
    params(Paging),
    responses((status = 200, body = List<ApiKeyResource>))
)]
pub(super) async fn list_api_keys(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<ApiKeyResource>, Problem> {
    let page = Paging::request::<ApiKeyId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, Some(project), &page).await?;
    Ok(listed(&app, page))
}

/// Read an API key of a project
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/api-keys/{api_key}",
    tag = "API keys",
    responses((status = 200, body = ApiKeyResource))
)]
pub(super) async fn get_api_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, key)): Ids<(ProjectId, ApiKeyId)>,
) -> Result<Versioned<ApiKeyResource>, Problem> {
    let key = service::find(&app, &authority, Some(project), key).await?;
    Ok(shown(&app, key))
}

/// Rename an API key of a project
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{project}/api-keys/{api_key}",
    tag = "API keys",
    request_body = ApiKeyPatch,
    responses((status = 200, body = ApiKeyResource))
)]
pub(super) async fn update_api_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, key)): Ids<(ProjectId, ApiKeyId)>,
    Precondition(if_match): Precondition,
    Input(patch): Input<ApiKeyPatch>,
) -> Result<Versioned<ApiKeyResource>, Problem> {
    let key = service::update(&app, &authority, Some(project), key, patch, &if_match).await?;
    Ok(shown(&app, key))
}

/// Rotate an API key of a project
///
/// Creates a new key with the same name and rights, whose text is shown only in this response. The old one keeps working
/// until the overlap ends.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/api-keys/{api_key}/rotate",
    tag = "API keys",
    request_body = RotateApiKey,
    responses((status = 201, body = CreatedKeyResource, headers(("Location" = String, description = "The path of the new key."))))
)]
pub(super) async fn rotate_api_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, key)): Ids<(ProjectId, ApiKeyId)>,
    Input(how): Input<RotateApiKey>,
) -> Result<Created<Versioned<CreatedKeyResource>>, Problem> {
    let made = service::rotate(&app, &authority, Some(project), key, how).await?;
    let list = format!("/api/v1/projects/{project}/api-keys");
    Ok(created(&app, &list, made.key.id, made))
}

/// Revoke an API key of a project
///
/// Keys that it created keep working. The audit trail lists them: its events with this key as `actor` and the action
/// `api_key.created`.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/api-keys/{api_key}",
    tag = "API keys",
    responses((status = 204, description = "Revoked."))
)]
pub(super) async fn revoke_api_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, key)): Ids<(ProjectId, ApiKeyId)>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::revoke(&app, &authority, Some(project), key, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create an API key of the instance
#[utoipa::path(
    post,
    path = "/api/v1/api-keys",
    tag = "Instance",
    request_body = NewInstanceKey,
    responses((status = 201, body = CreatedKeyResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_instance_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Input(new): Input<NewInstanceKey>,
) -> Result<Created<Versioned<CreatedKeyResource>>, Problem> {
    let made = service::create_for_instance(&app, &authority, new).await?;
    Ok(created(&app, "/api/v1/api-keys", made.key.id, made))
}

/// List API keys of the instance, oldest first, including revoked ones
#[utoipa::path(
    get,
    path = "/api/v1/api-keys",
    tag = "Instance",
    params(Paging),
    responses((status = 200, body = List<ApiKeyResource>))
)]
pub(super) async fn list_instance_keys(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<ApiKeyResource>, Problem> {
    let page = Paging::request::<ApiKeyId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, None, &page).await?;
    Ok(listed(&app, page))
}

/// Read an API key of the instance
#[utoipa::path(get, path = "/api/v1/api-keys/{api_key}", tag = "Instance", responses((status = 200, body = ApiKeyResource)))]
pub(super) async fn get_instance_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(key): Ids<ApiKeyId>,
) -> Result<Versioned<ApiKeyResource>, Problem> {
    let key = service::find(&app, &authority, None, key).await?;
    Ok(shown(&app, key))
}

/// Rename an API key of the instance
#[utoipa::path(
    patch,
    path = "/api/v1/api-keys/{api_key}",
    tag = "Instance",
    request_body = ApiKeyPatch,
    responses((status = 200, body = ApiKeyResource))
)]
pub(super) async fn update_instance_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(key): Ids<ApiKeyId>,
    Precondition(if_match): Precondition,
    Input(patch): Input<ApiKeyPatch>,
) -> Result<Versioned<ApiKeyResource>, Problem> {
    let key = service::update(&app, &authority, None, key, patch, &if_match).await?;
    Ok(shown(&app, key))
}

/// Rotate an API key of the instance
///
/// Creates a new key with the same name and rights, whose text is shown only in this response. The old one keeps working
/// until the overlap ends.
#[utoipa::path(
    post,
    path = "/api/v1/api-keys/{api_key}/rotate",
    tag = "Instance",
    request_body = RotateApiKey,
    responses((status = 201, body = CreatedKeyResource, headers(("Location" = String, description = "The path of the new key."))))
)]
pub(super) async fn rotate_instance_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(key): Ids<ApiKeyId>,
    Input(how): Input<RotateApiKey>,
) -> Result<Created<Versioned<CreatedKeyResource>>, Problem> {
    let made = service::rotate(&app, &authority, None, key, how).await?;
    Ok(created(&app, "/api/v1/api-keys", made.key.id, made))
}

/// Revoke an API key of the instance
#[utoipa::path(
    delete,
    path = "/api/v1/api-keys/{api_key}",
    tag = "Instance",
    responses((status = 204, description = "Revoked."))
)]
pub(super) async fn revoke_instance_key(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(key): Ids<ApiKeyId>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::revoke(&app, &authority, None, key, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}
