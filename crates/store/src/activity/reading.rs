//! Reading: pages with the newest first, one row, and what is new.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use gatewright_domain::{
    Timestamp,
    activity::{
        Activity, ActivityCaller, ActivityClient, RequestNumber, SessionMark, StoredActivity, TraceId,
    },
    id::{ActivityId, ProjectId},
};
use sqlx::AssertSqlSafe;

use super::{
    BLOCK_BITS, block_of,
    filter::{ActivityFilter, LOOK_AT, Terms},
    first_row_of,
    names::{self, Column, Found},
};
use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, from_word},
    value::{Value, values},
};

/// Statements that read rows of a page, at most: blocks that do not follow each other need one each.
const READS_MAX: usize = 128;
/// Blocks looked up with the first statement; each further one looks up four times as many.
const BLOCKS_FIRST: usize = 4;
/// Rows looked at for what is new, at most.
const NEW_MAX: i64 = 65_536;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT CAST(id AS BIGINT) AS id, at, CAST(project AS BIGINT) AS project, \
             CAST(gateway AS BIGINT) AS gateway, CAST(person AS BIGINT) AS person, CAST(client AS BIGINT) AS client, \
             CAST(server AS BIGINT) AS server, CAST(kind AS BIGINT) AS kind, CAST(item AS BIGINT) AS item, \
             CAST(outcome AS BIGINT) AS outcome, CAST(rule AS BIGINT) AS rule, duration_us, upstream_us, bytes_in, \
             bytes_out, request, session, trace_id FROM activity ",
            $rest
        )
    };
}

/// One page of a project's activity, the newest first. It reads a bounded number of rows: if few of them match, it can have
/// fewer than was asked for, or none, although there is a next page.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &ActivityFilter,
    page: &PageRequest,
) -> Result<Page<StoredActivity>, StoreError> {
    let Some(terms) = filter.terms(tx, project).await? else {
        return Ok(Page::default());
    };
    let wanted = page.rows() as usize;
    let blocks_max = usize::try_from(filter.look_at.unwrap_or(LOOK_AT) >> BLOCK_BITS);
    let blocks_max = blocks_max.unwrap_or(usize::MAX).max(1);
    let cursor = page.after.as_deref().and_then(|text| text.parse().ok());
    let cursor = cursor.map_or(i64::MAX, |id: ActivityId| id.row());
    let mut end = terms.end.min(cursor);
    let mut rows = Vec::new();
    let (mut looked_into, mut reads, mut at_once) = (0, 0, BLOCKS_FIRST.min(blocks_max));
    let next = 'search: loop {
        let blocks = blocks(tx, &terms, end, at_once).await?;
        if blocks.is_empty() {
            break None;
        }
        looked_into += blocks.len();
        at_once = (at_once * 4).min(blocks_max.saturating_sub(looked_into).max(1));
        for (lowest, highest) in runs(&blocks) {
            let first = first_row_of(lowest).max(terms.first);
            let past = first_row_of(highest + 1).min(end);
            rows.extend(read_rows(tx, &terms, first, past, wanted - rows.len()).await?);
            reads += 1;
            if rows.len() == wanted {
                // One more than is shown means that there is a next page.
                rows.pop();
                break 'search rows.last().map(id_of).transpose()?;
            }
            end = first;
            if reads >= READS_MAX {
                break 'search Some(ActivityId::of_row(Timestamp::default(), end));
            }
        }
        if looked_into >= blocks_max {
            break Some(ActivityId::of_row(Timestamp::default(), end));
        }
    };
    Ok(Page {
        items: named(tx, project, &rows).await?,
        next: next.map(|id| id.to_string()),
    })
}

/// Finds a row by project and ID.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    id: ActivityId,
) -> Result<Option<StoredActivity>, StoreError> {
    let Some(terms) = ActivityFilter::default().terms(tx, project).await? else {
        return Ok(None);
    };
    let rows = read_rows(tx, &terms, id.row(), id.row().saturating_add(1), 1).await?;
    let found = named(tx, project, &rows).await?.into_iter().next();
    // The time is a part of the ID.
    Ok(found.filter(|found| found.id == id))
}

/// Rows after the row with this number, the oldest first, at most `limit`; and the last row that was looked at, from where to
/// continue. Rows are numbered in the order of their commits, so none is missed.
pub async fn since(
    tx: &mut Tx,
    project: ProjectId,
    filter: &ActivityFilter,
    after: i64,
    limit: u32,
) -> Result<(Vec<StoredActivity>, i64), StoreError> {
    let last = last_row(tx).await?.min(after.saturating_add(NEW_MAX));
    let Some(terms) = filter.terms(tx, project).await? else {
        return Ok((Vec::new(), last.max(after)));
    };
    let mut sql = select!("WHERE id > $1 AND id <= $2").to_owned();
    let mut values: Vec<Value> = values![after, last].to_vec();
    terms.write(&mut sql, &mut values);
    values.push(limit.into());
    let _ = write!(sql, " ORDER BY id LIMIT ${}", values.len());
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    let is_full = rows.len() >= limit as usize;
    let seen = match rows.last() {
        Some(row) if is_full => row.int("id")?,
        _ => last.max(after),
    };
    Ok((named(tx, project, &rows).await?, seen))
}

/// Rows of all projects after the row with this number, the oldest first, at most `limit`; and the last of them, from where to
/// continue.
pub(super) async fn since_of_all(
    tx: &mut Tx,
    after: i64,
    limit: u32,
) -> Result<(Vec<StoredActivity>, i64), StoreError> {
    let sql = select!("WHERE id > $1 ORDER BY id LIMIT $2");
    let rows = tx.fetch_all(sql, values![after, limit]).await?;
    let seen = match rows.last() {
        Some(row) => row.int("id")?,
        None => last_row(tx).await?.max(after),
    };
    let names = names_of(tx, &rows).await?;
    let read = |row: &Row| {
        let project = row.int("project")?;
        let corrupt = || StoreError::Corrupt { what: "project" };
        let project = names.get(&project).ok_or_else(corrupt)?.project_id;
        read(row, project, &names)
    };
    Ok((rows.iter().map(read).collect::<Result<_, _>>()?, seen))
}

/// The number of the newest row of all projects; 0 if there never was one.
pub async fn last_row(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT next_row - 1 AS last_row FROM activity_sequence WHERE id = 1";
    tx.fetch_one(sql, &[]).await?.int("last_row")
}

/// Blocks before `end` that have all names, the newest first.
async fn blocks(tx: &mut Tx, terms: &Terms, end: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
    if end <= terms.first {
        return Ok(Vec::new());
    }
    // The order of the tables is the order in which SQLite looks into them.
    let (mut tables, mut conditions) = (String::new(), String::new());
    let highest = block_of(end.saturating_sub(1));
    let mut values: Vec<Value> = values![highest, block_of(terms.first)].to_vec();
    for (place, name) in terms.of_blocks().iter().enumerate() {
        values.push((*name).into());
        let number = values.len();
        let _ = if place == 0 {
            tables.push_str("activity_blocks AS b0");
            write!(conditions, "b0.name = ${number}")
        } else {
            let _ = write!(tables, " CROSS JOIN activity_blocks AS b{place}");
            write!(
                conditions,
                " AND b{place}.name = ${number} AND b{place}.block = b0.block"
            )
        };
    }
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let sql = format!(
        "SELECT b0.block FROM {tables} WHERE {conditions} AND b0.block <= $1 AND b0.block >= $2 \
         ORDER BY b0.block DESC LIMIT ${}",
        values.len()
    );
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    rows.iter().map(|row| row.int("block")).collect()
}

/// Blocks that follow each other, as the lowest and the highest of each run. They come with the highest first.
fn runs(blocks: &[i64]) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for block in blocks {
        match runs.last_mut() {
            Some((lowest, _)) if *lowest - 1 == *block => *lowest = *block,
            _ => runs.push((*block, *block)),
        }
    }
    runs
}

/// Rows from `first` to before `end` that match, the newest first.
async fn read_rows(
    tx: &mut Tx,
    terms: &Terms,
    first: i64,
    end: i64,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let mut sql = select!("WHERE id >= $1 AND id < $2").to_owned();
    let mut values: Vec<Value> = values![first, end].to_vec();
    terms.write(&mut sql, &mut values);
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let _ = write!(sql, " ORDER BY id DESC LIMIT ${}", values.len());
    tx.fetch_all(AssertSqlSafe(sql), &values).await
}

fn id_of(row: &Row) -> Result<ActivityId, StoreError> {
    Ok(ActivityId::of_row(row.time("at")?, row.int("id")?))
}

/// Rows in words.
async fn named(tx: &mut Tx, project: ProjectId, rows: &[Row]) -> Result<Vec<StoredActivity>, StoreError> {
    let names = names_of(tx, rows).await?;
    rows.iter().map(|row| read(row, project, &names)).collect()
}

/// The names that rows have.
async fn names_of(tx: &mut Tx, rows: &[Row]) -> Result<HashMap<i64, Found>, StoreError> {
    let mut ids = Vec::new();
    for row in rows {
        for column in Column::ALL {
            ids.extend(row.opt_int(column.word())?);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    names::read(tx, &ids).await
}

/// The text of a column, and its label.
fn text<'n>(
    row: &Row,
    column: Column,
    names: &'n HashMap<i64, Found>,
) -> Result<Option<(&'n str, &'n str)>, StoreError> {
    let word = column.word();
    let Some(id) = row.opt_int(word)? else {
        return Ok(None);
    };
    let found = names.get(&id).ok_or(StoreError::Corrupt { what: word })?;
    let text = found
        .name
        .strip_prefix(word)
        .and_then(|rest| rest.strip_prefix(' '));
    let text = text.ok_or(StoreError::Corrupt { what: word })?;
    Ok(Some((text, &found.label)))
}

fn read(row: &Row, project_id: ProjectId, names: &HashMap<i64, Found>) -> Result<StoredActivity, StoreError> {
    let corrupt = |column: Column| StoreError::Corrupt { what: column.word() };
    let text = |column| text(row, column, names);
    let word = |column| text(column)?.map(|(text, _)| text).ok_or_else(|| corrupt(column));
    let person = text(Column::Person)?.map(|(id, _)| Arc::from(id));
    let client = text(Column::Client)?.map(|(id, name)| ActivityClient {
        id: id.into(),
        name: name.into(),
    });
    let is_known = person.is_some() || client.is_some();
    let server_id = match text(Column::Server)? {
        Some((id, _)) => Some(id.parse().map_err(|_| corrupt(Column::Server))?),
        None => None,
    };
    let rule = match text(Column::Rule)? {
        Some((rule, _)) => Some(from_word(rule).ok_or_else(|| corrupt(Column::Rule))?),
        None => None,
    };
    let trace = match row.opt_text("trace_id")? {
        Some(trace) => Some(TraceId::parse(&trace).ok_or(StoreError::Corrupt { what: "trace_id" })?),
        None => None,
    };
    Ok(StoredActivity {
        id: id_of(row)?,
        activity: Activity {
            at: row.time("at")?,
            project_id,
            gateway_id: word(Column::Gateway)?
                .parse()
                .map_err(|_| corrupt(Column::Gateway))?,
            caller: is_known.then(|| Arc::new(ActivityCaller { person, client })),
            server_id,
            kind: from_word(word(Column::Kind)?).ok_or_else(|| corrupt(Column::Kind))?,
            item: text(Column::Item)?.map(|(item, _)| item.into()),
            outcome: from_word(word(Column::Outcome)?).ok_or_else(|| corrupt(Column::Outcome))?,
            rule,
            duration_us: row.int("duration_us")?,
            upstream_us: row.opt_int("upstream_us")?,
            bytes_in: row.int("bytes_in")?,
            bytes_out: row.int("bytes_out")?,
            request: RequestNumber(row.int("request")?.cast_unsigned()),
            trace,
            session: row.opt_int("session")?.map(SessionMark::of_number),
        },
    })
}
