//! What is remembered about the administrators' identity provider, which itself is configured.

use gatewright_domain::registration::SecretMethod;

use crate::{StoreError, Tx, row::to_word, value::values};

/// How the provider with this issuer last accepted the secret of this client, if recorded.
pub async fn find_method(
    tx: &mut Tx,
    issuer: &str,
    client_id: &str,
) -> Result<Option<SecretMethod>, StoreError> {
    let sql = "SELECT client_method_worked FROM administrator_providers WHERE issuer = $1 AND client_id = $2";
    let row = tx.fetch_optional(sql, values![issuer, client_id]).await?;
    row.map(|row| row.word("client_method_worked")).transpose()
}

/// Records how the provider accepts the secret; deletes what was recorded for another issuer or client.
pub async fn note_method(
    tx: &mut Tx,
    issuer: &str,
    client_id: &str,
    method: SecretMethod,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO administrator_providers (issuer, client_id, client_method_worked) VALUES ($1, $2, $3) \
               ON CONFLICT (issuer, client_id) DO UPDATE SET client_method_worked = excluded.client_method_worked";
    tx.execute(sql, values![issuer, client_id, to_word(&method)])
        .await?;
    let sql = "DELETE FROM administrator_providers WHERE issuer <> $1 OR client_id <> $2";
    tx.execute(sql, values![issuer, client_id]).await?;
    Ok(())
}
