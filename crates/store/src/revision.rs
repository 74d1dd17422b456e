//! The revision of the configuration: grows with every change that requests must see.

use crate::{StoreError, Tx};

/// The PostgreSQL channel on which replicas hear of a new revision.
pub(crate) const CHANNEL: &str = "gatewright_revision";

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

async fn tell(tx: &mut Tx) -> Result<i64, StoreError> {
    let number = read(tx).await?;
    tx.notify(CHANNEL, &number.to_string()).await?;
    Ok(number)
}
