//! What is denied, read as a replica reads it.

use gatewright_domain::Timestamp;
use gatewright_store::{
    StoreError, Tx, directory,
    revocation::{self, Denied, Place},
};

/// The revocations with a number above `since` that have not expired at `now`, each with its expiry.
pub(crate) async fn revoked_since(
    tx: &mut Tx,
    since: Option<i64>,
    now: Timestamp,
) -> Result<Vec<(Denied, Timestamp)>, StoreError> {
    let mut read = Vec::new();
    let mut place = Some(Place::after(since));
    while let Some(page) = place {
        place = revocation::read_page(tx, page, now, &mut |what, until| read.push((what, until))).await?;
    }
    Ok(read)
}

/// Everything denied at `now`: unexpired revocations, blocked users, and blocked clients.
pub(crate) async fn denied(tx: &mut Tx, now: Timestamp) -> Result<Vec<Denied>, StoreError> {
    let revoked = revoked_since(tx, None, now).await?;
    let mut denied: Vec<Denied> = revoked.into_iter().map(|(what, _)| what).collect();
    denied.extend(directory::read(tx).await?.denied);
    Ok(denied)
}
