//! Whole rows of any table, for copies of a database.

use rusqlite::{Connection, params_from_iter, types::ToSqlOutput};
use sqlx::AssertSqlSafe;

use super::{Inner, Tx};
use crate::{
    StoreError,
    cell::{Cell, Cells, Column, Kind},
    error::EngineError,
    row::Row,
};

impl Tx {
    /// Whether the transaction is on PostgreSQL.
    pub(crate) const fn is_on_postgres(&self) -> bool {
        matches!(self.inner, Inner::Postgres(..))
    }

    /// Adds rows to a table; their values are in the order of its columns.
    pub(crate) async fn insert_rows(
        &mut self,
        table: &str,
        columns: &[Column],
        rows: Vec<Cells>,
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        let names = names.join(", ");
        match &mut self.inner {
            Inner::Session(session) => {
                let places = vec!["?"; columns.len()].join(", ");
                let sql = format!("INSERT INTO {table} ({names}) VALUES ({places})");
                session
                    .run(move |connection| insert_each(connection, &sql, &rows))
                    .await
            }
            Inner::Whole(_) => Err(EngineError::Closed.into()),
            Inner::Postgres(tx, link) => {
                // One statement for all rows: a list for each column.
                let lists: Vec<String> = (1..)
                    .zip(columns)
                    .map(|(place, column)| match column.kind {
                        Kind::Text => format!("${place}::TEXT[]"),
                        Kind::Int => format!("${place}::BIGINT[]"),
                    })
                    .collect();
                let sql = format!(
                    "INSERT INTO {table} ({names}) SELECT * FROM UNNEST({})",
                    lists.join(", ")
                );
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for (place, column) in columns.iter().enumerate() {
                    query = match column.kind {
                        Kind::Text => query.bind(texts(&rows, place)),
                        Kind::Int => query.bind(numbers(&rows, place)),
                    };
                }
                link.bounded(query.execute(&mut **tx)).await?;
                Ok(())
            }
        }
    }
}

fn insert_each(connection: &Connection, sql: &str, rows: &[Cells]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(ToSqlOutput::from(rusqlite::types::Null)),
            Self::Int(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

fn texts(rows: &[Cells], place: usize) -> Vec<Option<String>> {
    let text = |row: &Cells| match row.get(place) {
        Some(Cell::Text(text)) => Some(text.clone()),
        _ => None,
    };
    rows.iter().map(text).collect()
}

fn numbers(rows: &[Cells], place: usize) -> Vec<Option<i64>> {
    let number = |row: &Cells| match row.get(place) {
        Some(Cell::Int(number)) => Some(*number),
        _ => None,
    };
    rows.iter().map(number).collect()
}

impl Row {
    /// The values of a row of a table with these columns.
    pub(crate) fn cells(&self, table: &str, columns: &[Column]) -> Result<Cells, StoreError> {
        let cell = |(place, column): (usize, &Column)| {
            self.cell(place, column.kind).ok_or_else(|| {
                StoreError::Refused(format!(
                    "A value of {table}.{} cannot be read: it is not what Gatewright stores there. Check the database with its \
                     own tools, such as PRAGMA integrity_check of SQLite",
                    column.name
                ))
            })
        };
        columns.iter().enumerate().map(cell).collect()
    }
}
