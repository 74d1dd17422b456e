//! How many sign-ins ended in each hour and day, and how many of them failed. The attempts themselves are kept for a while only, and
//! not all of them.

use std::collections::BTreeMap;

use gatewright_domain::{
    Timestamp,
    activity_rollup::Period,
    id::{GatewayId, ProjectId},
};
use sqlx::AssertSqlSafe;

use crate::{
    StoreError, Tx,
    value::{Value, places, values},
};

/// Buckets of one query: those of a week, by hour, and some more.
const MOST_BUCKETS: usize = 200;

/// A sign-in that ended, or that ended otherwise than was known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedSignIn {
    pub(crate) project: ProjectId,
    pub(crate) gateway: GatewayId,
    /// When it began.
    pub(crate) at: Timestamp,
    /// How many more ended: 0 or 1.
    pub(crate) ended: i64,
    /// How many more failed: -1, if one that had failed went well after all.
    pub(crate) failed: i64,
}

/// The sign-ins of a bucket of time that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignIns {
    /// How many.
    pub ended: u64,
    /// How many of them failed.
    pub failed: u64,
}

/// Adds sign-ins to the counts of their hours and days. Rows are locked in the order of their keys, as every replica does.
pub(crate) async fn add(tx: &mut Tx, sign_ins: &[EndedSignIn]) -> Result<(), StoreError> {
    let mut counts: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for sign_in in sign_ins {
        for period in [Period::Hour, Period::Day] {
            let place = (sign_in.project, sign_in.gateway, period, period.begin(sign_in.at));
            let (ended, failed) = counts.entry(place).or_default();
            *ended += sign_in.ended;
            *failed += sign_in.failed;
        }
    }
    let sql = "INSERT INTO sign_in_counts (project_id, gateway_id, seconds, begins_at, ended, failed) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project_id, seconds, begins_at, gateway_id) DO UPDATE SET \
               ended = sign_in_counts.ended + excluded.ended, failed = sign_in_counts.failed + excluded.failed";
    for ((project, gateway, period, begin), (ended, failed)) in counts {
        let values = values![project, gateway, period.number(), begin, ended, failed];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

/// The sign-ins of a project, or of one of its gateways, in these hours or days, oldest first. Buckets without any are left out.
pub async fn series(
    tx: &mut Tx,
    project: ProjectId,
    gateway: Option<GatewayId>,
    period: Period,
    begins: &[Timestamp],
) -> Result<Vec<(Timestamp, SignIns)>, StoreError> {
    let begins = &begins[..begins.len().min(MOST_BUCKETS)];
    if begins.is_empty() {
        return Ok(Vec::new());
    }
    let mut values: Vec<Value> = values![project, period.number()].to_vec();
    let named = places(values.len() + 1, begins);
    values.extend(begins.iter().map(|begin| Value::from(*begin)));
    let mut only = String::new();
    if let Some(gateway) = gateway {
        values.push(gateway.into());
        only = format!("AND gateway_id = ${}", values.len());
    }
    // PostgreSQL sums whole numbers up to decimals.
    let sql = format!(
        "SELECT begins_at, CAST(SUM(ended) AS BIGINT) AS ended, CAST(SUM(failed) AS BIGINT) AS failed \
         FROM sign_in_counts WHERE project_id = $1 AND seconds = $2 AND begins_at IN ({named}) {only} \
         GROUP BY begins_at ORDER BY begins_at"
    );
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    let count = |count: i64| count.max(0).unsigned_abs();
    rows.iter()
        .map(|row| {
            let sign_ins = SignIns {
                ended: count(row.int("ended")?),
                failed: count(row.int("failed")?),
            };
            Ok((row.time("begins_at")?, sign_ins))
        })
        .collect()
}

/// Deletes counts of hours and days that began before `before`, at most `limit`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM sign_in_counts WHERE (project_id, seconds, begins_at, gateway_id) IN \
               (SELECT project_id, seconds, begins_at, gateway_id FROM sign_in_counts \
               WHERE seconds IN ($1, $2) AND begins_at < $3 LIMIT $4)";
    let [hour, day] = [Period::Hour, Period::Day].map(Period::number);
    tx.execute(sql, values![hour, day, before, limit]).await
}

pub(crate) async fn forget_of_project(tx: &mut Tx, project: ProjectId) -> Result<(), StoreError> {
    let sql = "DELETE FROM sign_in_counts WHERE project_id = $1";
    tx.execute(sql, values![project]).await?;
    Ok(())
}
