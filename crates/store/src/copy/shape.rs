//! The columns of a table, as the database itself describes them.

use super::tables::Table;
use crate::{
    StoreError, Tx,
    cell::{Column, Kind},
    value::values,
};

/// A table with its columns.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) table: &'static Table,
    /// In the order in which they were created.
    pub(super) columns: Vec<Column>,
    /// The places of the columns of the primary key, in its order.
    pub(super) key: Vec<usize>,
}

const ON_SQLITE: &str = "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid";
const ON_POSTGRES: &str = "SELECT CAST(a.attname AS TEXT) AS name, CAST(format_type(a.atttypid, NULL) AS TEXT) AS type, \
     CAST(COALESCE(array_position(CAST(i.indkey AS SMALLINT[]), a.attnum) + 1, 0) AS BIGINT) AS pk \
     FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary \
     WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

impl Shape {
    /// The shape of a table; `None` if an older schema does not have it yet.
    pub(super) async fn of(tx: &mut Tx, table: &'static Table) -> Result<Option<Self>, StoreError> {
        let sql = if tx.is_on_postgres() {
            ON_POSTGRES
        } else {
            ON_SQLITE
        };
        let mut columns = Vec::new();
        let mut key = Vec::new();
        for row in tx.fetch_all(sql, values![table.name]).await? {
            let name = row.text("name")?;
            let kind = match &*row.text("type")?.to_ascii_uppercase() {
                "TEXT" => Kind::Text,
                "BIGINT" | "INTEGER" => Kind::Int,
                other => {
                    return Err(StoreError::Refused(format!(
                        "The column {name} of the table {} has the type {other}, which no version of Gatewright creates",
                        table.name
                    )));
                }
            };
            let place_in_key: usize = row.small("pk")?;
            if place_in_key > 0 {
                key.push((place_in_key, columns.len()));
            }
            columns.push(Column { name, kind });
        }
        if columns.is_empty() {
            return Ok(None);
        }
        key.sort_unstable();
        let key = key.into_iter().map(|(_, column)| column).collect();
        Ok(Some(Self { table, columns, key }))
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// The same table with its columns in this order; `None` if they are not the same columns.
    pub(super) fn in_order(&self, names: &[String]) -> Option<Self> {
        let places: Option<Vec<usize>> = names
            .iter()
            .map(|name| self.columns.iter().position(|column| column.name == *name))
            .collect();
        let places = places?;
        let mut sorted = places.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..self.columns.len()) {
            return None;
        }
        let key = self
            .key
            .iter()
            .filter_map(|old| places.iter().position(|place| place == old));
        Some(Self {
            table: self.table,
            columns: places.iter().map(|place| self.columns[*place].clone()).collect(),
            key: key.collect(),
        })
    }

    /// The columns as a list for `SELECT`, with those that are reset.
    pub(super) fn selected(&self, is_on_postgres: bool) -> String {
        let select = |column: &Column| {
            let name = &column.name;
            let reset = self.table.reset.iter().find(|(reset, _)| reset == name);
            let value = reset.map_or(name.as_str(), |(_, value)| *value);
            match column.kind {
                // On SQLite the value stays what it is: a cast would hide what does not belong there.
                _ if !is_on_postgres => format!("{value} AS {name}"),
                Kind::Int => format!("CAST({value} AS BIGINT) AS {name}"),
                Kind::Text => format!("CAST({value} AS TEXT) AS {name}"),
            }
        };
        self.columns.iter().map(select).collect::<Vec<_>>().join(", ")
    }
}
