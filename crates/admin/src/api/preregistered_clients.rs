//! `/projects/{project}/gateways/{gateway}/preregistered-clients`.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    id::{ClientId, GatewayId, ProjectId},
    preregistered_client::PreregisteredClient,
};
use serde::Serialize;
use serde_json::Value;
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
        preregistered_clients::{
            self as service, NewPreregisteredClient, PreregisteredClientPatch, SecretRotation, WithSecret,
        },
    },
};

/// A pre-registered client, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PreregisteredClient)]
pub(crate) struct PreregisteredClientResource {
    /// The `client_id` to enter in the client.
    #[schema(value_type = String)]
    id: ClientId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    #[schema(value_type = String)]
    gateway_id: GatewayId,
    name: String,
    redirect_uris: Vec<String>,
    #[schema(schema_with = schema::client_method)]
    token_endpoint_auth_method: &'static str,
    /// The public keys of a client that signs; null for other clients.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// When the present secret was created; null for a client without one.
    #[schema(value_type = Option<String>, format = DateTime)]
    secret_changed_at: Option<Timestamp>,
    /// Until when the previous secret works; null if none does.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A client with a new secret, which is shown only once.
#[derive(Serialize, ToSchema)]
#[schema(as = PreregisteredClientWithSecret)]
pub(crate) struct WithSecretResource {
    #[serde(flatten)]
    #[schema(inline)]
    resource: PreregisteredClientResource,
    /// The secret itself. Store it now: it cannot be read again. Null for a client without one, and in a response that
    /// is repeated for an `Idempotency-Key`.
    #[schema(required = true, extensions(("x-shown-once" = json!(true))))]
    client_secret: Option<String>,
    /// Only in a response that is repeated for an `Idempotency-Key`: what it does not contain, and what to do without it.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

impl Resource for PreregisteredClientResource {
    type Of = PreregisteredClient;

    fn version(client: &PreregisteredClient) -> Version {
        client.updated_at.into()
    }

    fn of(app: &Admin, client: PreregisteredClient) -> Self {
        let hashes = client.proof.hashes();
        let previous = hashes.and_then(|hashes| hashes.previous);
        let now = app.now();
        Self {
            id: client.id,
            project_id: client.project_id,
            gateway_id: client.gateway_id,
            redirect_uris: client
                .redirect_uri_texts()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            token_endpoint_auth_method: client.proof.method().as_str(),
            jwks: client
                .proof
                .jwks()
                .and_then(|jwks| serde_json::from_str(jwks).ok()),
            secret_changed_at: hashes.map(|hashes| hashes.changed_at),
            previous_secret_until: previous.map(|(_, until)| until).filter(|until| now < *until),
            name: client.name,
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }
}

impl Resource for WithSecretResource {
    type Of = WithSecret;

    fn version(made: &WithSecret) -> Version {
        PreregisteredClientResource::version(&made.client)
    }

    fn of(app: &Admin, made: WithSecret) -> Self {
        Self {
            resource: PreregisteredClientResource::of(app, made.client),
            client_secret: made.secret.map(|secret| secret.expose().to_owned()),
            notice: None,
        }
    }
}

/// Pre-register a client
///
/// The secret of a confidential client is only in this response.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/gateways/{gateway}/preregistered-clients",
    tag = "Pre-registered clients",
    request_body = NewPreregisteredClient,
    responses((status = 201, body = WithSecretResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn create_preregistered_client(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Input(new): Input<NewPreregisteredClient>,
) -> Result<Created<Versioned<WithSecretResource>>, Problem> {
    let made = service::create(&app, &authority, project, gateway, new).await?;
    let list = format!("/api/v1/projects/{project}/gateways/{gateway}/preregistered-clients");
    Ok(created(&app, &list, made.client.id, made))
}

/// List pre-registered clients, oldest first
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/gateways/{gateway}/preregistered-clients",
    tag = "Pre-registered clients",
    params(Paging),
    responses((status = 200, body = List<PreregisteredClientResource>))
)]
pub(super) async fn list_preregistered_clients(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<PreregisteredClientResource>, Problem> {
    let page = Paging::request::<ClientId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, project, gateway, &page).await?;
    Ok(listed(&app, page))
}

/// Read a pre-registered client
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/gateways/{gateway}/preregistered-clients/{preregistered_client}",
    tag = "Pre-registered clients",
    responses((status = 200, body = PreregisteredClientResource))
)]
pub(super) async fn get_preregistered_client(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway, id)): Ids<(ProjectId, GatewayId, ClientId)>,
) -> Result<Versioned<PreregisteredClientResource>, Problem> {
    let client = service::find(&app, &authority, project, gateway, id).await?;
    Ok(shown(&app, client))
}

/// Change a pre-registered client
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{project}/gateways/{gateway}/preregistered-clients/{preregistered_client}",
    tag = "Pre-registered clients",
    request_body = PreregisteredClientPatch,
    responses((status = 200, body = PreregisteredClientResource))
)]
pub(super) async fn update_preregistered_client(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway, id)): Ids<(ProjectId, GatewayId, ClientId)>,
    Precondition(if_match): Precondition,
    Input(patch): Input<PreregisteredClientPatch>,
) -> Result<Versioned<PreregisteredClientResource>, Problem> {
    let client = service::update(&app, &authority, project, gateway, id, patch, &if_match).await?;
    Ok(shown(&app, client))
}

/// Delete a pre-registered client with its grants
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/gateways/{gateway}/preregistered-clients/{preregistered_client}",
    tag = "Pre-registered clients",
    responses((status = 204, description = "Deleted."))
)]
pub(super) async fn delete_preregistered_client(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway, id)): Ids<(ProjectId, GatewayId, ClientId)>,
    Precondition(if_match): Precondition,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &authority, project, gateway, id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create a new secret for a pre-registered client
///
/// The old secret keeps working for the overlap, so that the client can be changed without interruption.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/gateways/{gateway}/preregistered-clients/{preregistered_client}/rotate-secret",
    tag = "Pre-registered clients",
    request_body = SecretRotation,
    responses((status = 200, body = WithSecretResource))
)]
pub(super) async fn rotate_client_secret(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway, id)): Ids<(ProjectId, GatewayId, ClientId)>,
    Precondition(if_match): Precondition,
    Input(rotation): Input<SecretRotation>,
) -> Result<Versioned<WithSecretResource>, Problem> {
    let made = service::rotate_secret(&app, &authority, project, gateway, id, rotation, &if_match).await?;
    Ok(shown(&app, made))
}
