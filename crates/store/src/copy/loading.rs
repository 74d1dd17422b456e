//! Writing a whole database.

use sqlx::AssertSqlSafe;

use super::{
    shape::Shape,
    snapshot::Pages,
    sum::TableSum,
    tables::{Home, TABLES, Treatment},
};
use crate::{
    Store, StoreError, Tx,
    cell::{Cell, Cells, Kind},
    store::Access,
};

/// A transaction that fills an empty database. If it is dropped before [`Loading::finish`], nothing was written.
#[derive(Debug)]
pub struct Loading {
    main: Tx,
    /// On SQLite.
    activity: Option<Tx>,
    shapes: Vec<Shape>,
    store: Store,
}

impl Loading {
    /// Begins to fill a migrated database. `Refused` if it already has rows.
    pub async fn begin(store: &Store) -> Result<Self, StoreError> {
        let mut main = store.patient(Access::Write).await?;
        let mut activity = match store.separate_activity() {
            Some(activity) => Some(activity.patient(Access::Write).await?),
            None => None,
        };
        let mut shapes = Vec::new();
        for table in TABLES.iter().filter(|table| table.is_copied()) {
            let tx = match (table.home, &mut activity) {
                (Home::Activity, Some(activity)) => activity,
                _ => &mut main,
            };
            shapes.extend(Shape::of(tx, table).await?);
        }
        let mut loading = Self {
            main,
            activity,
            shapes,
            store: store.clone(),
        };
        loading.make_room().await?;
        Ok(loading)
    }

    /// Keeps other writers away, and checks that there is nothing to overwrite but the rows that each new database has.
    async fn make_room(&mut self) -> Result<(), StoreError> {
        if self.main.is_on_postgres() {
            let sql = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", self.names());
            self.main.execute(AssertSqlSafe(sql), &[]).await?;
        }
        for place in 0..self.shapes.len() {
            let (tx, shape) = self.place(place);
            let table = shape.table.name;
            if shape.table.treatment == Treatment::Replaced {
                tx.execute(AssertSqlSafe(format!("DELETE FROM {table}")), &[])
                    .await?;
                continue;
            }
            let sql = format!("SELECT 1 AS one FROM {table} LIMIT 1");
            if tx.fetch_optional(AssertSqlSafe(sql), &[]).await?.is_some() {
                return Err(self.not_empty(table));
            }
        }
        Ok(())
    }

    /// The tables as a list for SQL.
    fn names(&self) -> String {
        let names: Vec<&str> = self.shapes.iter().map(|shape| shape.table.name).collect();
        names.join(", ")
    }

    fn not_empty(&self, table: &str) -> StoreError {
        let remedy = if self.activity.is_some() {
            "Move gatewright.db and gatewright.activity.db out of the data folder, with the files beside them whose names end \
             with -wal and -shm, or use another data folder"
        } else {
            "Create a new database, and use its URL"
        };
        StoreError::Refused(format!(
            "The database already has data (rows in {table}), and nothing was changed. {remedy}."
        ))
    }

    fn place(&mut self, place: usize) -> (&mut Tx, &Shape) {
        let shape = &self.shapes[place];
        match (shape.table.home, &mut self.activity) {
            (Home::Activity, Some(activity)) => (activity, shape),
            _ => (&mut self.main, shape),
        }
    }

    /// Begins to write a table whose rows have these columns, in this order. Tables come in the order of
    /// [`super::Snapshot::tables`]; `Refused` if the database does not have the table, or not with these columns.
    pub fn begin_table(&mut self, table: &str, columns: &[String]) -> Result<usize, StoreError> {
        let place = self.shapes.iter().position(|shape| shape.table.name == table);
        let ordered = place.and_then(|place| self.shapes[place].in_order(columns));
        let (Some(place), Some(ordered)) = (place, ordered) else {
            return Err(StoreError::Refused(format!(
                "The table {table} with the columns {} is not a table of this schema",
                columns.join(", ")
            )));
        };
        self.shapes[place] = ordered;
        Ok(place)
    }

    /// Writes rows of the table at this place, which [`Loading::begin_table`] returned.
    pub async fn write(&mut self, place: usize, rows: Vec<Cells>) -> Result<(), StoreError> {
        let (tx, shape) = self.place(place);
        check(shape, &rows, tx.is_on_postgres())?;
        tx.insert_rows(shape.table.name, &shape.columns, rows).await
    }

    /// Reads everything that was written, compares it with what was expected, and commits it. `Refused`, and nothing is
    /// written, if a table differs.
    pub async fn finish(mut self, expected: &[TableSum]) -> Result<(), StoreError> {
        for place in 0..self.shapes.len() {
            let (tx, shape) = self.place(place);
            let (table, shape) = (shape.table.name, shape.clone());
            let found = Pages::begin(tx, shape).await?.sum().await?;
            let expected = expected.iter().find(|sum| sum.table == table);
            // An older schema has the table only if the copy has it.
            if expected != Some(&found) {
                return Err(StoreError::Refused(format!(
                    "The table {table} is not what was copied: {} rows were expected and {} were found, or their contents \
                     differ. Nothing was written.",
                    expected.map_or(0, |sum| sum.rows),
                    found.rows
                )));
            }
        }
        if let Some(unknown) = expected
            .iter()
            .find(|sum| !self.shapes.iter().any(|shape| shape.table.name == sum.table))
        {
            return Err(StoreError::Refused(format!(
                "The database has no table {}, so nothing was written.",
                unknown.table
            )));
        }
        if self.main.is_on_postgres() {
            // Without it, queries are planned for empty tables for a minute.
            let sql = format!("ANALYZE {}", self.names());
            self.main.execute(AssertSqlSafe(sql), &[]).await?;
        }
        let had_activity = self.activity.is_some();
        if let Some(activity) = self.activity.take() {
            activity.commit().await?;
        }
        let committed = self.main.commit().await;
        if committed.is_err() && had_activity {
            // The two files are all or nothing, too.
            empty_activity(&self.store).await?;
        }
        committed
    }
}

/// Deletes what was committed to the file of the activity.
async fn empty_activity(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.activity().0.write().await?;
    for table in TABLES.iter().filter(|table| table.home == Home::Activity) {
        if table.treatment == Treatment::Copied {
            tx.execute(AssertSqlSafe(format!("DELETE FROM {}", table.name)), &[])
                .await?;
        }
    }
    tx.commit().await
}

/// Checks that values are of the kinds of their columns. PostgreSQL cannot store the character U+0000.
fn check(shape: &Shape, rows: &[Cells], is_on_postgres: bool) -> Result<(), StoreError> {
    for row in rows {
        if row.len() != shape.columns.len() {
            return Err(StoreError::Refused(format!(
                "A row of {} is incomplete.",
                shape.table.name
            )));
        }
        for (cell, column) in row.iter().zip(&shape.columns) {
            let fits = matches!(
                (cell, column.kind),
                (Cell::Null, _) | (Cell::Int(_), Kind::Int) | (Cell::Text(_), Kind::Text)
            );
            let has_zero = matches!(cell, Cell::Text(text) if is_on_postgres && text.contains('\0'));
            if fits && !has_zero {
                continue;
            }
            let key: Vec<String> = shape.key.iter().map(|place| shown(&row[*place])).collect();
            let why = if has_zero {
                "has the character U+0000, which PostgreSQL cannot store. Change that value, and run this again"
            } else {
                "is of another kind than its column"
            };
            return Err(StoreError::Refused(format!(
                "A value of {}.{} {why} (row {}). Nothing was written.",
                shape.table.name,
                column.name,
                key.join(", ")
            )));
        }
    }
    Ok(())
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Int(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
    }
}
