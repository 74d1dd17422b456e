//! Recorded arguments, beside the rows of the requests that they belong to. What is given here is redacted and cut already.

use gatewright_domain::{
    Timestamp,
    activity::{ARGUMENTS_MAX, Activity, RecordedArguments},
    id::{ActivityId, GatewayId, ProjectId},
};

use super::writing::insert;
use crate::{
    StoreError, Tx,
    row::Row,
    value::{Value, values},
};

/// Gateways or persons looked up at once.
const AT_ONCE: u32 = 200;
/// Bytes that a row takes in addition to its text: its other columns, and its entries in the indexes.
const OVERHEAD: i64 = 256;

/// Adds the arguments of rows of a batch, in the transaction that writes it, of which `first` is the number of the first row. Each is
/// named by its place in the batch.
pub async fn write_arguments(
    tx: &mut Tx,
    batch: &[Activity],
    first: i64,
    arguments: &[(usize, RecordedArguments)],
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(arguments.len());
    for (place, recorded) in arguments {
        let (Some(activity), Ok(offset)) = (batch.get(*place), i64::try_from(*place)) else {
            continue;
        };
        let person = activity
            .caller
            .as_ref()
            .and_then(|caller| caller.person.as_deref())
            .map(|person| person.replace('\0', "\u{fffd}"));
        rows.push([
            Value::from(first + offset),
            activity.at.into(),
            activity.project_id.into(),
            activity.gateway_id.into(),
            person.into(),
            recorded.bytes.into(),
            (&recorded.text).into(),
        ]);
    }
    let head =
        "INSERT INTO activity_arguments (id, at, project_id, gateway_id, person, bytes, arguments) VALUES ";
    insert(tx, head, "", &rows).await
}

/// The arguments of a request, by project and ID.
pub async fn find_arguments(
    tx: &mut Tx,
    project: ProjectId,
    id: ActivityId,
) -> Result<Option<RecordedArguments>, StoreError> {
    let sql = "SELECT at, bytes, arguments FROM activity_arguments WHERE id = $1 AND project_id = $2";
    let row = tx.fetch_optional(sql, values![id.row(), project]).await?;
    row.map(|row| {
        Ok(RecordedArguments {
            bytes: row.int("bytes")?,
            text: row.text("arguments")?,
        })
    })
    .transpose()
}

/// The gateways with recorded arguments, of all that come after `after` in the order of their IDs, at most 200, with their projects.
pub async fn gateways_with_arguments(
    tx: &mut Tx,
    after: Option<GatewayId>,
) -> Result<Vec<(ProjectId, GatewayId)>, StoreError> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let sql = "SELECT DISTINCT gateway_id, project_id FROM activity_arguments WHERE gateway_id > $1 \
               ORDER BY gateway_id LIMIT $2";
    let rows = tx.fetch_all(sql, values![after, AT_ONCE]).await?;
    let named = |row: &Row| Ok((row.id("project_id")?, row.id("gateway_id")?));
    rows.iter().map(named).collect()
}

/// The persons with recorded arguments, of all that come after `after` in the order of their IDs, at most 200, with their projects.
/// Those whom the holder of an API key named are left out.
pub async fn persons_with_arguments(
    tx: &mut Tx,
    after: &str,
) -> Result<Vec<(ProjectId, String)>, StoreError> {
    let sql = "SELECT DISTINCT person, project_id FROM activity_arguments WHERE person > $1 \
               AND (person LIKE 'usr!_%' ESCAPE '!' OR person LIKE 'acc!_%' ESCAPE '!') ORDER BY person LIMIT $2";
    let rows = tx.fetch_all(sql, values![after, AT_ONCE]).await?;
    let named = |row: &Row| Ok((row.id("project_id")?, row.text("person")?));
    rows.iter().map(named).collect()
}

/// Deletes arguments of a gateway that were recorded before this time, at most `limit`; returns how many.
pub async fn delete_arguments_of_gateway(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let sql = "DELETE FROM activity_arguments WHERE id IN (SELECT id FROM activity_arguments \
               WHERE gateway_id = $1 AND at < $2 AND project_id = $3 ORDER BY at LIMIT $4)";
    tx.execute(sql, values![gateway, before, project, limit]).await
}

/// Deletes arguments of requests of a person, in any project if none is named, at most `limit`; returns how many.
pub async fn delete_arguments_of_person(
    tx: &mut Tx,
    project: Option<ProjectId>,
    person: &str,
    limit: u32,
) -> Result<u64, StoreError> {
    let project = project.map(|id| id.to_string()).unwrap_or_default();
    let sql = "DELETE FROM activity_arguments WHERE id IN (SELECT id FROM activity_arguments \
               WHERE person = $1 AND ($2 = '' OR project_id = $2) LIMIT $3)";
    tx.execute(sql, values![person, project, limit]).await
}

/// Bytes that all recorded arguments take, as far as their lengths say. It reads an index only.
pub(crate) async fn size_of_arguments(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT CAST(COALESCE(SUM(CASE WHEN bytes < $1 THEN bytes ELSE $1 END + $2), 0) AS BIGINT) AS size \
               FROM activity_arguments";
    tx.fetch_one(sql, values![longest(), OVERHEAD]).await?.int("size")
}

/// Deletes the oldest recorded arguments, at most `limit`; returns how many, and how many bytes they took.
pub async fn prune_arguments(tx: &mut Tx, limit: u32) -> Result<(u64, i64), StoreError> {
    let sql = "DELETE FROM activity_arguments WHERE id IN (SELECT id FROM activity_arguments ORDER BY id LIMIT $1) \
               RETURNING bytes";
    let mut size = 0;
    let rows = tx.fetch_all(sql, values![limit]).await?;
    for row in &rows {
        size += row.int("bytes")?.min(longest()) + OVERHEAD;
    }
    Ok((rows.len() as u64, size))
}

/// The length of the longest text that is stored.
fn longest() -> i64 {
    i64::try_from(ARGUMENTS_MAX).unwrap_or(i64::MAX)
}
