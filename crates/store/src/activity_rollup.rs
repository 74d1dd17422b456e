//! Counts of requests by minute, hour and day. They are added to in the transaction that writes the requests, so no request is
//! counted without its row or twice, and what several replicas add is one sum.

mod reading;

use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use gatewright_domain::{
    Timestamp,
    activity_rollup::{Bucket, Dimension, OTHER, Period, Place, Rollups, Tally},
    id::ProjectId,
    latency::BUCKETS,
};
use sqlx::AssertSqlSafe;

use crate::{
    StoreError, Tx,
    value::{Value, places, values},
};

pub use reading::{busiest, distinct_people, people, series};

/// Values of a row.
const WIDTH: usize = 8 + BUCKETS;
/// Rows in a statement: few different sizes, so that prepared statements are used again.
const SIZES: [usize; 3] = [16, 4, 1];
/// Keys looked up at once.
const LOOKED_UP: usize = 500;

/// The names of the columns that count, with commas between them.
static COUNTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let fixed = ["requests", "errors", "refused"].map(str::to_owned);
    let latencies = (0..BUCKETS).map(|bucket| format!("l{bucket}"));
    fixed.into_iter().chain(latencies).collect()
});

/// A statement for each number of rows in [`SIZES`].
static STATEMENTS: LazyLock<[String; 3]> = LazyLock::new(|| SIZES.map(statement));

fn statement(rows: usize) -> String {
    let row = |row: usize| format!("({})", places(row * WIDTH + 1, &[(); WIDTH]));
    let rows: Vec<_> = (0..rows).map(row).collect();
    let sums = COUNTS
        .iter()
        .map(|count| format!("{count} = activity_rollups.{count} + excluded.{count}"));
    format!(
        "INSERT INTO activity_rollups (project_id, seconds, begins_at, dimension, item, {}) VALUES {} \
         ON CONFLICT (project_id, seconds, begins_at, dimension, item) DO UPDATE SET {}",
        COUNTS.join(", "),
        rows.join(", "),
        sums.collect::<Vec<_>>().join(", ")
    )
}

/// Adds counts. Call it once, in the transaction that writes what is counted: it locks rows in the order of their places, as every
/// replica does. What is beyond the keys that a bucket can have is added to [`OTHER`].
pub(crate) async fn add(tx: &mut Tx, rollups: Rollups) -> Result<(), StoreError> {
    let mut buckets: BTreeMap<Bucket, Vec<(Place, Tally)>> = BTreeMap::new();
    for (place, tally) in rollups.into_places() {
        buckets.entry(place.bucket).or_default().push((place, tally));
    }
    for (bucket, mut counts) in buckets {
        // The count of the whole project comes first. Until the end of the transaction no other replica adds to this bucket, so
        // the number of keys below is exact.
        let rest = counts.split_off(counts.len().min(1));
        write(tx, &counts).await?;
        let rest = folded(tx, bucket, rest).await?;
        write(tx, &rest).await?;
    }
    Ok(())
}

/// The same counts with what is beyond the keys of a bucket under [`OTHER`].
async fn folded(
    tx: &mut Tx,
    bucket: Bucket,
    counts: Vec<(Place, Tally)>,
) -> Result<Vec<(Place, Tally)>, StoreError> {
    let sql = "SELECT dimension, COUNT(*) AS stored FROM activity_rollups WHERE project_id = $1 AND seconds = $2 \
               AND begins_at = $3 AND dimension IN ('tool', 'client', 'person') AND item <> $4 GROUP BY dimension";
    let values = values![bucket.project, bucket.period.number(), bucket.begin, OTHER];
    let mut stored = BTreeMap::new();
    for row in tx.fetch_all(sql, values).await? {
        stored.insert(row.text("dimension")?, row.small::<usize>("stored")?);
    }
    let mut all: BTreeMap<Dimension, Vec<(Place, Tally)>> = BTreeMap::new();
    for (place, tally) in counts {
        all.entry(place.dimension).or_default().push((place, tally));
    }
    let mut kept = Vec::new();
    for (dimension, counts) in all {
        let stored = stored.get(dimension.as_str()).copied().unwrap_or_default();
        match dimension.most_keys() {
            Some(most) if stored + counts.len() > most as usize => {
                let known = known(tx, bucket, dimension, &counts).await?;
                let free = (most as usize).saturating_sub(stored);
                kept.extend(fold(counts, &known, free));
            }
            _ => kept.extend(counts),
        }
    }
    Ok(kept)
}

/// Which keys the bucket has already.
async fn known(
    tx: &mut Tx,
    bucket: Bucket,
    dimension: Dimension,
    counts: &[(Place, Tally)],
) -> Result<HashSet<String>, StoreError> {
    let mut known = HashSet::new();
    for some in counts.chunks(LOOKED_UP) {
        let sql = format!(
            "SELECT item FROM activity_rollups WHERE project_id = $1 AND seconds = $2 AND begins_at = $3 \
             AND dimension = $4 AND item IN ({})",
            places(5, some)
        );
        let head = values![
            bucket.project,
            bucket.period.number(),
            bucket.begin,
            dimension.as_str()
        ];
        let items = some.iter().map(|(place, _)| Value::from(&place.key));
        let values: Vec<_> = head.iter().cloned().chain(items).collect();
        for row in tx.fetch_all(AssertSqlSafe(sql), &values).await? {
            known.insert(row.text("item")?);
        }
    }
    Ok(known)
}

/// Keeps the counts of known keys and of `free` new ones, and sums up the others.
fn fold(counts: Vec<(Place, Tally)>, known: &HashSet<String>, mut free: usize) -> BTreeMap<Place, Tally> {
    let mut kept: BTreeMap<Place, Tally> = BTreeMap::new();
    for (mut place, tally) in counts {
        if !known.contains(&place.key) {
            if free == 0 {
                OTHER.clone_into(&mut place.key);
            } else {
                free -= 1;
            }
        }
        kept.entry(place).or_default().add(&tally);
    }
    kept
}

async fn write(tx: &mut Tx, mut counts: &[(Place, Tally)]) -> Result<(), StoreError> {
    let at_once = tx.rows_at_once();
    for (size, statement) in SIZES.iter().zip(STATEMENTS.iter()) {
        while counts.len() >= *size && *size <= at_once {
            let (now, later) = counts.split_at(*size);
            let values: Vec<_> = now.iter().flat_map(|(place, tally)| row(place, tally)).collect();
            tx.execute(statement.as_str(), &values).await?;
            counts = later;
        }
    }
    Ok(())
}

fn row(place: &Place, tally: &Tally) -> Vec<Value> {
    let mut row = Vec::with_capacity(WIDTH);
    row.extend_from_slice(values![
        place.bucket.project,
        place.bucket.period.number(),
        place.bucket.begin,
        place.dimension.as_str(),
        &place.key,
    ]);
    let fixed = [tally.requests, tally.errors, tally.refused];
    let counts = fixed.iter().chain(tally.latency.counts());
    row.extend(counts.map(|count| Value::from(i64::try_from(*count).unwrap_or(i64::MAX))));
    row
}

/// Deletes buckets of this length that began before `before`, at most `limit` rows; returns how many.
pub async fn prune(tx: &mut Tx, period: Period, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM activity_rollups WHERE (project_id, seconds, begins_at, dimension, item) IN \
               (SELECT project_id, seconds, begins_at, dimension, item FROM activity_rollups \
               WHERE seconds = $1 AND begins_at < $2 ORDER BY begins_at LIMIT $3)";
    tx.execute(sql, values![period.number(), before, limit]).await
}

/// The projects that have more than this many counts of minutes and hours by tool, client and person, and how many. It reads the whole index: call it now and then.
pub async fn with_many_names(tx: &mut Tx, most: u64) -> Result<Vec<(ProjectId, u64)>, StoreError> {
    let sql = "SELECT project_id, COUNT(*) AS stored FROM activity_rollups \
               WHERE seconds < $2 AND dimension IN ('tool', 'client', 'person') \
               GROUP BY project_id HAVING COUNT(*) > $1";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = tx.fetch_all(sql, values![most, Period::Day.number()]).await?;
    rows.iter()
        .map(|row| Ok((row.id("project_id")?, row.small("stored")?)))
        .collect()
}

/// Deletes the oldest counts of a project by tool, client and person, of minutes and hours, at most `limit`; returns how many. What
/// is kept are the counts by day, and those of the whole project, its gateways and its servers.
pub async fn prune_names(tx: &mut Tx, project: ProjectId, limit: u32) -> Result<u64, StoreError> {
    let mut oldest = None;
    for period in [Period::Minute, Period::Hour] {
        let sql = "SELECT begins_at FROM activity_rollups WHERE project_id = $1 AND seconds = $2 \
                   AND dimension IN ('tool', 'client', 'person') ORDER BY begins_at LIMIT 1";
        let row = tx.fetch_optional(sql, values![project, period.number()]).await?;
        if let Some(row) = row {
            let begin = (row.time("begins_at")?, period.number());
            oldest = Some(oldest.map_or(begin, |other| begin.min(other)));
        }
    }
    let Some((_, period)) = oldest else {
        return Ok(0);
    };
    let sql = "DELETE FROM activity_rollups WHERE (project_id, seconds, begins_at, dimension, item) IN \
               (SELECT project_id, seconds, begins_at, dimension, item FROM activity_rollups \
               WHERE project_id = $1 AND seconds = $2 AND dimension IN ('tool', 'client', 'person') \
               ORDER BY begins_at LIMIT $3)";
    tx.execute(sql, values![project, period, limit]).await
}

/// Deletes counts of a project, at most `limit`; returns how many.
pub(crate) async fn forget_of_project(
    tx: &mut Tx,
    project: ProjectId,
    limit: u32,
) -> Result<u64, StoreError> {
    let sql = "DELETE FROM activity_rollups WHERE (project_id, seconds, begins_at, dimension, item) IN \
               (SELECT project_id, seconds, begins_at, dimension, item FROM activity_rollups \
               WHERE project_id = $1 LIMIT $2)";
    tx.execute(sql, values![project, limit]).await
}
