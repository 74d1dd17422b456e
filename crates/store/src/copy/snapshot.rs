//! Reading a whole database as it was at one moment.

use sqlx::AssertSqlSafe;

use super::{
    PAGE,
    shape::Shape,
    sum::{Summing, TableSum},
    tables::{Home, TABLES},
};
use crate::{
    Store, StoreError, Tx,
    cell::{Cell, Cells, Kind},
    schema::applied,
    store::Access,
    value::Value,
};

/// Everything that a copy of a database contains, as it was at one moment. On SQLite the activity is in a separate file: it is
/// as it was a moment later, so nothing in the main file refers to a row of it that is missing.
#[derive(Debug)]
pub struct Snapshot {
    main: Tx,
    /// On SQLite.
    activity: Option<Tx>,
    shapes: Vec<Shape>,
    migrations: Vec<i64>,
}

impl Snapshot {
    /// A snapshot of a database that others may use in the meantime.
    pub async fn take(store: &Store) -> Result<Self, StoreError> {
        Self::of(store, Access::Read).await
    }

    /// The same. On SQLite, no process can write to the database until the snapshot is dropped; `Busy` if another one does not
    /// let go of it within five seconds.
    pub async fn take_and_hold(store: &Store) -> Result<Self, StoreError> {
        let access = match store.separate_activity() {
            Some(_) => Access::Write,
            None => Access::Read,
        };
        Self::of(store, access).await
    }

    async fn of(store: &Store, access: Access) -> Result<Self, StoreError> {
        // A database of a newer version may have tables that this program does not know.
        store.is_migrated().await?;
        let mut main = store.patient(access).await?;
        // The first statement decides which moment it is.
        let mut migrations = applied(&mut main).await?.ok_or_else(no_tables)?;
        let mut activity = match store.separate_activity() {
            Some(activity) => Some(activity.patient(access).await?),
            None => None,
        };
        if let Some(activity) = &mut activity {
            migrations.extend(applied(activity).await?.ok_or_else(no_tables)?);
            migrations.sort_unstable();
        }
        let mut shapes = Vec::new();
        for table in TABLES.iter().filter(|table| table.is_copied()) {
            let tx = match (table.home, &mut activity) {
                (Home::Activity, Some(activity)) => activity,
                _ => &mut main,
            };
            shapes.extend(Shape::of(tx, table).await?);
        }
        Ok(Self {
            main,
            activity,
            shapes,
            migrations,
        })
    }

    /// The versions of the migrations that the database has, in order.
    pub fn migrations(&self) -> &[i64] {
        &self.migrations
    }

    /// The tables, in an order in which they can be written.
    pub fn tables(&self) -> Vec<&'static str> {
        self.shapes.iter().map(|shape| shape.table.name).collect()
    }

    /// The tables with the names of their columns, in the same order.
    pub fn headings(&self) -> Vec<(&'static str, Vec<String>)> {
        let heading = |shape: &Shape| (shape.table.name, shape.names());
        self.shapes.iter().map(heading).collect()
    }

    /// Begins to read a table, by its place in [`Snapshot::tables`].
    pub async fn pages(&mut self, place: usize) -> Result<Pages<'_>, StoreError> {
        let shape = self
            .shapes
            .get(place)
            .cloned()
            .ok_or(StoreError::Corrupt { what: "table" })?;
        let tx = match (shape.table.home, &mut self.activity) {
            (Home::Activity, Some(activity)) => activity,
            _ => &mut self.main,
        };
        Pages::begin(tx, shape).await
    }
}

fn no_tables() -> StoreError {
    StoreError::Refused(
        "This database has no tables of Gatewright. Check that the configuration names the database of your instance".to_owned(),
    )
}

/// The rows of a table in pages, in the order of the primary key. Texts are in the order of their bytes on both engines.
pub struct Pages<'t> {
    tx: &'t mut Tx,
    shape: Shape,
    names: Vec<String>,
    /// The key of the last row of the previous page, on SQLite.
    last: Option<Vec<Value>>,
    is_over: bool,
}

impl<'t> Pages<'t> {
    pub(super) async fn begin(tx: &'t mut Tx, shape: Shape) -> Result<Self, StoreError> {
        if tx.is_on_postgres() {
            // The order of texts in an index depends on the locale of the database, so rows are sorted once, for a cursor.
            let key = shape.key.iter().map(|place| {
                let column = &shape.columns[*place];
                match column.kind {
                    Kind::Text => format!("{} COLLATE \"C\"", column.name),
                    Kind::Int => column.name.clone(),
                }
            });
            let key: Vec<String> = key.collect();
            let table = shape.table.name;
            let sql = format!(
                "DECLARE copy_of_{table} NO SCROLL CURSOR FOR SELECT {} FROM {table} ORDER BY {}",
                shape.selected(true),
                key.join(", ")
            );
            tx.execute(AssertSqlSafe(sql), &[]).await?;
        }
        Ok(Self {
            names: shape.names(),
            tx,
            shape,
            last: None,
            is_over: false,
        })
    }

    /// The name of the table.
    pub fn table(&self) -> &'static str {
        self.shape.table.name
    }

    /// The names of the columns, in the order of the values.
    pub fn columns(&self) -> &[String] {
        &self.names
    }

    /// The next rows; none after the last.
    pub async fn next(&mut self) -> Result<Vec<Cells>, StoreError> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let table = self.shape.table.name;
        let fetched = if self.tx.is_on_postgres() {
            let sql = format!("FETCH {PAGE} FROM copy_of_{table}");
            self.tx.fetch_all(AssertSqlSafe(sql), &[]).await?
        } else {
            let sql = self.page_on_sqlite();
            let last = self.last.take().unwrap_or_default();
            self.tx.fetch_all(AssertSqlSafe(sql), &last).await?
        };
        let mut rows = Vec::with_capacity(fetched.len());
        for row in &fetched {
            rows.push(row.cells(table, &self.shape.columns)?);
        }
        self.is_over = rows.len() < PAGE;
        if let Some(row) = rows.last() {
            self.last = Some(
                self.shape
                    .key
                    .iter()
                    .map(|place| value_of(&row[*place]))
                    .collect(),
            );
        }
        if self.is_over && self.tx.is_on_postgres() {
            let sql = format!("CLOSE copy_of_{table}");
            self.tx.execute(AssertSqlSafe(sql), &[]).await?;
        }
        Ok(rows)
    }

    /// A page of SQLite: its index of the primary key has the order of the bytes.
    fn page_on_sqlite(&self) -> String {
        let key: Vec<&str> = self
            .shape
            .key
            .iter()
            .map(|place| &*self.shape.columns[*place].name)
            .collect();
        let key = key.join(", ");
        let after = match &self.last {
            Some(last) => format!("WHERE ({key}) > ({}) ", crate::value::places(1, last)),
            None => String::new(),
        };
        format!(
            "SELECT {} FROM {} {after}ORDER BY {key} LIMIT {PAGE}",
            self.shape.selected(false),
            self.shape.table.name
        )
    }

    /// Reads the table to its end.
    pub async fn sum(mut self) -> Result<TableSum, StoreError> {
        let mut sum = Summing::new(self.table(), &self.names);
        loop {
            let rows = self.next().await?;
            if rows.is_empty() {
                return Ok(sum.finish());
            }
            for row in &rows {
                sum.add(row);
            }
        }
    }
}

fn value_of(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Text(None),
        Cell::Int(number) => Value::Int(Some(*number)),
        Cell::Text(text) => Value::Text(Some(text.clone())),
    }
}
