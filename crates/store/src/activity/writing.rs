//! Writing of batches.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map},
    fmt::Write as _,
    sync::Arc,
};

use gatewright_domain::{
    Timestamp,
    activity::{Activity, SessionMark},
    activity_rollup::Counted,
    id::ProjectId,
};
use sqlx::AssertSqlSafe;

use super::{
    MINUTE, block_of,
    names::{self, Column, Said, Subject},
};
use crate::{
    StoreError, Tx, activity_rollup,
    value::{Value, values},
};

/// Columns of a row.
const COLUMNS: usize = 18;

/// The numbers of names, by what they say.
type Numbers<'a> = HashMap<(ProjectId, Said<'a>), i64>;

/// Notes that a batch of a process is written in this transaction; `false` if it was written before. A process numbers its
/// batches, and writes one that failed again under its number: it may have failed after the commit.
pub async fn claim_batch(tx: &mut Tx, writer: &str, number: i64, at: Timestamp) -> Result<bool, StoreError> {
    let sql = "INSERT INTO activity_writers (writer, batch, at) VALUES ($1, $2, $3) ON CONFLICT (writer) DO UPDATE \
               SET batch = excluded.batch, at = excluded.at WHERE activity_writers.batch < excluded.batch";
    Ok(tx.execute(sql, values![writer, number, at]).await? > 0)
}

/// Writes rows, in the order in which they happened, and everything that is counted of them; returns the number of the first.
///
/// The first statement locks the row that numbers rows and names, until the commit: replicas write one after the other, row
/// numbers follow commits, and no two batches wait for each other in a circle.
pub async fn write_batch(tx: &mut Tx, batch: &[Activity]) -> Result<i64, StoreError> {
    let Some(count) = i64::try_from(batch.len()).ok().filter(|count| *count > 0) else {
        return Ok(0);
    };
    let sql =
        "UPDATE activity_sequence SET next_row = next_row + $1 WHERE id = 1 RETURNING next_row, next_name";
    let row = tx.fetch_one(sql, values![count]).await?;
    let first = row.int("next_row")? - count;
    let numbers = numbers(tx, batch, row.int("next_name")?).await?;
    let mut blocks = BTreeSet::new();
    let mut minutes = BTreeMap::new();
    let mut rows = Vec::with_capacity(batch.len());
    for (activity, row) in batch.iter().zip(first..) {
        let named = Said::of(activity).map(|said| {
            let said = said?;
            numbers.get(&(activity.project_id, said)).copied()
        });
        let more =
            Said::of_block(activity).filter_map(|said| numbers.get(&(activity.project_id, said)).copied());
        let of_block = named.into_iter().flatten().chain(more);
        blocks.extend(of_block.map(|name| [name, block_of(row)]));
        if let btree_map::Entry::Vacant(entry) = minutes.entry(activity.at.as_millis().div_euclid(MINUTE)) {
            entry.insert(row);
        }
        rows.push(columns(activity, row, named));
    }
    let head = "INSERT INTO activity (id, at, project, gateway, person, client, server, kind, item, outcome, rule, \
                duration_us, upstream_us, bytes_in, bytes_out, request, session, trace_id) VALUES ";
    insert(tx, head, "", &rows).await?;
    let blocks: Vec<_> = blocks.into_iter().map(|entry| entry.map(Value::from)).collect();
    insert(
        tx,
        "INSERT INTO activity_blocks (name, block) VALUES ",
        " ON CONFLICT DO NOTHING",
        &blocks,
    )
    .await?;
    let minutes: Vec<_> = minutes
        .into_iter()
        .map(|(minute, row)| [minute, row].map(Value::from))
        .collect();
    insert(
        tx,
        "INSERT INTO activity_minutes (minute, first_row) VALUES ",
        " ON CONFLICT DO NOTHING",
        &minutes,
    )
    .await?;
    activity_rollup::add(tx, batch.iter().map(Counted::of).collect()).await?;
    Ok(first)
}

/// A name to look up.
#[derive(Default)]
struct Wanted<'a> {
    /// What rows say that has this name.
    same: Vec<Said<'a>>,
    label: &'a str,
}

/// The numbers of all names of a batch. Those that are new get one, from `next` on; a client that has another name now gets
/// that.
async fn numbers<'a>(tx: &mut Tx, batch: &'a [Activity], mut next: i64) -> Result<Numbers<'a>, StoreError> {
    let mut numbers: Numbers<'a> = HashMap::new();
    // Those to look up, with their labels. Texts that differ only in what PostgreSQL does not store have one name.
    let mut unknown: HashMap<ProjectId, HashMap<String, Wanted<'a>>> = HashMap::new();
    for activity in batch {
        let columns = Said::of(activity).into_iter().flatten();
        for said in columns.chain(Said::of_block(activity)) {
            if numbers.insert((activity.project_id, said), 0).is_none() {
                let of_project = unknown.entry(activity.project_id).or_default();
                let wanted = of_project.entry(said.name()).or_default();
                wanted.same.push(said);
                wanted.label = label(activity, said);
            }
        }
    }
    let first = next;
    let mut added = Vec::new();
    for (project, mut unknown) in unknown {
        let mut texts: Vec<String> = unknown.keys().cloned().collect();
        // One order for all batches that say the same.
        texts.sort_unstable();
        for found in names::find(tx, project, &texts).await? {
            let Some(Wanted { same, label }) = unknown.remove(&found.name) else {
                continue;
            };
            numbers.extend(same.into_iter().map(|said| ((project, said), found.id)));
            if !label.is_empty() && label != found.label {
                let sql = "UPDATE activity_names SET label = $2 WHERE id = $1";
                tx.execute(sql, values![found.id, label]).await?;
            }
        }
        for text in texts {
            if let Some(Wanted { same, label }) = unknown.remove(&text) {
                numbers.extend(same.into_iter().map(|said| ((project, said), next)));
                added.push([next.into(), project.into(), text.into(), label.into()]);
                next += 1;
            }
        }
    }
    if next > first {
        let head = "INSERT INTO activity_names (id, project_id, name, label) VALUES ";
        insert(tx, head, "", &added).await?;
        let sql = "UPDATE activity_sequence SET next_name = $1 WHERE id = 1";
        tx.execute(sql, values![next]).await?;
    }
    Ok(numbers)
}

/// The label of a name: clients have one.
fn label<'a>(activity: &'a Activity, said: Said<'_>) -> &'a str {
    let client = activity.caller.as_ref().and_then(|caller| caller.client.as_ref());
    match (said, client) {
        (Said::About(Subject::Client(_)), Some(client)) if !client.name.contains('\0') => &client.name,
        _ => "",
    }
}

fn columns(activity: &Activity, row: i64, named: [Option<i64>; Column::ALL.len()]) -> [Value; COLUMNS] {
    let [
        project,
        gateway,
        person,
        client,
        server,
        kind,
        item,
        outcome,
        rule,
    ] = named;
    [
        row.into(),
        activity.at.into(),
        project.into(),
        gateway.into(),
        person.into(),
        client.into(),
        server.into(),
        kind.into(),
        item.into(),
        outcome.into(),
        rule.into(),
        activity.duration_us.into(),
        activity.upstream_us.into(),
        activity.bytes_in.into(),
        activity.bytes_out.into(),
        activity.request.0.cast_signed().into(),
        activity.session.map(SessionMark::number).into(),
        activity.trace.map(|trace| trace.to_string()).into(),
    ]
}

/// Inserts rows, as many with each statement as suits the engine.
pub(super) async fn insert<const N: usize>(
    tx: &mut Tx,
    head: &str,
    tail: &str,
    rows: &[[Value; N]],
) -> Result<(), StoreError> {
    let mut of_rows = 0;
    let mut sql: Arc<str> = Arc::default();
    for chunk in rows.chunks(tx.rows_at_once()) {
        if of_rows != chunk.len() {
            of_rows = chunk.len();
            sql = Arc::from(insertion::<N>(head, tail, of_rows));
        }
        // Shared, so that a batch does not copy the text for each of its rows.
        tx.execute(AssertSqlSafe(Arc::<str>::clone(&sql)), chunk.as_flattened())
            .await?;
    }
    Ok(())
}

/// `head ($1, $2), ($3, $4) tail`. Writing to a String never fails.
fn insertion<const N: usize>(head: &str, tail: &str, rows: usize) -> String {
    let mut sql = head.to_owned();
    for row in 0..rows {
        for column in 0..N {
            let before = match (row, column) {
                (0, 0) => "(",
                (_, 0) => ", (",
                _ => ", ",
            };
            let _ = write!(sql, "{before}${}", row * N + column + 1);
        }
        sql.push(')');
    }
    sql.push_str(tail);
    sql
}
