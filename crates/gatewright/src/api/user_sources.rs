//! `/projects/{project}/user-sources`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, UserSourceId},
    user_source::{UserSource, UserSourceStatus},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    schema,
    version::{Created, Precondition, Versioned},
};
use crate::{
    app::App,
    service::user_sources::{self as service, NewUserSource, UserSourcePatch},
};

/// A User Source: the connection between gateways and one OpenID Connect provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserSource)]
pub struct UserSourceResource {
    #[schema(value_type = String)]
    id: UserSourceId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    name: String,
    /// For members of the project only.
    description: String,
    issuer: String,
    client_id: String,
    /// When the client secret was last typed in.
    #[schema(value_type = String, format = DateTime)]
    client_secret_changed_at: Timestamp,
    /// When the provider first accepted it; null while it has not been tried.
    #[schema(value_type = Option<String>, format = DateTime)]
    client_secret_confirmed_at: Option<Timestamp>,
    /// When the provider first refused it: the source needs attention.
    #[schema(value_type = Option<String>, format = DateTime)]
    client_secret_refused_at: Option<Timestamp>,
    /// Whether the secret before it is still a fallback.
    client_secret_has_fallback: bool,
    scopes: Vec<String>,
    subject_claim: String,
    #[schema(schema_with = schema::status)]
    status: UserSourceStatus,
    /// When all checks last passed; null marks the source as unverified.
    #[schema(value_type = Option<String>, format = DateTime)]
    verified_at: Option<Timestamp>,
    /// The redirect URL to register at the provider; the same for every source.
    redirect_url: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn resource(app: &App, source: UserSource) -> UserSourceResource {
    let secret = source.client_secret;
    UserSourceResource {
        id: source.id,
        project_id: source.project_id,
        name: source.name,
        description: source.description,
        issuer: source.issuer,
        client_id: source.client_id,
        client_secret_changed_at: secret.changed_at,
        client_secret_confirmed_at: secret.confirmed_at,
        client_secret_refused_at: secret.refused_at,
        client_secret_has_fallback: secret.previous.is_some(),
        scopes: source.scopes,
        subject_claim: source.subject_claim,
        status: source.status,
        verified_at: source.verified_at,
        redirect_url: app.config.callback_url(),
        created_at: source.created_at,
        updated_at: source.updated_at,
    }
}

/// Create a User Source
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/user-sources",
    tag = "User Sources",
    request_body = NewUserSource,
    responses((status = 201, body = UserSourceResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<App>>,
    Ids(project): Ids<ProjectId>,
    Input(new): Input<NewUserSource>,
) -> Result<Created<Versioned<UserSourceResource>>, Problem> {
    let user_source = service::create(&app, &authority, project, new).await?;
    Ok(Created {
        location: format!("/api/v1/projects/{project}/user-sources/{}", user_source.id),
        content: versioned(&app, user_source),
    })
}

/// List User Sources, oldest first
#[utoipa::path(get, path = "/api/v1/projects/{project}/user-sources", tag = "User Sources", params(Paging), responses((status = 200, body = List<UserSourceResource>)))]
pub(super) async fn list_user_sources(
    Caller(authority): Caller,
    State(app): State<Arc<App>>,
    Ids(project): Ids<ProjectId>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<UserSourceResource>, Problem> {
    let page = Paging::request(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, project, &page).await?;
    Ok(List::of(page, |user_source| resource(&app, user_source)))
}

/// Read a User Source
#[utoipa::path(get, path = "/api/v1/projects/{project}/user-sources/{user_source}", tag = "User Sources", responses((status = 200, body = UserSourceResource)))]
pub(super) async fn get_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<App>>,
    Ids((project, id)): Ids<(ProjectId, UserSourceId)>,
) -> Result<Versioned<UserSourceResource>, Problem> {
    let user_source = service::find(&app, &authority, project, id).await?;
    Ok(versioned(&app, user_source))
}

/// Change a User Source
#[utoipa::path(patch, path = "/api/v1/projects/{project}/user-sources/{user_source}", tag = "User Sources", request_body = UserSourcePatch, responses((status = 200, body = UserSourceResource)))]
pub(super) async fn update_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<App>>,
    Ids((project, id)): Ids<(ProjectId, UserSourceId)>,
    Precondition(if_match): Precondition,
    Input(patch): Input<UserSourcePatch>,
) -> Result<Versioned<UserSourceResource>, Problem> {
    let user_source = service::update(&app, &authority, project, id, patch, &if_match).await?;
    Ok(versioned(&app, user_source))
}

/// Delete a User Source
#[utoipa::path(delete, path = "/api/v1/projects/{project}/user-sources/{user_source}", tag = "User Sources", responses((status = 204, description = "Deleted.")))]
pub(super) async fn delete_user_source(
    Caller(authority): Caller,
    State(app): State<Arc<App>>,
    Ids((project, id)): Ids<(ProjectId, UserSourceId)>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &authority, project, id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn versioned(app: &App, user_source: UserSource) -> Versioned<UserSourceResource> {
    Versioned {
        updated_at: user_source.updated_at,
        resource: resource(app, user_source),
    }
}
