//! Leases: work that one replica at a time does for all of them.

use std::time::Duration;

use gatewright_domain::Timestamp;

use crate::{StoreError, Tx, value::values};

/// Takes a lease until `now` plus `term`; `false` if another has it. Leases are not renewed or returned: work that takes longer
/// than its term may run twice.
pub async fn take(tx: &mut Tx, name: &str, now: Timestamp, term: Duration) -> Result<bool, StoreError> {
    let sql = "INSERT INTO leases (name, until) VALUES ($1, $3) ON CONFLICT (name) DO UPDATE SET until = excluded.until \
               WHERE leases.until <= $2";
    Ok(tx.execute(sql, values![name, now, now.plus(term)]).await? > 0)
}
