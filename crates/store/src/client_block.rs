//! Clients that are blocked at a gateway.

use gatewright_domain::{
    client_use::ClientBlock,
    id::{ClientBlockId, GatewayId, ProjectId},
};

use crate::{Page, PageRequest, StoreError, Tx, revocation::Denied, row::Row, value::values};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, gateway_id, client_id, client_name, created_at FROM client_blocks ",
            $rest
        )
    };
}

/// Adds a block; `false` if the client is already blocked. The caller has ended its grants in this transaction, with
/// the gateway locked.
pub async fn insert(tx: &mut Tx, block: &ClientBlock) -> Result<bool, StoreError> {
    let sql = "INSERT INTO client_blocks (id, project_id, gateway_id, client_id, client_name, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (gateway_id, client_id) DO NOTHING";
    let values = values![
        block.id,
        block.project_id,
        block.gateway_id,
        &block.client_id,
        &block.client_name,
        block.created_at,
    ];
    let inserted = tx.execute(sql, values).await? > 0;
    tx.note_change();
    Ok(inserted)
}

/// Finds a block by project, gateway and ID.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientBlockId,
) -> Result<Option<ClientBlock>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND gateway_id = $2 AND id = $3");
    let row = tx.fetch_optional(sql, values![project, gateway, id]).await?;
    row.as_ref().map(read).transpose()
}

/// All blocks of a gateway, oldest first.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    page: &PageRequest,
) -> Result<Page<ClientBlock>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND gateway_id = $2 AND id > $3 ORDER BY id LIMIT $4");
    let values = values![project, gateway, page.above(), page.rows()];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

/// Whether a client is blocked, by its short ID. For callers that have locked the gateway.
pub async fn is_blocked(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    client_id: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM client_blocks WHERE project_id = $1 AND gateway_id = $2 AND client_id = $3";
    let row = tx
        .fetch_optional(sql, values![project, gateway, client_id])
        .await?;
    Ok(row.is_some())
}

/// Unblocks a client.
pub async fn delete(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientBlockId,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM client_blocks WHERE project_id = $1 AND gateway_id = $2 AND id = $3";
    let deleted = tx.execute(sql, values![project, gateway, id]).await? > 0;
    tx.note_change();
    Ok(deleted)
}

/// The blocks of all gateways, for the deny-list.
pub(crate) async fn list_all(tx: &mut Tx) -> Result<Vec<Denied>, StoreError> {
    let rows = tx
        .fetch_all("SELECT gateway_id, client_id FROM client_blocks", &[])
        .await?;
    let denied = |row: &Row| Ok(Denied::client(row.id("gateway_id")?, &row.text("client_id")?));
    rows.iter().map(denied).collect()
}

fn read(row: &Row) -> Result<ClientBlock, StoreError> {
    Ok(ClientBlock {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        gateway_id: row.id("gateway_id")?,
        client_id: row.text("client_id")?,
        client_name: row.text("client_name")?,
        created_at: row.time("created_at")?,
    })
}
