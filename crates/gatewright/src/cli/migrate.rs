//! `gatewright migrate`.

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use clap::Args;
use gatewright_core::Core;
use gatewright_domain::entropy::SystemEntropy;
use gatewright_store::migrations::{Change, PendingMigration, Work};

use crate::config::{Config, SQLITE_FILE, master_key};

/// From so many rows on, their number is shown, because they take time.
const MANY_ROWS: u64 = 1_000;

/// How to migrate.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only say what is missing, what it will do and about how long it will take. Changes nothing.
    #[arg(long)]
    plan: bool,
}

/// Brings the database up to date and checks that the master key is the right one.
pub(super) async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    if arguments.plan {
        return plan(config).await;
    }
    let keyring = master_key::keyring(config, &SystemEntropy)?;
    let store = Core::open_store(config).await?;
    // Refuses a schema of a newer version with words.
    store.is_migrated().await?;
    let pending = store.pending_migrations().await?;
    store.migrate().await?;
    store.check_keyring(&keyring, &SystemEntropy).await?;
    store.close().await;
    println!(
        "{}",
        match pending.len() {
            0 => "The database was already up to date.".to_owned(),
            1 => "Applied 1 migration. The database is now up to date.".to_owned(),
            number => format!("Applied {number} migrations. The database is now up to date."),
        }
    );
    Ok(ExitCode::SUCCESS)
}

async fn plan(config: &Config) -> anyhow::Result<ExitCode> {
    if !config.is_postgres() && !config.database.data_dir.join(SQLITE_FILE).exists() {
        println!(
            "There is no database in {} yet.",
            config.database.data_dir.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let store = Core::open_store(config).await?;
    store.is_migrated().await?;
    let pending = store.pending_migrations().await?;
    let is_new = store.migrations().await?.is_empty();
    store.close().await;
    print!("{}", describe(&pending, is_new));
    Ok(ExitCode::SUCCESS)
}

fn describe(pending: &[PendingMigration], is_new: bool) -> String {
    if pending.is_empty() {
        return "The database is up to date. There is nothing to do.\n".to_owned();
    }
    if is_new {
        return format!(
            "The database is empty. All {} migrations will be applied, which takes seconds.\n",
            pending.len()
        );
    }
    let mut text = String::new();
    for migration in pending {
        let _ = writeln!(text, "{}  {}", migration.version, migration.description);
        for change in &migration.changes {
            let _ = writeln!(text, "    {}", line(change));
        }
    }
    let total: Duration = pending.iter().map(PendingMigration::estimate).sum();
    let number = match pending.len() {
        1 => "1 migration".to_owned(),
        number => format!("{number} migrations"),
    };
    let _ = writeln!(
        text,
        "\n{number} to apply, in about {}. Running processes of the version before keep working meanwhile and afterwards,\n\
         but they cannot be started again: to go back, restore a backup from before.",
        match total.as_secs() {
            0 | 1 => "a second".to_owned(),
            seconds @ ..120 => format!("{seconds} seconds"),
            seconds => format!("{} minutes", seconds.div_ceil(60)),
        }
    );
    text
}

fn line(change: &Change) -> String {
    let table = &change.table;
    let what = match change.work {
        Work::Create => format!("creates the table {table}"),
        Work::AddColumn => format!("adds a column to {table}, without touching its rows"),
        Work::Index => format!("builds an index on {table}"),
        Work::Write => format!("writes rows of {table}"),
        Work::Redefine => format!("changes the table {table}"),
    };
    let rows = match (change.work, change.rows) {
        (Work::Index | Work::Write | Work::Redefine, rows @ MANY_ROWS..) => format!(" ({rows} rows)"),
        _ => String::new(),
    };
    what + &rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_what_changes_and_how_long_it_takes() {
        let change = |work, table: &str, rows| Change {
            work,
            table: table.to_owned(),
            rows,
        };
        let pending = [PendingMigration {
            version: 2,
            description: "keys of clients".to_owned(),
            changes: vec![
                change(Work::Create, "keys", 0),
                change(Work::AddColumn, "clients", 2_000_000),
                change(Work::Index, "grants", 2_000_000),
                change(Work::Write, "users", 12),
            ],
        }];
        let text = describe(&pending, false);
        let (lines, total) = text.split_once("\n\n").unwrap();
        assert_eq!(
            lines,
            "2  keys of clients\n    creates the table keys\n    adds a column to clients, without touching its rows\n    \
             builds an index on grants (2000000 rows)\n    writes rows of users"
        );
        assert!(
            total.starts_with("1 migration to apply, in about 4 seconds."),
            "{total}"
        );
        assert!(describe(&pending, true).contains("is empty"));
        assert!(describe(&[], false).contains("nothing to do"));
    }
}
