//! Deleting the oldest events. An event records up to where, so that the check knows where the chain begins.

use gatewright_domain::{Clock, Entropy, Timestamp};

use super::{first_id, trail};
use crate::{StoreError, Tx, tx::chain::Head, value::values};

/// Deletes events that began before `before` from the beginning of their chains, at most `limit`; returns how many. A chain
/// keeps its last event about this, so a chain that nothing is added to ends with that event.
pub async fn prune(
    tx: &mut Tx,
    before: Timestamp,
    limit: u32,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) -> Result<u64, StoreError> {
    let bound = first_id(before);
    let mut deleted = 0;
    while deleted < u64::from(limit) {
        // Chains in the order of their names, as always when the heads of several are locked.
        let sql = "SELECT audit_heads.project_id FROM audit_heads JOIN audit_events \
                   ON audit_events.project_id = audit_heads.project_id AND audit_events.seq = audit_heads.base_seq + 1 \
                   WHERE audit_events.id < $1 AND (audit_events.seq < audit_heads.seq OR audit_events.action <> $2) \
                   ORDER BY audit_heads.project_id LIMIT 1";
        let due = tx.fetch_optional(sql, values![&bound, trail::PRUNED]).await?;
        let Some(due) = due else {
            break;
        };
        let head = Head::lock(tx, &due.text("project_id")?).await?;
        let left = limit - u32::try_from(deleted).unwrap_or(limit);
        let count = prune_chain(tx, &head, &bound, left, (clock, entropy)).await?;
        if count == 0 {
            // Another process was first.
            break;
        }
        deleted += count;
    }
    Ok(deleted)
}

async fn prune_chain(
    tx: &mut Tx,
    head: &Head,
    bound: &str,
    limit: u32,
    random: (&dyn Clock, &dyn Entropy),
) -> Result<u64, StoreError> {
    let sql = "SELECT id, seq, digest, action FROM audit_events WHERE project_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let rows = tx
        .fetch_all(sql, values![head.chain.as_str(), head.base_seq, limit])
        .await?;
    let mut last = None;
    for (row, expected) in rows.iter().zip(head.base_seq + 1..) {
        let seq = row.int("seq")?;
        let is_alone = expected == head.base_seq + 1 && seq == head.seq;
        let is_only_the_last_deletion = is_alone && row.text("action")? == trail::PRUNED;
        if row.text("id")?.as_str() >= bound || seq != expected || is_only_the_last_deletion {
            break;
        }
        last = Some((seq, row.text("digest")?));
    }
    let Some((seq, digest)) = last else {
        return Ok(0);
    };
    let sql = "DELETE FROM audit_events WHERE project_id = $1 AND seq > $2 AND seq <= $3";
    let deleted = tx
        .execute(sql, values![head.chain.as_str(), head.base_seq, seq])
        .await?;
    let sql = "UPDATE audit_heads SET base_seq = $1, base_digest = $2 WHERE project_id = $3";
    tx.execute(sql, values![seq, &digest, head.chain.as_str()])
        .await?;
    let changes = vec![
        trail::field("events", deleted),
        trail::field("last_seq", seq),
        trail::field("last_digest", &digest),
    ];
    trail::tell(tx, head, trail::PROGRAM, trail::PRUNED, changes, random);
    Ok(deleted)
}
