//! What a copy does with each table. A test compares the list with the schema, so that a table added later is not forgotten.

/// The database that has a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// The main one.
    Main,
    /// The activity, which is a separate file on SQLite.
    Activity,
}

/// What a copy does with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// All rows are copied.
    Copied,
    /// All rows are copied. A new database already has rows of it, which they replace.
    Replaced,
    /// It is left out, for this reason.
    LeftOut(&'static str),
}

/// A table of the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) home: Home,
    pub(super) treatment: Treatment,
    /// Columns that belong to a running process, each with the SQL of its value in the copy.
    pub(super) reset: &'static [(&'static str, &'static str)],
}

const fn main(name: &'static str) -> Table {
    Table {
        name,
        home: Home::Main,
        treatment: Treatment::Copied,
        reset: &[],
    }
}

const fn activity(name: &'static str) -> Table {
    Table {
        home: Home::Activity,
        ..main(name)
    }
}

const fn replaced(table: Table) -> Table {
    Table {
        treatment: Treatment::Replaced,
        ..table
    }
}

const fn left_out(table: Table, why: &'static str) -> Table {
    Table {
        treatment: Treatment::LeftOut(why),
        ..table
    }
}

const fn reset(table: Table, columns: &'static [(&'static str, &'static str)]) -> Table {
    Table {
        reset: columns,
        ..table
    }
}

/// Every table. A table comes after those that its rows refer to.
pub(super) const TABLES: &[Table] = &[
    left_out(
        main("_sqlx_migrations"),
        "the migrations of the new database write it",
    ),
    left_out(
        main("write_probe"),
        "a row that is only overwritten to see whether writing works",
    ),
    left_out(main("leases"), "work that a running process has taken"),
    left_out(
        main("replica_mail"),
        "questions that running replicas ask each other",
    ),
    left_out(
        main("acme_challenges"),
        "challenges of an order that a running process has open",
    ),
    replaced(main("meta")),
    replaced(main("revision")),
    replaced(main("revocation_number")),
    main("signing_keys"),
    main("projects"),
    main("accounts"),
    main("first_account"),
    main("account_identities"),
    main("account_sessions"),
    main("account_links"),
    main("sign_in_places"),
    main("administrator_providers"),
    main("members"),
    main("invitations"),
    main("user_sources"),
    main("servers"),
    main("assertion_origins"),
    main("secrets"),
    main("gateway_slugs"),
    main("gateways"),
    main("gateway_servers"),
    main("managed_objects"),
    main("preregistered_clients"),
    main("client_blocks"),
    main("client_documents"),
    main("api_keys"),
    main("idempotency_keys"),
    main("users"),
    main("connection_sessions"),
    main("authorization_codes"),
    main("grants"),
    main("refresh_tokens"),
    main("revocations"),
    // These four refuse what was used before: without them, it could be used once more.
    main("used_assertions"),
    main("brought_codes"),
    main("claimed_sign_ins"),
    main("ended_sessions"),
    main("session_notes"),
    main("test_sign_ins"),
    main("sign_in_attempts"),
    main("sign_in_counts"),
    main("audit_events"),
    main("audit_heads"),
    main("incidents"),
    reset(main("notifications"), &[("claimed_until", "0")]),
    main("streams"),
    reset(main("stream_states"), &[("holder", "''"), ("held_until", "0")]),
    main("stream_cursors"),
    main("acme_accounts"),
    reset(main("acme_certificates"), &[("claimed_until", "0")]),
    replaced(activity("activity_sequence")),
    activity("activity_names"),
    activity("activity"),
    activity("activity_arguments"),
    activity("activity_blocks"),
    activity("activity_minutes"),
    activity("activity_rollups"),
    left_out(
        activity("activity_writers"),
        "the last batch of each running process",
    ),
];

impl Table {
    /// Whether its rows are copied.
    pub(super) fn is_copied(&self) -> bool {
        !matches!(self.treatment, Treatment::LeftOut(_))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rusqlite::Connection;

    use super::*;
    use crate::{Store, StoreConfig};

    /// Migrated files, main and activity.
    async fn migrated() -> (tempfile::TempDir, [Connection; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::Sqlite {
            path: folder.path().join("gatewright.db"),
        };
        let store = Store::connect(&config).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
        let open = |name: &str| Connection::open(folder.path().join(name)).unwrap();
        let files = [open("gatewright.db"), open("gatewright.activity.db")];
        (folder, files)
    }

    fn texts(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    const TABLES_OF_FILE: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";

    #[tokio::test]
    async fn every_table_of_the_schema_is_copied_or_left_out_for_a_reason() {
        let (_folder, files) = migrated().await;
        for (file, home) in files.iter().zip([Home::Main, Home::Activity]) {
            let mut listed: Vec<&str> = TABLES
                .iter()
                .filter(|table| table.home == home || table.name == "_sqlx_migrations")
                .map(|table| table.name)
                .collect();
            listed.sort_unstable();
            assert_eq!(texts(file, TABLES_OF_FILE), listed);
        }
        for table in TABLES {
            assert!(
                !matches!(table.treatment, Treatment::LeftOut("")),
                "{}",
                table.name
            );
        }
    }

    #[tokio::test]
    async fn a_table_comes_after_those_that_its_rows_refer_to() {
        let (_folder, files) = migrated().await;
        let place: BTreeMap<&str, usize> = TABLES
            .iter()
            .enumerate()
            .map(|(place, table)| (table.name, place))
            .collect();
        let mut references = 0;
        for file in &files {
            for table in texts(file, TABLES_OF_FILE) {
                let sql = format!("SELECT \"table\" FROM pragma_foreign_key_list('{table}')");
                for referred in texts(file, &sql) {
                    assert!(place[&*referred] < place[&*table], "{table} refers to {referred}");
                    references += 1;
                }
            }
        }
        assert!(references > 20, "{references}");
    }

    #[tokio::test]
    async fn tables_have_only_texts_and_numbers_and_a_key_and_number_their_rows_themselves() {
        let (_folder, files) = migrated().await;
        for file in &files {
            for table in texts(file, TABLES_OF_FILE) {
                if table == "_sqlx_migrations" {
                    continue;
                }
                let sql = format!("SELECT DISTINCT type FROM pragma_table_info('{table}')");
                let kinds: BTreeSet<String> = texts(file, &sql).into_iter().collect();
                let known = ["BIGINT", "INTEGER", "TEXT"];
                assert!(
                    kinds.iter().all(|kind| known.contains(&&**kind)),
                    "{table}: {kinds:?}"
                );
                let sql = format!("SELECT name FROM pragma_table_info('{table}') WHERE pk > 0");
                assert!(!texts(file, &sql).is_empty(), "{table} has no primary key");
            }
            // A counter of the engine would have to be advanced in the copy.
            let sql =
                "SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%' OR sql LIKE '%GENERATED%'";
            assert_eq!(texts(file, sql), [] as [String; 0]);
        }
    }

    #[tokio::test]
    async fn columns_that_are_reset_exist() {
        let (_folder, files) = migrated().await;
        for table in TABLES {
            for (column, _) in table.reset {
                let sql = format!("SELECT name FROM pragma_table_info('{}')", table.name);
                let columns = texts(&files[0], &sql);
                assert!(
                    columns.iter().any(|name| name == column),
                    "{}.{column}",
                    table.name
                );
            }
        }
    }
}
