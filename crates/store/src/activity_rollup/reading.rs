//! What charts read of the counts. Buckets are named one by one, so that each is found by the primary key, however many keys the
//! others between them have.

use gatewright_domain::{
    Timestamp,
    activity_rollup::{Dimension, OTHER, Period, Tally},
    id::ProjectId,
    latency::{BUCKETS, Histogram},
};
use sqlx::AssertSqlSafe;

use super::COUNTS;
use crate::{
    StoreError, Tx,
    row::Row,
    value::{Value, places, values},
};

/// Buckets of one query: those of a week, by hour, and some more.
const MOST_BUCKETS: usize = 200;

/// The counts of one key in these buckets, oldest first. Buckets without requests are left out.
pub async fn series(
    tx: &mut Tx,
    project: ProjectId,
    period: Period,
    dimension: Dimension,
    key: &str,
    begins: &[Timestamp],
) -> Result<Vec<(Timestamp, Tally)>, StoreError> {
    let Some((buckets, mut values)) = within(project, period, dimension, begins) else {
        return Ok(Vec::new());
    };
    values.push(key.into());
    let sql = format!(
        "SELECT begins_at, {} FROM activity_rollups WHERE {buckets} AND item = ${} ORDER BY begins_at",
        COUNTS.join(", "),
        values.len()
    );
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    rows.iter()
        .map(|row| Ok((row.time("begins_at")?, read(row)?)))
        .collect()
}

/// The keys with the most requests in these buckets together, at most `limit`, most requests first. They do not include
/// [`OTHER`].
pub async fn busiest(
    tx: &mut Tx,
    project: ProjectId,
    period: Period,
    dimension: Dimension,
    begins: &[Timestamp],
    limit: u32,
) -> Result<Vec<(String, Tally)>, StoreError> {
    let Some((buckets, mut values)) = within(project, period, dimension, begins) else {
        return Ok(Vec::new());
    };
    values.extend_from_slice(values![OTHER, limit]);
    // PostgreSQL sums whole numbers up to decimals.
    let sums = COUNTS
        .iter()
        .map(|count| format!("CAST(SUM({count}) AS BIGINT) AS {count}"));
    let sql = format!(
        "SELECT item, {} FROM activity_rollups WHERE {buckets} AND item <> ${} GROUP BY item \
         ORDER BY SUM(requests) DESC, item LIMIT ${}",
        sums.collect::<Vec<_>>().join(", "),
        values.len() - 1,
        values.len()
    );
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    rows.iter()
        .map(|row| Ok((row.text("item")?, read(row)?)))
        .collect()
}

/// How many people were active in each of these buckets. Buckets without any are left out.
pub async fn people(
    tx: &mut Tx,
    project: ProjectId,
    period: Period,
    begins: &[Timestamp],
) -> Result<Vec<(Timestamp, u64)>, StoreError> {
    let Some((buckets, mut values)) = within(project, period, Dimension::Person, begins) else {
        return Ok(Vec::new());
    };
    values.push(OTHER.into());
    let sql = format!(
        "SELECT begins_at, COUNT(*) AS people FROM activity_rollups WHERE {buckets} AND item <> ${} \
         GROUP BY begins_at ORDER BY begins_at",
        values.len()
    );
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    rows.iter()
        .map(|row| Ok((row.time("begins_at")?, row.small("people")?)))
        .collect()
}

/// How many people were active in these buckets together, each counted once.
pub async fn distinct_people(
    tx: &mut Tx,
    project: ProjectId,
    period: Period,
    begins: &[Timestamp],
) -> Result<u64, StoreError> {
    let Some((buckets, mut values)) = within(project, period, Dimension::Person, begins) else {
        return Ok(0);
    };
    values.push(OTHER.into());
    let sql = format!(
        "SELECT COUNT(DISTINCT item) AS people FROM activity_rollups WHERE {buckets} AND item <> ${}",
        values.len()
    );
    tx.fetch_one(AssertSqlSafe(sql), &values).await?.small("people")
}

/// The condition that names buckets of a dimension, with its values; nothing without buckets.
fn within(
    project: ProjectId,
    period: Period,
    dimension: Dimension,
    begins: &[Timestamp],
) -> Option<(String, Vec<Value>)> {
    let begins = &begins[..begins.len().min(MOST_BUCKETS)];
    if begins.is_empty() {
        return None;
    }
    let mut values: Vec<Value> = values![project, period.number(), dimension.as_str()].to_vec();
    let named = places(values.len() + 1, begins);
    values.extend(begins.iter().map(|begin| Value::from(*begin)));
    let sql = format!("project_id = $1 AND seconds = $2 AND dimension = $3 AND begins_at IN ({named})");
    Some((sql, values))
}

fn read(row: &Row) -> Result<Tally, StoreError> {
    let count = |column: &'static str| Ok::<_, StoreError>(row.int(column)?.max(0).unsigned_abs());
    let mut latency = [0; BUCKETS];
    for (bucket, name) in latency.iter_mut().zip(&COUNTS[3..]) {
        *bucket = count(name.as_str())?;
    }
    Ok(Tally {
        requests: count("requests")?,
        errors: count("errors")?,
        refused: count("refused")?,
        latency: Histogram::of(latency),
    })
}
