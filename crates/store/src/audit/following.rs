//! Reading a chain from a number on, in its order, for those who send events elsewhere.

use gatewright_domain::audit::AuditEvent;

use crate::{StoreError, Tx, tx::chain::stored_columns, value::values};

/// An event of a chain as it was found.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Its number.
    pub seq: i64,
    /// The event; nothing if its row cannot be read, because someone changed it outside Gatewright.
    pub event: Option<AuditEvent>,
}

/// The events of a chain after a number, in the order of the chain, at most `limit`. A number that is missing was deleted.
pub async fn follow(tx: &mut Tx, chain: &str, after: i64, limit: u32) -> Result<Vec<Followed>, StoreError> {
    let sql = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM audit_events WHERE project_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    );
    let rows = tx.fetch_all(sql, values![chain, after, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Followed {
                seq: row.int("seq")?,
                event: super::read(row).ok(),
            })
        })
        .collect()
}
