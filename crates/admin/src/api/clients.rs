//! `/projects/{project}/gateways/{gateway}/clients` and `…/blocked-clients`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    client_use::{ClientBlock, ClientKind, ClientUse},
    id::{ClientBlockId, GatewayId, GrantId, ProjectId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    version::Created,
};
use crate::{
    Admin, schema,
    service::clients::{self as service, NewClientBlock},
};

/// A client that has live grants at a gateway.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub(crate) struct ClientResource {
    /// Its ID in the short form that tokens carry: `cli_…`, or the URL of its metadata document.
    client_id: String,
    /// The name it reports, unverified unless it was registered by an administrator.
    client_name: String,
    #[schema(schema_with = schema::client_kind)]
    kind: ClientKind,
    /// How many live grants it has.
    grants: i64,
    /// When a token was last issued for any of them.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
}

/// A client that is blocked at a gateway.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BlockedClient)]
pub(crate) struct BlockedClientResource {
    /// The ID of the block; deleting it unblocks the client.
    #[schema(value_type = String)]
    id: ClientBlockId,
    #[schema(value_type = String)]
    gateway_id: GatewayId,
    /// Its id in the short form that tokens carry.
    client_id: String,
    /// The name it reported when it was blocked; empty if it was not known.
    client_name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

fn resource(client: ClientUse) -> ClientResource {
    ClientResource {
        client_id: client.client_id,
        client_name: client.client_name,
        kind: client.kind,
        grants: client.grants,
        last_used_at: client.last_used_at,
    }
}

fn blocked_resource(block: ClientBlock) -> BlockedClientResource {
    BlockedClientResource {
        id: block.id,
        gateway_id: block.gateway_id,
        client_id: block.client_id,
        client_name: block.client_name,
        created_at: block.created_at,
    }
}

/// List the clients that have live grants at a gateway
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/gateways/{gateway}/clients",
    tag = "Clients",
    params(Paging),
    responses((status = 200, body = List<ClientResource>))
)]
pub(super) async fn list_clients(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<ClientResource>, Problem> {
    let page = Paging::request::<GrantId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, project, gateway, &page).await?;
    Ok(List::of(page, resource))
}

/// Block a client at a gateway
///
/// Its grants end, its tokens fail from the next request, and signing in with it is refused.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/gateways/{gateway}/blocked-clients",
    tag = "Clients",
    request_body = NewClientBlock,
    responses((status = 201, body = BlockedClientResource, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn block_client(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Input(new): Input<NewClientBlock>,
) -> Result<Created<Json<BlockedClientResource>>, Problem> {
    let block = service::block(&app, &authority, project, gateway, new).await?;
    Ok(Created {
        location: format!(
            "/api/v1/projects/{project}/gateways/{gateway}/blocked-clients/{}",
            block.id
        ),
        content: Json(blocked_resource(block)),
    })
}

/// List the clients that are blocked at a gateway, oldest block first
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/gateways/{gateway}/blocked-clients",
    tag = "Clients",
    params(Paging),
    responses((status = 200, body = List<BlockedClientResource>))
)]
pub(super) async fn list_blocked_clients(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway)): Ids<(ProjectId, GatewayId)>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<BlockedClientResource>, Problem> {
    let page = Paging::request::<ClientBlockId>(paging.limit, paging.cursor)?;
    let page = service::list_blocked(&app, &authority, project, gateway, &page).await?;
    Ok(List::of(page, blocked_resource))
}

/// Unblock a client
///
/// Grants that ended are not restored: people sign in again.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/gateways/{gateway}/blocked-clients/{client_block}",
    tag = "Clients",
    responses((status = 204, description = "Unblocked."))
)]
pub(super) async fn unblock_client(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, gateway, id)): Ids<(ProjectId, GatewayId, ClientBlockId)>,
) -> Result<StatusCode, Problem> {
    service::unblock(&app, &authority, project, gateway, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
