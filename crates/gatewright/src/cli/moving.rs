//! `gatewright move`.

use std::{process::ExitCode, time::Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use gatewright_core::Core;
use gatewright_domain::{sealed::Keyring, secret::Secret};
use gatewright_store::{
    Store, StoreConfig,
    copy::{Loading, Snapshot, copy, is_proof_of},
};

use crate::{
    backup::Contents,
    config::{Config, master_key},
};

use super::{backup::exists, restore::alone};

/// Where to.
#[derive(Args)]
pub(super) struct Arguments {
    /// The URL of an empty PostgreSQL database, like postgres://user:password@host/database. Others can see the command line, so
    /// use the variable if the URL contains a password.
    #[arg(long, value_name = "URL", env = "GATEWRIGHT_MOVE_TO", hide_env_values = true)]
    to: String,
}

impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Arguments([redacted])")
    }
}

/// Connections to the new database.
const CONNECTIONS: u32 = 2;

/// Moves the configured SQLite database.
pub(super) async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    ensure!(
        !config.is_postgres(),
        "this configuration already uses PostgreSQL (database.url), and `move` begins with SQLite. To move to another \
         PostgreSQL database, use `gatewright backup` and `gatewright restore`. Otherwise remove database.url, and run this again"
    );
    ensure!(
        arguments.to.starts_with("postgres://") || arguments.to.starts_with("postgresql://"),
        "--to is not the URL of a PostgreSQL database. It is like postgres://user:password@host/database"
    );
    exists(config)?;
    let _alone = alone(&config.database.data_dir)?;
    let begun = Instant::now();
    let source = Core::open_store(config).await?;
    check_source(&source, config).await?;
    let url = Secret::new(arguments.to.clone());
    let target = Store::connect(&StoreConfig::Postgres {
        url,
        max_connections: CONNECTIONS,
    })
    .await
    .context(
        "PostgreSQL (--to) cannot be reached. Check that it runs, and host, user, password and database",
    )?;
    target
        .migrate()
        .await
        .context("the tables could not be created in PostgreSQL")?;
    let snapshot = Snapshot::take_and_hold(&source)
        .await
        .context("the SQLite database cannot be held. Stop every process that uses it, and run this again")?;
    let loading = Loading::begin(&target).await?;
    let tables = copy(snapshot, loading, &mut |_| ()).await?;
    target.close().await;
    source.close().await;
    let contents = Contents { tables };
    println!(
        "Everything is in PostgreSQL now, and both sides were compared: {}. It took {} seconds.",
        contents.in_words(),
        begun.elapsed().as_secs()
    );
    println!("{}", next_steps(config));
    Ok(ExitCode::SUCCESS)
}

/// Checks that the database can be moved and that its master key is there.
async fn check_source(source: &Store, config: &Config) -> anyhow::Result<()> {
    if !source.is_migrated().await? {
        bail!("the SQLite database is not up to date. Run: gatewright migrate");
    }
    let keys = master_key::existing(config)?;
    if let Some(proof) = source.keyring_proof().await? {
        ensure!(
            !keys.is_empty() && is_proof_of(&proof, &Keyring::new(keys)?),
            "the configured master key is not the one of this database. Correct keys.master first: the new instance needs the \
             same key"
        );
    }
    Ok(())
}

fn next_steps(config: &Config) -> String {
    let keys = if config.keys.master.is_empty() {
        let file = config.database.data_dir.join(master_key::GENERATED_FILE);
        format!(
            "Set keys.master = [\"{}{}\"] in the configuration, or copy that file to where each replica can read it",
            master_key::FILE_PREFIX,
            file.display()
        )
    } else {
        "Keep keys.master as it is".to_owned()
    };
    format!(
        "Next:\n  1. Set database.url to the new URL, or GATEWRIGHT__DATABASE__URL in the environment.\n  2. {keys}.\n  3. Run \
         `gatewright doctor`, and start Gatewright.\nThe SQLite files were not changed. Do not start an instance with them again: \
         it would not know what happens in PostgreSQL. Delete them when you have a backup of PostgreSQL."
    )
}
