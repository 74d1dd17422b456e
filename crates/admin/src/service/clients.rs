//! The clients that use a gateway: which of them hold grants, and which are blocked.

use gatewright_domain::{
    client_use::{ClientBlock, ClientUse, check_short_id},
    grant::RevocationReason,
    id::{ClientBlockId, ClientId, GatewayId, ProjectId},
};
use gatewright_store::{Page, PageRequest, Tx, client_block as blocks, client_use};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Authority, ServiceError,
    change::{Change, Fields, created, field},
    entity::Entity,
    preregistered_clients::existing_gateway,
};
use crate::Admin;

/// A client to block.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClientBlock {
    /// Its id in the short form that grants and the list of clients show: `cli_…`, or the URL of its metadata document.
    #[schema(required = true, max_length = 512)]
    #[serde(default)]
    pub client_id: String,
}

/// Clients with live grants at a gateway.
pub async fn list(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    page: &PageRequest,
) -> Result<Page<ClientUse>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing_gateway(&mut tx, project, gateway).await?;
    Ok(client_use::list(&mut tx, project, gateway, app.now(), page).await?)
}

/// Keeps a client out of a gateway: its grants end, its tokens fail from the next request, and it is refused
/// wherever it asks.
pub async fn block(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    new: NewClientBlock,
) -> Result<ClientBlock, ServiceError> {
    let permit = authority.change(project)?;
    check_short_id("/client_id", &new.client_id)?;
    let mut change = Change::begin(app, permit).await?;
    // Locked, so that no code becomes a grant between the end of the grants and the commit.
    if !gatewright_store::gateway::hold(&mut change.tx, project, gateway).await? {
        return Err(ServiceError::not_found("gateway"));
    }
    let block = ClientBlock {
        id: ClientBlockId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: project,
        gateway_id: gateway,
        client_name: name_of(&mut change.tx, project, gateway, &new.client_id).await?,
        client_id: new.client_id,
        created_at: change.now,
    };
    if !blocks::insert(&mut change.tx, &block).await? {
        return Err(ServiceError::conflict(
            "This client is blocked at this gateway already. Its block is in the list of blocked clients.",
        ));
    }
    let now = change.now;
    let reason = RevocationReason::ClientBlocked;
    let client = &block.client_id;
    let ended =
        gatewright_store::grant::revoke_of_client(&mut change.tx, project, gateway, client, reason, now)
            .await?;
    let mut told = block.audited();
    told.push(field("grants_ended", ended));
    change.record("blocked", block.object(), created(told)).await?;
    change.commit().await?;
    Ok(block)
}

/// Blocked clients of a gateway, oldest block first.
pub async fn list_blocked(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    page: &PageRequest,
) -> Result<Page<ClientBlock>, ServiceError> {
    let mut tx = app.store.read(authority.read(project)?).await?;
    existing_gateway(&mut tx, project, gateway).await?;
    Ok(blocks::list(&mut tx, project, gateway, page).await?)
}

/// Lets a client in again. Grants that were ended stay ended.
pub async fn unblock(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientBlockId,
) -> Result<(), ServiceError> {
    let mut change = Change::begin(app, authority.change(project)?).await?;
    let block = ClientBlock::found(blocks::find(&mut change.tx, project, gateway, id).await?)?;
    if !blocks::delete(&mut change.tx, project, gateway, id).await? {
        return Err(ServiceError::not_found(ClientBlock::NOUN));
    }
    let changes = created(block.audited());
    change.record("unblocked", block.object(), changes).await?;
    change.commit().await
}

/// The name of a client: from the administrator who registered it, or from the client when it last got a grant.
async fn name_of(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    client_id: &str,
) -> Result<String, ServiceError> {
    if let Ok(id) = client_id.parse::<ClientId>()
        && let Some(client) = gatewright_store::preregistered_client::find(tx, project, gateway, id).await?
    {
        return Ok(client.name);
    }
    let name = client_use::name_of(tx, project, gateway, client_id).await?;
    Ok(name.unwrap_or_default())
}

impl Entity for ClientBlock {
    const KIND: &'static str = "client";
    const NOUN: &'static str = "blocked client";

    fn id(&self) -> String {
        self.client_id.clone()
    }

    fn name(&self) -> &str {
        &self.client_name
    }

    fn audited(&self) -> Fields {
        vec![field("gateway_id", self.gateway_id)]
    }
}
