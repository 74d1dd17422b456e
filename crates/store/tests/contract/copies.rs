//! Copies of a whole database.

use gatewright_store::{
    Store, StoreConfig, StoreError,
    copy::{self, Cell, Loading, Snapshot, TableSum},
};
use tempfile::TempDir;

use crate::{
    generated::Generated,
    world::{World, commit, contract},
};

contract! {
    every_row_of_every_table_is_in_a_copy_and_in_a_copy_of_the_copy,
    a_database_with_data_is_not_overwritten,
    nothing_is_written_unless_everything_is_what_was_expected,
    a_table_that_the_schema_does_not_have_is_refused,
    a_snapshot_is_of_one_moment_and_keeps_no_one_from_writing,
    a_copy_of_an_older_schema_has_that_schema_until_it_is_migrated,
    a_character_that_postgres_cannot_store_is_named_with_its_row,
}

/// A migrated SQLite database in a folder.
async fn empty() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatewright.db");
    let store = Store::connect(&StoreConfig::Sqlite { path }).await.unwrap();
    store.migrate().await.unwrap();
    (folder, store)
}

/// A generated SQLite database.
async fn full(seed: u64) -> (TempDir, Store, Generated) {
    let (folder, store) = empty().await;
    let tables = Snapshot::take(&store).await.unwrap().tables();
    let generated = Generated::new(seed, &folder.path().join("gatewright.db"), &tables);
    generated.load(&store).await;
    (folder, store, generated)
}

async fn copied(from: &Store, to: &Store) -> Result<Vec<TableSum>, StoreError> {
    let snapshot = Snapshot::take(from).await?;
    copy::copy(snapshot, Loading::begin(to).await?, &mut |_| ()).await
}

async fn sums(store: &Store) -> Vec<TableSum> {
    let mut snapshot = Snapshot::take(store).await.unwrap();
    let mut sums = Vec::new();
    for place in 0..snapshot.tables().len() {
        sums.push(snapshot.pages(place).await.unwrap().sum().await.unwrap());
    }
    sums
}

async fn every_row_of_every_table_is_in_a_copy_and_in_a_copy_of_the_copy(world: World) {
    let (_folder, source, generated) = full(1).await;
    let expected = generated.sums();
    let without: Vec<&TableSum> = expected.iter().filter(|sum| sum.rows == 0).collect();
    assert!(without.is_empty(), "{without:?}");
    assert_eq!(sums(&source).await, expected);

    assert_eq!(copied(&source, &world.store).await.unwrap(), expected);
    assert_eq!(sums(&world.store).await, expected);

    for seed in 2..4 {
        let (_folder, other, generated) = full(seed).await;
        assert_eq!(sums(&other).await, generated.sums());
        assert_ne!(generated.sums(), expected);
        other.close().await;
    }

    let (_folder, back) = empty().await;
    assert_eq!(copied(&world.store, &back).await.unwrap(), expected);
    assert_eq!(sums(&back).await, expected);
    back.close().await;
    source.close().await;
}

async fn a_database_with_data_is_not_overwritten(world: World) {
    let (_folder, source, generated) = full(1).await;
    let project = world.project().await;
    let before = sums(&world.store).await;
    let refused = copied(&source, &world.store).await.unwrap_err().to_string();
    assert!(
        refused.contains("already has data (rows in projects)"),
        "{refused}"
    );
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert_eq!(sums(&world.store).await, before);

    commit!(world, tx => gatewright_store::project::delete(tx, project.id));
    assert_eq!(copied(&source, &world.store).await.unwrap(), generated.sums());
    source.close().await;
}

async fn nothing_is_written_unless_everything_is_what_was_expected(world: World) {
    let (_folder, source, generated) = full(1).await;
    let before = sums(&world.store).await;
    // One row is missing, one value differs, one table is missing, and the end never comes.
    for fault in 0..4 {
        let mut expected = generated.sums();
        let mut loading = Loading::begin(&world.store).await.unwrap();
        for table in &generated.tables {
            let place = loading.begin_table(&table.name, &table.columns).unwrap();
            let mut rows = table.rows.clone();
            if table.name == "refresh_tokens" {
                match fault {
                    0 => drop(rows.pop()),
                    1 => {
                        let scope = table
                            .columns
                            .iter()
                            .position(|name| name == "expires_at")
                            .unwrap();
                        rows[550][scope] = Cell::Int(12);
                    }
                    _ => {}
                }
            }
            loading.write(place, rows).await.unwrap();
        }
        match fault {
            0 | 1 => {}
            2 => expected.retain(|sum| sum.table != "refresh_tokens"),
            _ => {
                drop(loading);
                continue;
            }
        }
        let refused = loading.finish(&expected).await.unwrap_err().to_string();
        assert!(
            refused.contains("refresh_tokens is not what was copied"),
            "{refused}"
        );
        assert_eq!(sums(&world.store).await, before);
    }
    assert_eq!(sums(&world.store).await, before);
    assert_eq!(copied(&source, &world.store).await.unwrap(), generated.sums());
    source.close().await;
}

async fn a_table_that_the_schema_does_not_have_is_refused(world: World) {
    let mut loading = Loading::begin(&world.store).await.unwrap();
    let columns = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    loading.begin_table("meta", &columns(&["value", "name"])).unwrap();
    for (table, names) in [
        ("meta", &["name"][..]),
        ("meta", &["name", "name"]),
        ("meta", &["name", "value", "more"]),
        ("leases", &["name", "until"]),
        ("pg_class", &["relname"]),
    ] {
        let refused = loading
            .begin_table(table, &columns(names))
            .unwrap_err()
            .to_string();
        assert!(refused.contains(table), "{refused}");
    }
}

async fn a_snapshot_is_of_one_moment_and_keeps_no_one_from_writing(world: World) {
    let project = world.project().await;
    let before = sums(&world.store).await;
    let mut snapshot = Snapshot::take(&world.store).await.unwrap();
    world.project().await;
    commit!(world, tx => gatewright_store::project::delete(tx, project.id));
    let place = snapshot
        .tables()
        .iter()
        .position(|name| *name == "projects")
        .unwrap();
    let sum = snapshot.pages(place).await.unwrap().sum().await.unwrap();
    assert_eq!(sum, before[place]);
    drop(snapshot);
    assert_ne!(sums(&world.store).await[place], before[place]);

    // One that holds the database lets no other process write to a SQLite file.
    if let StoreConfig::Sqlite { path } = &world.config {
        let other = rusqlite::Connection::open(path).unwrap();
        other.busy_timeout(std::time::Duration::ZERO).unwrap();
        let held = Snapshot::take_and_hold(&world.store).await.unwrap();
        assert!(other.execute_batch("BEGIN IMMEDIATE").is_err());
        drop(held);
        // The thread of the connection ends the transaction.
        world.write().await.commit().await.unwrap();
        other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();
    }
}

async fn a_copy_of_an_older_schema_has_that_schema_until_it_is_migrated(world: World) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gatewright.db");
    let older = Store::connect(&StoreConfig::Sqlite { path: path.clone() })
        .await
        .unwrap();
    let newest = world.store.migrations().await.unwrap();
    // Before streams.
    let versions: Vec<i64> = newest
        .iter()
        .copied()
        .filter(|version| *version < 20_261_201_111_500)
        .collect();
    older.migrate_to(&versions).await.unwrap();
    let snapshot = Snapshot::take(&older).await.unwrap();
    assert_eq!(snapshot.migrations(), versions);
    let tables = snapshot.tables();
    drop(snapshot);
    assert!(tables.contains(&"incidents") && !tables.contains(&"streams"));
    let mut generated = Generated::new(3, &path, &tables);
    // The first migration after these reads the IDs of servers.
    generated.clear(&["servers", "gateway_servers"]);
    generated.load(&older).await;

    let target = world.beside().await.store;
    target.migrate_to(&versions).await.unwrap();
    assert_eq!(copied(&older, &target).await.unwrap(), generated.sums());
    assert_eq!(target.migrations().await.unwrap(), versions);
    assert!(!target.is_migrated().await.unwrap());
    target.migrate().await.unwrap();
    assert_eq!(target.migrations().await.unwrap(), newest);
    assert!(sums(&target).await.iter().any(|sum| sum.table == "streams"));

    let refused = target.migrate_to(&[1]).await.unwrap_err().to_string();
    assert!(refused.contains("newer version"), "{refused}");
    target.close().await;
    older.close().await;
}

async fn a_character_that_postgres_cannot_store_is_named_with_its_row(world: World) {
    let mut loading = Loading::begin(&world.store).await.unwrap();
    let columns = ["name".to_owned(), "value".to_owned()];
    let place = loading.begin_table("meta", &columns).unwrap();
    let row = vec![Cell::Text("the row".to_owned()), Cell::Text("a\0b".to_owned())];
    let written = loading.write(place, vec![row]).await;
    if world.is_sqlite() {
        written.unwrap();
    } else {
        let refused = written.unwrap_err().to_string();
        assert!(
            refused.contains("meta.value") && refused.contains("the row"),
            "{refused}"
        );
    }
    let wrong = vec![Cell::Text("the row".to_owned()), Cell::Int(1)];
    assert!(loading.write(place, vec![wrong]).await.is_err());
    assert!(loading.write(place, vec![vec![Cell::Null]]).await.is_err());
}
