//! Which clients hold grants at a gateway.

use gatewright_domain::{
    Timestamp,
    client_use::{ClientKind, ClientUse},
    id::{GatewayId, ProjectId},
};

use crate::{Page, PageRequest, StoreError, Tx, grant::standing, row::Row, value::values};

/// Clients with live or sleeping grants, sorted by their oldest grant. The oldest grant
/// of each is its position in the list, because a client that is the URL of a document does not have our ID.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    now: Timestamp,
    page: &PageRequest,
) -> Result<Page<ClientUse>, StoreError> {
    let sql = concat!(
        "SELECT MIN(grants.id) AS id, grants.client_id AS client_id, \
         MAX(grants.client_name) AS client_name, COUNT(*) AS standing, \
         MAX(grants.last_used_at) AS last_used_at, \
         MAX(preregistered_clients.id) AS preregistered_id FROM grants \
         LEFT JOIN preregistered_clients ON preregistered_clients.id = grants.client_id \
         AND preregistered_clients.gateway_id = grants.gateway_id ",
        standing!(),
        "AND grants.project_id = $2 AND grants.gateway_id = $3 GROUP BY grants.client_id \
         HAVING MIN(grants.id) > $4 ORDER BY MIN(grants.id) LIMIT $5"
    );
    let values = values![now, project, gateway, page.above(), page.rows()];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

/// The client's name when it last got a grant at a gateway, even if that has ended.
pub async fn name_of(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    client_id: &str,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT client_name FROM grants WHERE project_id = $1 AND gateway_id = $2 AND client_id = $3 \
               ORDER BY id DESC LIMIT 1";
    let row = tx
        .fetch_optional(sql, values![project, gateway, client_id])
        .await?;
    row.map(|row| row.text("client_name")).transpose()
}

fn read(row: &Row) -> Result<ClientUse, StoreError> {
    let client_id = row.text("client_id")?;
    let has_row = row.opt_text("preregistered_id")?.is_some();
    Ok(ClientUse {
        kind: ClientKind::of(&client_id, has_row),
        client_id,
        client_name: row.text("client_name")?,
        grants: row.int("standing")?,
        last_used_at: row.time("last_used_at")?,
    })
}
