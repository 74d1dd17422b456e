//! Migrations on SQLite. They are recorded in the table, and in the format, that sqlx uses on PostgreSQL.

use std::fmt::Write as _;

use sqlx::migrate::{MigrateError, Migrator};

use crate::{Store, StoreError, Urgency, sqlite, value::values};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, \
    description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
    checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";

/// Applies the missing ones, all in one transaction.
pub(super) async fn migrate(store: &Store, migrations: Migrator) -> Result<(), StoreError> {
    store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move {
                tx.execute(TABLE, &[]).await?;
                let sql = "SELECT version, hex(checksum) AS checksum FROM _sqlx_migrations ORDER BY version";
                let mut applied = Vec::new();
                for row in tx.fetch_all(sql, &[]).await? {
                    applied.push((row.int("version")?, row.text("checksum")?));
                }
                if let Some((unknown, _)) = applied
                    .iter()
                    .find(|(version, _)| !migrations.version_exists(*version))
                {
                    return Err(StoreError::of_migration(MigrateError::VersionMissing(*unknown)));
                }
                for migration in migrations.iter() {
                    let checksum = hex(&migration.checksum);
                    match applied.iter().find(|(version, _)| *version == migration.version) {
                        Some((_, noted)) if *noted == checksum => {}
                        Some(_) => {
                            let error = MigrateError::VersionMismatch(migration.version);
                            return Err(StoreError::of_migration(error));
                        }
                        None => {
                            sqlite::execute_script(tx.connection()?, migration.sql.as_str())?;
                            let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                                       execution_time) VALUES ($1, $2, TRUE, unhex($3), 0)";
                            let values = values![migration.version, migration.description.as_ref(), checksum];
                            tx.execute(sql, values).await?;
                        }
                    }
                }
                Ok(())
            })
        })
        .await
}

/// Upper case, as SQLite writes it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("a text can grow");
        text
    })
}
