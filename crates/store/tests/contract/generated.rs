//! A generated database in which every table has rows, with odd values.

use std::{collections::BTreeMap, path::Path};

use gatewright_domain::{Entropy, entropy::SeededEntropy};
use gatewright_store::{
    Store,
    copy::{Cell, Cells, Loading, Summing, TableSum},
};
use rusqlite::Connection;

/// Rows of most tables, and of those that must need more than one page.
const ROWS: usize = 7;
const MANY_ROWS: usize = 603;

/// What texts end with, so that they are odd in many ways.
const ODD: [&str; 8] = [
    "",
    " ",
    "Zoë 李 🦀 e\u{301}",
    "'; DROP TABLE grants; --",
    "line\r\nbreak\ttab \"quoted\" \\ \u{1}\u{7f}\u{2028}\u{feff}",
    "NULL",
    "{\"a\":[1,2.5,null]}",
    "\u{10ffff}\u{d7ff}",
];

/// A column as the schema describes it.
struct Column {
    name: String,
    is_text: bool,
    is_narrow: bool,
    may_be_null: bool,
    /// 0 if it is not in the primary key.
    place_in_key: i64,
    /// The table and the column that it refers to.
    refers_to: Option<(String, String)>,
}

/// The rows of every table, in the order in which a copy writes them.
pub(crate) struct Generated {
    pub(crate) tables: Vec<Table>,
}

/// A table with its rows.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// The places of the columns of its primary key.
    key: Vec<usize>,
    pub(crate) rows: Vec<Cells>,
}

impl Table {
    /// The sum that a copy must have: it sorts rows by their key, texts by their bytes.
    pub(crate) fn sum(&self) -> TableSum {
        let mut rows: Vec<&Cells> = self.rows.iter().collect();
        rows.sort_by_key(|row| {
            self.key
                .iter()
                .map(|place| order(&row[*place]))
                .collect::<Vec<_>>()
        });
        let mut sum = Summing::new(&self.name, &self.columns);
        for row in rows {
            sum.add(row);
        }
        sum.finish()
    }
}

impl Generated {
    /// For a migrated SQLite database. `names` are the tables, in an order in which they can be written.
    pub(crate) fn new(seed: u64, path: &Path, names: &[&str]) -> Self {
        let main = Connection::open(path).unwrap();
        let activity = Connection::open(path.with_extension("activity.db")).unwrap();
        let mut made: BTreeMap<String, Vec<BTreeMap<String, Cell>>> = BTreeMap::new();
        let mut tables = Vec::new();
        let mut random = Random(SeededEntropy::new(seed));
        for name in names {
            let is_activity = name.starts_with("activity");
            let columns = columns(if is_activity { &activity } else { &main }, name);
            let count = match *name {
                "first_account" | "revocation_number" | "activity_sequence" => 1,
                "revision" => 2,
                "grants" | "refresh_tokens" | "activity" | "activity_blocks" | "audit_events" => MANY_ROWS,
                _ => ROWS,
            };
            let rows: Vec<BTreeMap<String, Cell>> = (0..count)
                .map(|number| row(name, number, &columns, &made, &mut random))
                .collect();
            let mut key: Vec<usize> = (0..columns.len())
                .filter(|place| columns[*place].place_in_key > 0)
                .collect();
            key.sort_by_key(|place| columns[*place].place_in_key);
            let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
            let cells = rows
                .iter()
                .map(|row| names.iter().map(|name| row[name].clone()).collect());
            tables.push(Table {
                name: (*name).to_owned(),
                key,
                rows: cells.collect(),
                columns: names,
            });
            made.insert((*name).to_owned(), rows);
        }
        Self { tables }
    }

    /// Removes the rows of these tables.
    pub(crate) fn clear(&mut self, tables: &[&str]) {
        self.tables
            .iter_mut()
            .filter(|table| tables.contains(&&*table.name))
            .for_each(|table| table.rows.clear());
    }

    /// What a copy must have.
    pub(crate) fn sums(&self) -> Vec<TableSum> {
        self.tables.iter().map(Table::sum).collect()
    }

    /// Writes all of it into an empty database.
    pub(crate) async fn load(&self, store: &Store) {
        let mut loading = Loading::begin(store).await.unwrap();
        for table in &self.tables {
            let place = loading.begin_table(&table.name, &table.columns).unwrap();
            for page in table.rows.chunks(100) {
                loading.write(place, page.to_vec()).await.unwrap();
            }
        }
        loading.finish(&self.sums()).await.unwrap();
    }
}

fn order(cell: &Cell) -> (i64, Vec<u8>) {
    match cell {
        Cell::Null => unreachable!("a key has no NULL"),
        Cell::Int(number) => (*number, Vec::new()),
        Cell::Text(text) => (0, text.as_bytes().to_vec()),
    }
}

fn columns(connection: &Connection, table: &str) -> Vec<Column> {
    let mut references = BTreeMap::new();
    let sql = "SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?1)";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([table]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let to: (String, String) = (row.get(1).unwrap(), row.get(2).unwrap());
        references.insert(row.get::<_, String>(0).unwrap(), to);
    }
    let sql = "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1) ORDER BY cid";
    let mut statement = connection.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let place_in_key: i64 = row.get(3)?;
        Ok(Column {
            refers_to: references.get(&name).cloned(),
            is_text: kind == "TEXT",
            // The ID of a row of the activity is wide on PostgreSQL.
            is_narrow: kind == "INTEGER"
                && !(name == "id" && (table == "activity" || table == "activity_arguments")),
            may_be_null: row.get::<_, i64>(2)? == 0 && place_in_key == 0,
            place_in_key,
            name,
        })
    };
    statement
        .query_map([table], read)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn row(
    table: &str,
    number: usize,
    columns: &[Column],
    made: &BTreeMap<String, Vec<BTreeMap<String, Cell>>>,
    random: &mut Random,
) -> BTreeMap<String, Cell> {
    let mut row: BTreeMap<String, Cell> = BTreeMap::new();
    for column in columns {
        let value = if let Some((parent, key)) = &column.refers_to {
            let parents = &made[parent];
            // Keys that consist of two references need different pairs.
            parents[number % parents.len()][key].clone()
        } else if column.may_be_null && random.below(3) == 0 {
            Cell::Null
        } else if column.is_text {
            let odd = ODD[usize::try_from(random.below(8)).unwrap()];
            Cell::Text(
                if column.place_in_key > 0 || random.below(4) > 0 || is_unique(&column.name) {
                    format!(
                        "{}{} {number:04} {odd}",
                        ["Ä", "a", "Z", "z", "_", "0"][number % 6],
                        column.name
                    )
                } else {
                    odd.to_owned()
                },
            )
        } else if column.place_in_key > 0 {
            Cell::Int(i64::try_from(number).unwrap() + 1)
        } else {
            Cell::Int(random.number(column.is_narrow))
        };
        row.insert(column.name.clone(), value);
    }
    fit(table, number, &mut row);
    row
}

/// Columns that are unique, alone or together with others, wherever they are.
fn is_unique(name: &str) -> bool {
    [
        "_key",
        "_hash",
        "name",
        "slug",
        "prefix",
        "subject_id",
        "purpose",
        "client_id",
    ]
    .iter()
    .any(|part| name.ends_with(part))
}

/// What else the schema checks.
fn fit(table: &str, number: usize, row: &mut BTreeMap<String, Cell>) {
    let flag = Cell::Int(i64::from(number.is_multiple_of(2)));
    match table {
        "accounts" => {
            row.insert("is_instance_admin".to_owned(), flag.clone());
            row.insert("address_proven".to_owned(), flag);
        }
        "grants" | "authorization_codes" => {
            let empty = if number.is_multiple_of(2) {
                "user_id"
            } else {
                "account_id"
            };
            row.insert(empty.to_owned(), Cell::Null);
        }
        "activity" if number + 1 == MANY_ROWS => {
            row.insert("id".to_owned(), Cell::Int(i64::MAX));
        }
        "audit_events" => {
            row.insert("seq".to_owned(), Cell::Int(i64::try_from(number).unwrap()));
        }
        // A copy forgets which process works on them.
        "notifications" | "acme_certificates" => {
            row.insert("claimed_until".to_owned(), Cell::Int(0));
        }
        "stream_states" => {
            row.insert("holder".to_owned(), Cell::Text(String::new()));
            row.insert("held_until".to_owned(), Cell::Int(0));
        }
        _ => {}
    }
}

struct Random(SeededEntropy);

impl Random {
    fn next(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn number(&mut self, is_narrow: bool) -> i64 {
        let (least, most) = if is_narrow {
            (i64::from(i32::MIN), i64::from(i32::MAX))
        } else {
            (i64::MIN, i64::MAX)
        };
        match self.below(6) {
            0 => least,
            1 => most,
            2 => 0,
            3 => -1,
            _ => i64::from(i32::try_from(self.below(1 << 31)).unwrap()),
        }
    }
}
