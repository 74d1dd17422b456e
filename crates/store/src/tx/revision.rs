//! The revision of the configuration, which increases with every change that requests must see, and the number of the latest
//! revocation, which increases separately: a revocation makes no replica read the configuration again.

use crate::{StoreError, Tx, value::values};

/// The PostgreSQL channel on which replicas learn of a new revision.
pub(crate) const CHANNEL: &str = "gatewright_revision";

/// What a replica compares with its state in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// The revision of the configuration.
    pub configuration: i64,
    /// The number of the latest revocation.
    pub revocations: i64,
}

/// The current revision, and the number of the latest revocation.
pub async fn read_latest(tx: &mut Tx) -> Result<Latest, StoreError> {
    let sql = "SELECT first.number + last.number AS configuration, revocation_number.number AS revocations \
               FROM revision AS first, revision AS last, revocation_number \
               WHERE first.id = 1 AND last.id = 2 AND revocation_number.id = 1";
    let row = tx.fetch_one(sql, &[]).await?;
    Ok(Latest {
        configuration: row.int("configuration")?,
        revocations: row.int("revocations")?,
    })
}

/// The current revision.
pub async fn read(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT first.number + last.number AS number FROM revision AS first, revision AS last \
               WHERE first.id = 1 AND last.id = 2";
    tx.fetch_one(sql, &[]).await?.int("number")
}

/// Increases the revision, in the transaction of the change, and notifies other replicas at commit (PostgreSQL). Returns
/// the number.
///
/// If you call it, call it before anything else in a transaction: it is a lock that serialises such transactions.
/// Writes of this crate to what [`crate::directory::read`] reads increase the revision at commit automatically.
pub async fn bump(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.execute("UPDATE revision SET number = number + 1 WHERE id = 1", &[])
        .await?;
    tx.revision_has_grown();
    tell(tx).await
}

/// Increases the revision at the end of a transaction that did not [`bump`] it at its beginning.
pub(super) async fn bump_last(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute("UPDATE revision SET number = number + 1 WHERE id = 2", &[])
        .await?;
    tell(tx).await.map(drop)
}

/// Numbers the revocations of this transaction, at its end. The next transaction waits here for the commit, so numbers increase
/// in the order of commits, and a replica that has seen one misses none below it.
pub(super) async fn number_revocations(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "UPDATE revocation_number SET number = number + 1 WHERE id = 1 RETURNING number";
    let number = tx.fetch_one(sql, &[]).await?.int("number")?;
    // Those of other running transactions are not visible from here.
    let sql = "UPDATE revocations SET number = $1 WHERE number IS NULL";
    tx.execute(sql, values![number]).await?;
    tx.notify(CHANNEL, &number.to_string()).await
}

async fn tell(tx: &mut Tx) -> Result<i64, StoreError> {
    let number = read(tx).await?;
    tx.notify(CHANNEL, &number.to_string()).await?;
    Ok(number)
}
