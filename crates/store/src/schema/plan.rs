//! What the missing migrations will do, in words and rows, before they are applied.

use std::time::Duration;

use sqlx::{AssertSqlSafe, migrate::Migrator};

use super::{OF_ACTIVITY_FILE, OF_MAIN_FILE, OF_POSTGRES, applied, has_table};
use crate::{Store, StoreError, Tx, store::Engine};

/// Reading a row for an index, on a small machine. Measured with a million rows on both engines, and rounded up.
const PER_INDEXED_ROW: Duration = Duration::from_micros(2);
/// Writing a row again.
const PER_WRITTEN_ROW: Duration = Duration::from_micros(20);

/// A migration that the database does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingMigration {
    /// Its number, which is the time when it was written.
    pub version: i64,
    /// What it is about.
    pub description: String,
    /// What it changes, in order.
    pub changes: Vec<Change>,
}

/// What a migration does to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub work: Work,
    /// To which table.
    pub table: String,
    /// How many rows that table has now; 0 if it does not exist yet.
    pub rows: u64,
}

/// What is done to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It is created.
    Create,
    /// It gets a column, which touches no row.
    AddColumn,
    /// Its rows are read for an index.
    Index,
    /// Its rows are written.
    Write,
    /// It is dropped, renamed or otherwise defined.
    Redefine,
}

impl PendingMigration {
    /// About how long it takes, from the number of rows.
    pub fn estimate(&self) -> Duration {
        self.changes.iter().map(Change::estimate).sum()
    }
}

impl Change {
    fn estimate(&self) -> Duration {
        let per_row = match self.work {
            Work::Create | Work::AddColumn => Duration::ZERO,
            Work::Index => PER_INDEXED_ROW,
            Work::Write | Work::Redefine => PER_WRITTEN_ROW,
        };
        per_row.saturating_mul(u32::try_from(self.rows).unwrap_or(u32::MAX))
    }
}

impl Store {
    /// The migrations that the database does not have, in the order in which they would be applied. Changes nothing.
    pub async fn pending_migrations(&self) -> Result<Vec<PendingMigration>, StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => {
                let mut pending = of_file(&mut self.read().await?, &OF_MAIN_FILE).await?;
                pending.extend(of_file(&mut self.activity().read().await?, &OF_ACTIVITY_FILE).await?);
                pending.sort_by_key(|migration| migration.version);
                Ok(pending)
            }
            Engine::Postgres { .. } => of_file(&mut self.read().await?, &OF_POSTGRES).await,
        }
    }
}

async fn of_file(tx: &mut Tx, migrations: &Migrator) -> Result<Vec<PendingMigration>, StoreError> {
    let applied = applied(tx).await?.unwrap_or_default();
    let mut pending = Vec::new();
    for migration in migrations
        .iter()
        .filter(|known| !applied.contains(&known.version))
    {
        let mut changes: Vec<Change> = Vec::new();
        for (work, table) in changes_of(migration.sql.as_str()) {
            let is_known = |change: &Change| change.work == work && change.table == table;
            if changes.iter().any(is_known) && work != Work::Index {
                continue;
            }
            let rows = count(tx, &table).await?;
            changes.push(Change { work, table, rows });
        }
        pending.push(PendingMigration {
            version: migration.version,
            description: migration.description.to_string(),
            changes,
        });
    }
    Ok(pending)
}

/// How many rows a table has; 0 if there is no such table. The name comes from a migration of this program.
async fn count(tx: &mut Tx, table: &str) -> Result<u64, StoreError> {
    if !has_table(tx, table).await? {
        return Ok(0);
    }
    let sql = format!("SELECT COUNT(*) AS number FROM {table}");
    let rows = tx.fetch_one(AssertSqlSafe(sql), &[]).await?.int("number")?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// What the statements of a script do, and to which tables.
fn changes_of(script: &str) -> Vec<(Work, String)> {
    statements(script)
        .iter()
        .filter_map(|statement| change_of(statement))
        .collect()
}

/// The statements of a script, without comments.
fn statements(script: &str) -> Vec<String> {
    let without_comments: Vec<&str> = script
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect();
    let text = without_comments.join(" ");
    text.split(';')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

fn change_of(statement: &str) -> Option<(Work, String)> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let table = |at: usize| {
        let name = words.get(at)?.split('(').next()?;
        Some(name.trim_matches('"').to_ascii_lowercase())
    };
    let upper: Vec<String> = words
        .iter()
        .take(6)
        .map(|word| word.to_ascii_uppercase())
        .collect();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    let (work, table) = match upper.as_slice() {
        ["CREATE", "TABLE", ..] => (Work::Create, table(2)),
        ["CREATE", "INDEX", _, "ON", ..] => (Work::Index, table(4)),
        ["CREATE", "UNIQUE", "INDEX", _, "ON", ..] => (Work::Index, table(5)),
        ["ALTER", "TABLE", _, "ADD", ..] => (Work::AddColumn, table(2)),
        ["ALTER" | "DROP", "TABLE", ..] => (Work::Redefine, table(2)),
        ["UPDATE", ..] => (Work::Write, table(1)),
        ["INSERT", "INTO", ..] => {
            // What is copied from another table is as much as that table has.
            let from = upper_position(&words, "FROM").and_then(|at| table(at + 1));
            (Work::Write, from.or_else(|| table(2)))
        }
        ["DELETE", "FROM", ..] => (Work::Write, table(2)),
        // Dropping an index touches no row.
        _ => return None,
    };
    table.map(|table| (work, table))
}

fn upper_position(words: &[&str], wanted: &str) -> Option<usize> {
    words.iter().position(|word| word.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_understood() {
        let script = "-- A comment; with a semicolon.\nCREATE TABLE a (\n  id TEXT\n);\nCREATE TABLE b(id TEXT);\n\
            ALTER TABLE c ADD COLUMN d BIGINT; CREATE INDEX i ON e (f); create unique index j on k(l) WHERE m IS NULL;\n\
            UPDATE n SET o = 1; INSERT INTO p SELECT * FROM q; INSERT INTO r (s) VALUES (1); DROP INDEX t; DROP TABLE u;\n\
            ALTER TABLE v RENAME TO w; DELETE FROM x;";
        let found: Vec<(Work, String)> = changes_of(script);
        let found: Vec<(Work, &str)> = found
            .iter()
            .map(|(work, table)| (*work, table.as_str()))
            .collect();
        let expected = [
            (Work::Create, "a"),
            (Work::Create, "b"),
            (Work::AddColumn, "c"),
            (Work::Index, "e"),
            (Work::Index, "k"),
            (Work::Write, "n"),
            (Work::Write, "q"),
            (Work::Write, "r"),
            (Work::Redefine, "u"),
            (Work::Redefine, "v"),
            (Work::Write, "x"),
        ];
        assert_eq!(found, expected);
    }

    /// The last migration of a time when processes of two versions were not tried together.
    const BEFORE_UPGRADES_WERE_TESTED: i64 = 20_261_201_140_000;

    #[test]
    fn the_version_before_keeps_working_beside_a_migration() {
        let later = OF_POSTGRES
            .iter()
            .filter(|migration| migration.version > BEFORE_UPGRADES_WERE_TESTED);
        for migration in later {
            for (work, table) in changes_of(migration.sql.as_str()) {
                assert!(
                    work != Work::Redefine,
                    "{} drops, renames or redefines {table}, which the version before still uses. Add what is new now, and remove \
                     what is old one release later",
                    migration.version
                );
            }
        }
    }

    #[test]
    fn every_statement_of_every_migration_is_understood() {
        for migration in OF_POSTGRES.iter() {
            for statement in statements(migration.sql.as_str()) {
                let is_known = change_of(&statement).is_some() || statement.starts_with("DROP INDEX");
                assert!(is_known, "{}: {statement}", migration.version);
            }
        }
    }
}
