//! Every change of a single byte in any column of a row of the chain is found.
//!
//! The ordinary test makes a few hundred changes. 10,000 on each engine are made by
//! `GATEWRIGHT_TAMPERINGS=10000 cargo test -p gatewright-store --test contract tampering`.

use std::collections::BTreeMap;

use gatewright_domain::{
    Clock, Entropy,
    audit::{Actor, ActorKind, Origin, TALLY_WINDOW},
    entropy::{self, SeededEntropy},
};
use gatewright_store::{
    StoreConfig,
    audit::{self, Selector},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::{
    audit_chain::{check, event, random, written},
    world::{World, commit, contract},
};

contract!(tampering_with_one_byte_is_found);

/// All columns of the table.
const COLUMNS: [&str; 21] = [
    "id",
    "project_id",
    "at",
    "actor",
    "actor_id",
    "address",
    "origin",
    "action",
    "object_type",
    "object_id",
    "object_name",
    "changes",
    "occurrences",
    "last_at",
    "tally_key",
    "seq",
    "previous",
    "digest",
    "address_proof",
    "object_name_proof",
    "changes_proof",
];
/// Those that contain numbers.
const NUMBERS: [&str; 4] = ["at", "occurrences", "last_at", "seq"];

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Number(i64),
    Text(Vec<u8>),
}

/// A connection that is not the store's.
enum Outside {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Outside {
    async fn open(world: &World) -> Self {
        match &world.config {
            StoreConfig::Sqlite { path } => Self::Sqlite(rusqlite::Connection::open(path).unwrap()),
            StoreConfig::Postgres { url, .. } => {
                Self::Postgres(PgConnection::connect(url.expose()).await.unwrap())
            }
        }
    }

    /// Changes a value; `false` if the engine refuses it, such as a number that another row has.
    async fn set(&mut self, column: &str, cell: &Cell, place: &str) -> bool {
        match self {
            Self::Sqlite(connection) => {
                let sql = format!("UPDATE audit_events SET {column} = CAST(?1 AS TEXT) WHERE {place}");
                let number = format!("UPDATE audit_events SET {column} = ?1 WHERE {place}");
                let done = match cell {
                    Cell::Null => connection.execute(&number, [None::<i64>]),
                    Cell::Number(value) => connection.execute(&number, [value]),
                    Cell::Text(bytes) => connection.execute(&sql, [bytes]),
                };
                done.is_ok_and(|rows| rows == 1)
            }
            Self::Postgres(connection) => {
                let sql = format!("UPDATE audit_events SET {column} = $1 WHERE {place}");
                let query = sqlx::query(AssertSqlSafe(sql));
                let query = match cell {
                    Cell::Null if NUMBERS.contains(&column) => query.bind(None::<i64>),
                    Cell::Null => query.bind(None::<String>),
                    Cell::Number(value) => query.bind(*value),
                    Cell::Text(bytes) => query.bind(String::from_utf8(bytes.clone()).unwrap()),
                };
                let done = query.execute(connection).await;
                done.is_ok_and(|done| done.rows_affected() == 1)
            }
        }
    }

    /// The value of a column in row `seq` of a chain.
    async fn get(&mut self, column: &str, place: &str) -> Cell {
        let sql = format!("SELECT {column} FROM audit_events WHERE {place}");
        match self {
            Self::Sqlite(connection) => connection
                .query_row(&sql, [], |row| {
                    use rusqlite::types::ValueRef;
                    Ok(match row.get_ref(0)? {
                        ValueRef::Null => Cell::Null,
                        ValueRef::Integer(number) => Cell::Number(number),
                        ValueRef::Text(bytes) => Cell::Text(bytes.to_owned()),
                        other => panic!("{other:?}"),
                    })
                })
                .unwrap(),
            Self::Postgres(connection) => {
                let row = sqlx::query(AssertSqlSafe(sql))
                    .fetch_one(connection)
                    .await
                    .unwrap();
                if NUMBERS.contains(&column) {
                    row.get::<Option<i64>, _>(0).map_or(Cell::Null, Cell::Number)
                } else {
                    let text: Option<String> = row.get(0);
                    text.map_or(Cell::Null, |text| Cell::Text(text.into_bytes()))
                }
            }
        }
    }
}

/// Another value, one byte away; `None` if the engine would not take it.
fn changed(cell: &Cell, column: &str, entropy: &SeededEntropy, any_bytes: bool) -> Option<Cell> {
    let [place, bit, kind] = entropy::bytes::<3>(entropy);
    let is_number = NUMBERS.contains(&column);
    match cell {
        Cell::Null if is_number => Some(Cell::Number(i64::from(bit))),
        Cell::Null => Some(Cell::Text(vec![b'a' + bit % 26])),
        Cell::Number(number) => Some(Cell::Number(number ^ (1 << (bit % 63)))),
        Cell::Text(bytes) => {
            let mut bytes = bytes.clone();
            let at = usize::from(place) % (bytes.len() + 1);
            match kind % 3 {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 if at < bytes.len() => bytes[at] ^= 1 << (bit % 8),
                _ => bytes.insert(at, b'!' + bit % 90),
            }
            // PostgreSQL refuses a text that is not UTF-8 or has a NUL.
            let takes = |bytes: &[u8]| !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok();
            (any_bytes || takes(&bytes)).then_some(Cell::Text(bytes))
        }
    }
}

async fn tampering_with_one_byte_is_found(world: World) {
    let tries = std::env::var("GATEWRIGHT_TAMPERINGS").map_or(300, |tries| tries.parse().unwrap());
    let project = world.project().await.id;
    let chain = project.to_string();
    // A trail with everything in it: deleted, counted, erased and ordinary rows.
    let mut rows = written(&world, project, 4).await;
    commit!(world, tx => audit::prune(tx, rows[2].at, 2, random(&world)));
    for _ in 0..2 {
        let counted = event(&world, Some(project));
        commit!(world, tx => audit::tally(tx, &counted, "subject"));
    }
    world.clock.advance(TALLY_WINDOW * 2);
    let (clock, salts): (&dyn Clock, &dyn Entropy) = random(&world);
    audit::seal_due(&world.store, clock, salts).await.unwrap();
    rows.extend(written(&world, project, 3).await);
    let ActorKind::Account(account) = rows[3].actor.kind else {
        panic!("the events are of accounts");
    };
    let actor = Actor {
        kind: ActorKind::Operator,
        address: None,
        origin: Origin::Cli,
    };
    let selector = Selector::Account(account);
    audit::erase(&world.store, &chain, &selector, &actor, random(&world))
        .await
        .unwrap();
    let whole = check(&world, &chain).await;
    assert_eq!(whole.faults, []);
    let (first, last) = (3, whole.seq);
    assert!(last >= 10, "{whole:?}");

    let mut outside = Outside::open(&world).await;
    let entropy = SeededEntropy::new(u64::from_be_bytes(*b"tamper!!"));
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    let mut done = 0;
    while done < tries {
        let [row, column] = entropy::bytes::<2>(&entropy);
        let seq = first + i64::from(row) % (last - first + 1);
        let column = COLUMNS[usize::from(column) % COLUMNS.len()];
        let place = format!("project_id = '{chain}' AND seq = {seq}");
        let before = outside.get(column, &place).await;
        let Some(after) = changed(&before, column, &entropy, world.is_sqlite()) else {
            continue;
        };
        // By its ID, unless the ID changes: the place of the row may change too.
        let by = if column == "id" { "digest" } else { "id" };
        let Cell::Text(id) = outside.get(by, &place).await else {
            panic!("each row has a digest and an ID");
        };
        let by = format!("{by} = '{}'", String::from_utf8(id).unwrap());
        if !outside.set(column, &after, &by).await {
            continue;
        }
        let report = check(&world, &chain).await;
        assert_ne!(
            report.fault_count, 0,
            "{column} of {seq}: {before:?} to {after:?}"
        );
        assert!(outside.set(column, &before, &by).await);
        *found.entry(column).or_default() += 1;
        done += 1;
    }
    assert_eq!(check(&world, &chain).await.faults, []);
    assert_eq!(found.len(), COLUMNS.len(), "{found:?}");
}
