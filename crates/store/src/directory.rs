//! All configuration that requests need, read together.

use gatewright_domain::{
    api_key::ApiKey,
    gateway::Gateway,
    id::{AccountId, ProjectId},
    server::Server,
    stored_secret::StoredSecret,
    user_source::UserSource,
};

use crate::{
    StoreError, Tx, api_key, client_block, gateway, member, revision, revocation::Denied, row::Row, secret,
    server, user_source,
};

/// A consistent snapshot of the configuration.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its revision.
    pub revision: i64,
    /// All active gateways.
    pub gateways: Vec<Gateway>,
    /// All User Sources.
    pub user_sources: Vec<UserSource>,
    /// All servers.
    pub servers: Vec<Server>,
    /// All project secrets, sealed.
    pub secrets: Vec<StoredSecret>,
    /// All unrevoked keys with the role `gateway`.
    pub gateway_keys: Vec<ApiKey>,
    /// All members with an active account. Grants of members depend on this.
    pub members: Vec<(ProjectId, AccountId)>,
    /// Blocked users and blocked clients.
    pub denied: Vec<Denied>,
}

/// Reads everything in one snapshot; `tx` comes from [`crate::Store::read`], which provides one.
pub async fn read(tx: &mut Tx) -> Result<Reading, StoreError> {
    Ok(Reading {
        revision: revision::read(tx).await?,
        gateways: gateway::list_active(tx).await?,
        user_sources: user_source::list_all(tx).await?,
        servers: server::list_all(tx).await?,
        secrets: secret::list_all(tx).await?,
        gateway_keys: api_key::list_of_gateways(tx).await?,
        members: member::list_active(tx).await?,
        denied: list_denied(tx).await?,
    })
}

/// What is denied until an administrator changes it: blocked users and blocked clients.
async fn list_denied(tx: &mut Tx) -> Result<Vec<Denied>, StoreError> {
    let rows = tx
        .fetch_all("SELECT id FROM users WHERE status = 'blocked'", &[])
        .await?;
    let blocked = |row: &Row| row.id("id").map(Denied::User);
    let mut denied = rows.iter().map(blocked).collect::<Result<Vec<_>, _>>()?;
    denied.extend(client_block::list_all(tx).await?);
    Ok(denied)
}
