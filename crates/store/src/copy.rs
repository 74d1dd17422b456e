//! Copies of a whole database, from one store into another or into a file.
//!
//! A [`Snapshot`] reads every table as it was at one moment, and a [`Loading`] writes them into an empty database of either
//! store, all or nothing. Rows cross in pages, so memory is bounded. Both compute a digest of each table in the same way, so
//! what was written is compared with what was read before it is committed.

mod loading;
mod shape;
mod snapshot;
mod sum;
mod tables;

use crate::StoreError;

pub use crate::{
    cell::{Cell, Cells, NotARow},
    keyring::is_proof_of,
    schema::{known_migrations, unknown_migration},
};
pub use loading::Loading;
pub use snapshot::{Pages, Snapshot};
pub use sum::{Summing, TableSum};

/// Copies everything in a snapshot, compares both sides and commits; returns what was copied. `seen` is called with each table
/// before its rows are copied.
pub async fn copy(
    mut from: Snapshot,
    mut to: Loading,
    seen: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<TableSum>, StoreError> {
    let mut sums = Vec::new();
    for place in 0..from.tables().len() {
        let mut pages = from.pages(place).await?;
        seen(pages.table());
        let target = to.begin_table(pages.table(), pages.columns())?;
        let mut sum = Summing::new(pages.table(), pages.columns());
        loop {
            let rows = pages.next().await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                sum.add(row);
            }
            to.write(target, rows).await?;
        }
        sums.push(sum.finish());
    }
    to.finish(&sums).await?;
    Ok(sums)
}

/// Rows of a page: few enough for memory, because a row can have tens of kilobytes.
const PAGE: usize = 500;
