//! The revision of the configuration, which grows with every change that requests must see, and the number of the latest
//! revocation, which grows by itself: a revocation makes no replica read the configuration again.

use crate::{StoreError, Tx, value::values};

/// The PostgreSQL channel on which replicas hear of a new revision.
pub(crate) const CHANNEL: &str = "gatewright_revision";

/// What a replica compares with what it has in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// The revision of the configuration.
    pub configuration: i64,
    /// The number of the latest revocation.
    pub revocations: i64,
}

/// The present revision, and the number of the latest revocation.
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

/// The present revision.
pub async fn read(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT first.number + last.number AS number FROM revision AS first, revision AS last \
               WHERE first.id = 1 AND last.id = 2";
    tx.fetch_one(sql, &[]).await?.int("number")
}

/// Grows it, in the transaction of the change, and notifies other replicas at commit (PostgreSQL). Gives the number.
///
/// To be called before anything else in a transaction, if at all: it is a lock that puts such transactions in a line.
/// What this crate writes to the things [`crate::directory::read`] reads grows the revision at commit by itself.
pub async fn bump(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.execute("UPDATE revision SET number = number + 1 WHERE id = 1", &[])
        .await?;
    tx.revision_has_grown();
    tell(tx).await
}

/// Grows it at the end of a transaction that did not [`bump`] it at its beginning.
pub(crate) async fn bump_last(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute("UPDATE revision SET number = number + 1 WHERE id = 2", &[])
        .await?;
    tell(tx).await.map(drop)
}

/// Numbers the revocations of this transaction, at its end. Whoever comes next waits here for the commit, so numbers grow
/// in the order of commits, and a replica that has seen one misses none below it.
pub(crate) async fn number_revocations(tx: &mut Tx) -> Result<(), StoreError> {
    let sql = "UPDATE revocation_number SET number = number + 1 WHERE id = 1 RETURNING number";
    let number = tx.fetch_one(sql, &[]).await?.int("number")?;
    // Those of other transactions under way cannot be seen from here.
    let sql = "UPDATE revocations SET number = $1 WHERE number IS NULL";
    tx.execute(sql, values![number]).await?;
    tx.notify(CHANNEL, &number.to_string()).await
}

async fn tell(tx: &mut Tx) -> Result<i64, StoreError> {
    let number = read(tx).await?;
    tx.notify(CHANNEL, &number.to_string()).await?;
    Ok(number)
}
