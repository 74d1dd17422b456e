//! Networks from which the right password of an account was recently entered.

use std::time::Duration;

use gatewright_domain::{Timestamp, account::Email, id::AccountId};

use crate::{StoreError, Tx, value::values};

/// How long a network is remembered after the right password was last entered there.
pub const REMEMBERED: Duration = Duration::from_hours(30 * 24);
/// The number of networks per account: beyond it, those unused for longest are removed.
pub const MAX_PER_ACCOUNT: u32 = 20;

/// Whether the right password for the account with this address was recently entered in this network. While several
/// accounts have the address and none is proven, no network counts as known: one of them may belong to a stranger, who
/// must not guess the passwords of the others from there.
pub async fn is_known(tx: &mut Tx, email: &Email, network: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT sign_in_places.account_id FROM sign_in_places \
               JOIN accounts ON accounts.id = sign_in_places.account_id \
               WHERE accounts.address_key = $1 AND sign_in_places.network = $2 \
               AND sign_in_places.last_right_at > $3 AND (accounts.address_proven = 1 OR NOT EXISTS \
               (SELECT 1 FROM accounts AS others WHERE others.address_key = accounts.address_key \
               AND others.id <> accounts.id)) LIMIT 1";
    let values = values![email.key(), network, now.minus(REMEMBERED)];
    Ok(tx.fetch_optional(sql, values).await?.is_some())
}

/// Records that the right password of an account was entered in a network.
pub async fn note(tx: &mut Tx, account: AccountId, network: &str, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO sign_in_places (account_id, network, last_right_at) VALUES ($1, $2, $3) \
               ON CONFLICT (account_id, network) DO UPDATE SET last_right_at = excluded.last_right_at";
    tx.execute(sql, values![account, network, now]).await?;
    let sql = "DELETE FROM sign_in_places WHERE account_id = $1 AND network NOT IN (SELECT network FROM sign_in_places \
               WHERE account_id = $1 ORDER BY last_right_at DESC, network LIMIT $2)";
    tx.execute(sql, values![account, MAX_PER_ACCOUNT]).await?;
    Ok(())
}

/// Deletes up to `limit` that are too old; returns how many.
pub async fn prune(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM sign_in_places WHERE (account_id, network) IN \
               (SELECT account_id, network FROM sign_in_places WHERE last_right_at <= $1 LIMIT $2)";
    tx.execute(sql, values![now.minus(REMEMBERED), limit]).await
}
