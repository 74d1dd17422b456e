//! The schema and its versions.

mod on_sqlite;
pub(crate) mod plan;

use std::{borrow::Cow, sync::LazyLock};

use sqlx::{
    AssertSqlSafe, Executor as _, PgPool, SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use crate::{Store, StoreError, Tx, assertion_origin, store::Engine, value::values};

type Text = (i64, &'static str, &'static str);

/// Versions, descriptions and texts, in order.
#[expect(clippy::unreadable_literal, reason = "versions are moments")]
const MAIN: &[Text] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));
/// Those of the activity, which SQLite keeps in another file.
#[expect(clippy::unreadable_literal, reason = "versions are moments")]
const ACTIVITY: &[Text] = include!(concat!(env!("OUT_DIR"), "/activity_migrations.rs"));

static OF_MAIN_FILE: LazyLock<Migrator> = LazyLock::new(|| migrator(MAIN.iter(), "--sqlite:"));
static OF_ACTIVITY_FILE: LazyLock<Migrator> = LazyLock::new(|| migrator(ACTIVITY.iter(), "--sqlite:"));
static OF_POSTGRES: LazyLock<Migrator> = LazyLock::new(|| {
    let mut texts: Vec<&Text> = MAIN.iter().chain(ACTIVITY).collect();
    texts.sort_by_key(|(version, ..)| *version);
    migrator(texts.into_iter(), "--postgres:")
});

/// The migrations of a database. Lines behind this mark are for its engine.
fn migrator<'t>(texts: impl Iterator<Item = &'t Text>, mark: &str) -> Migrator {
    let migration = |&(version, description, sql): &Text| {
        let sql = if sql.contains(mark) {
            AssertSqlSafe(sql.replace(mark, "")).into_sql_str()
        } else {
            sql.into_sql_str()
        };
        let description = Cow::Borrowed(description);
        Migration::new(version, description, MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(texts.map(migration).collect())
}

/// A migration may wait for other replicas and for its own long statements.
const PATIENT_SESSION: &str =
    "SET lock_timeout = 0; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";

/// All migrations of a database.
fn all(migrations: &Migrator) -> Migrator {
    Migrator::with_migrations(migrations.iter().cloned().collect())
}

/// The migrations with these versions.
fn only(migrations: &Migrator, versions: &[i64]) -> Migrator {
    let known = migrations
        .iter()
        .filter(|migration| versions.contains(&migration.version));
    Migrator::with_migrations(known.cloned().collect())
}

async fn run_on_postgres(pool: &PgPool, migrations: &Migrator) -> Result<(), StoreError> {
    // A separate connection, closed afterwards: an advisory lock lasts as long as its session.
    let mut connection = pool.acquire().await?.detach();
    connection.execute(PATIENT_SESSION).await?;
    let result = migrations.run_direct(None, &mut connection, false).await;
    sqlx::Connection::close(connection).await?;
    result.map_err(StoreError::of_migration)
}

/// The first of these versions of migrations that this program does not know, so a newer one wrote them.
pub fn unknown_migration(versions: &[i64]) -> Option<i64> {
    versions
        .iter()
        .copied()
        .find(|version| !OF_POSTGRES.version_exists(*version))
}

/// The versions of all migrations that this program knows, in order.
pub fn known_migrations() -> Vec<i64> {
    OF_POSTGRES.iter().map(|migration| migration.version).collect()
}

impl Store {
    /// Migrates the schema. Safe when several replicas start at once: on PostgreSQL behind an advisory lock,
    /// on SQLite in one write transaction. Values that SQL cannot compute from older rows are filled in afterwards.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => {
                on_sqlite::migrate(self, all(&OF_MAIN_FILE)).await?;
                on_sqlite::migrate(&self.activity().0, all(&OF_ACTIVITY_FILE)).await?;
            }
            Engine::Postgres { pool, .. } => run_on_postgres(pool, &OF_POSTGRES).await?,
        }
        let mut tx = self.write().await?;
        assertion_origin::fill_in(&mut tx).await?;
        tx.commit().await
    }

    /// Brings an empty database to the state of another one: applies the migrations with these versions and no others, whose
    /// values no program has to fill in. A version that this program does not know is `Refused`.
    pub async fn migrate_to(&self, versions: &[i64]) -> Result<(), StoreError> {
        if let Some(unknown) = unknown_migration(versions) {
            return Err(newer(unknown));
        }
        match &self.engine {
            Engine::Sqlite { .. } => {
                on_sqlite::migrate(self, only(&OF_MAIN_FILE, versions)).await?;
                on_sqlite::migrate(&self.activity().0, only(&OF_ACTIVITY_FILE, versions)).await
            }
            Engine::Postgres { pool, .. } => run_on_postgres(pool, &only(&OF_POSTGRES, versions)).await,
        }
    }

    /// Whether the schema is up to date, for `doctor`; a schema of a newer version is `Refused`.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => {
                let activity = self.activity().0.has_all(&OF_ACTIVITY_FILE).await?;
                Ok(self.has_all(&OF_MAIN_FILE).await? && activity)
            }
            Engine::Postgres { .. } => self.has_all(&OF_POSTGRES).await,
        }
    }

    /// The versions of the migrations that the database has, in order; none if it has no tables yet.
    pub async fn migrations(&self) -> Result<Vec<i64>, StoreError> {
        let mut versions = applied(&mut self.read().await?).await?.unwrap_or_default();
        if matches!(self.engine, Engine::Sqlite { .. }) {
            versions.extend(
                applied(&mut self.activity().read().await?)
                    .await?
                    .unwrap_or_default(),
            );
            versions.sort_unstable();
        }
        Ok(versions)
    }

    /// Whether these migrations were applied.
    async fn has_all(&self, migrations: &Migrator) -> Result<bool, StoreError> {
        let mut tx = self.read().await?;
        let Some(applied) = applied(&mut tx).await? else {
            return Ok(false);
        };
        if let Some(unknown) = applied
            .iter()
            .find(|version| !migrations.version_exists(**version))
        {
            return Err(newer(*unknown));
        }
        Ok(migrations
            .iter()
            .all(|migration| applied.contains(&migration.version)))
    }
}

/// The versions of the migrations that a database has, in order; `None` if none was ever applied.
pub(crate) async fn applied(tx: &mut Tx) -> Result<Option<Vec<i64>>, StoreError> {
    if !has_table(tx, "_sqlx_migrations").await? {
        return Ok(None);
    }
    let sql = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
    let rows = tx.fetch_all(sql, &[]).await?;
    rows.iter()
        .map(|row| row.int("version"))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Whether the database has this table.
async fn has_table(tx: &mut Tx, table: &str) -> Result<bool, StoreError> {
    let sql = if tx.is_on_postgres() {
        "SELECT relname FROM pg_class WHERE oid = to_regclass($1)"
    } else {
        "SELECT name FROM sqlite_master WHERE name = $1"
    };
    Ok(tx.fetch_optional(sql, values![table]).await?.is_some())
}

impl StoreError {
    /// What stopped a migration.
    pub(crate) fn of_migration(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => newer(version),
            MigrateError::Execute(error) => error.into(),
            other => Self::Migration(other),
        }
    }
}

fn newer(version: i64) -> StoreError {
    StoreError::Refused(format!(
        "This database was used by a newer version of Gatewright (it has migration {version}, which this program does \
         not know), and nothing was changed. Start that version again, or restore a backup from before the upgrade."
    ))
}
