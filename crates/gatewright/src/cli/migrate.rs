//! `gatewright migrate`.

use std::process::ExitCode;

use gatewright_core::Core;
use gatewright_domain::entropy::SystemEntropy;

use crate::config::{Config, master_key};

/// Brings the database up to date, after the master key proved to be the right one.
pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let keyring = master_key::keyring(config, &SystemEntropy)?;
    let store = Core::open_store(config).await?;
    let was_migrated = store.is_migrated().await?;
    store.migrate().await?;
    store.check_keyring(&keyring, &SystemEntropy).await?;
    store.close().await;
    println!(
        "{}",
        if was_migrated {
            "The database was up to date."
        } else {
            "The database is up to date now."
        }
    );
    Ok(ExitCode::SUCCESS)
}
