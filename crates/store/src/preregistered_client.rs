//! Clients registered by administrators.

use gatewright_domain::{
    Timestamp,
    id::{ClientId, GatewayId, ProjectId},
    preregistered_client::{ClientProof, ClientSecretHashes, PreregisteredClient, stored_redirect_uris},
};

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_json},
    tx::Lock,
    value::values,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, gateway_id, name, redirect_uris, method, secret_hash, secret_changed_at, \
             previous_secret_hash, previous_secret_until, jwks, created_at, updated_at FROM preregistered_clients ",
            $rest
        )
    };
}

/// Adds a client; `Taken { field: "name" }`.
pub async fn insert(tx: &mut Tx, client: &PreregisteredClient) -> Result<(), StoreError> {
    let sql = "INSERT INTO preregistered_clients (id, project_id, gateway_id, name, name_key, redirect_uris, \
               method, secret_hash, secret_changed_at, previous_secret_hash, previous_secret_until, jwks, \
               created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
               ON CONFLICT (gateway_id, name_key) DO NOTHING";
    let hashes = client.proof.hashes();
    let previous = hashes.and_then(|hashes| hashes.previous);
    let values = values![
        client.id,
        client.project_id,
        client.gateway_id,
        &client.name,
        client.name.to_lowercase(),
        to_json(&client.redirect_uri_texts()),
        client.proof.method().as_str(),
        hashes.map(|hashes| hashes.current),
        hashes.map(|hashes| hashes.changed_at),
        previous.map(|(hash, _)| hash),
        previous.map(|(_, until)| until),
        client.proof.jwks().map(str::to_owned),
        client.created_at,
        client.updated_at,
    ];
    if tx.execute(sql, values).await? == 0 {
        return Err(StoreError::Taken { field: "name" });
    }
    Ok(())
}

/// Finds a client by project, gateway and ID.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
) -> Result<Option<PreregisteredClient>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND gateway_id = $2 AND id = $3");
    let row = tx.fetch_optional(sql, values![project, gateway, id]).await?;
    row.as_ref().map(read).transpose()
}

/// The gateway of a client, for requests that do not name their gateway, and so no project either.
pub async fn gateway_of(tx: &mut Tx, id: ClientId) -> Result<Option<GatewayId>, StoreError> {
    let sql = "SELECT gateway_id FROM preregistered_clients WHERE id = $1";
    let row = tx.fetch_optional(sql, values![id]).await?;
    row.map(|row| row.id("gateway_id")).transpose()
}

/// All clients of a gateway, oldest first.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    page: &PageRequest,
) -> Result<Page<PreregisteredClient>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND gateway_id = $2 AND id > $3 ORDER BY id LIMIT $4");
    let values = values![project, gateway, page.above(), page.rows()];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

/// Replaces the fields that may change if `updated_at` is still `seen`; `Taken { field: "name" }`.
pub async fn update(tx: &mut Tx, client: &PreregisteredClient, seen: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE preregistered_clients SET name = $1, name_key = $2, redirect_uris = $3, secret_hash = $4, \
               secret_changed_at = $5, previous_secret_hash = $6, previous_secret_until = $7, jwks = $8, \
               updated_at = $9 WHERE project_id = $10 AND gateway_id = $11 AND id = $12 AND updated_at = $13";
    let hashes = client.proof.hashes();
    let previous = hashes.and_then(|hashes| hashes.previous);
    let values = values![
        &client.name,
        client.name.to_lowercase(),
        to_json(&client.redirect_uri_texts()),
        hashes.map(|hashes| hashes.current),
        hashes.map(|hashes| hashes.changed_at),
        previous.map(|(hash, _)| hash),
        previous.map(|(_, until)| until),
        client.proof.jwks().map(str::to_owned),
        client.updated_at,
        client.project_id,
        client.gateway_id,
        client.id,
        seen,
    ];
    let updated = tx
        .execute(sql, values)
        .await
        .map_err(|error| error.or_taken("name"))?;
    Ok(updated > 0)
}

/// Deletes it. The caller has ended its grants in this transaction, with the gateway locked.
pub async fn delete(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM preregistered_clients WHERE project_id = $1 AND gateway_id = $2 AND id = $3";
    Ok(tx.execute(sql, values![project, gateway, id]).await? > 0)
}

/// Locks a client until the end of the transaction, so that it is not deleted before what depends on it is stored;
/// `false` if it does not exist.
pub async fn hold(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    id: ClientId,
) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM preregistered_clients WHERE project_id = $1 AND gateway_id = $2 AND id = $3";
    let row = tx
        .lock_optional(sql, Lock::Share, values![project, gateway, id])
        .await?;
    Ok(row.is_some())
}

fn read(row: &Row) -> Result<PreregisteredClient, StoreError> {
    let proof = ClientProof::from_stored(&row.text("method")?, hashes(row)?, row.opt_text("jwks")?);
    let redirect_uris: Vec<String> = row.json("redirect_uris")?;
    Ok(PreregisteredClient {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        gateway_id: row.id("gateway_id")?,
        name: row.text("name")?,
        redirect_uris: stored_redirect_uris(&redirect_uris),
        proof: proof.ok_or(StoreError::Corrupt { what: "method" })?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn hashes(row: &Row) -> Result<Option<ClientSecretHashes>, StoreError> {
    let Some(current) = row.opt_hash("secret_hash")? else {
        return Ok(None);
    };
    let previous = match row.opt_hash("previous_secret_hash")? {
        Some(hash) => Some((hash, row.time("previous_secret_until")?)),
        None => None,
    };
    Ok(Some(ClientSecretHashes {
        current,
        changed_at: row.time("secret_changed_at")?,
        previous,
    }))
}
