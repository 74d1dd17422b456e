//! `gatewright migrate`.

use std::process::ExitCode;

use gatewright_core::Core;
use gatewright_domain::entropy::SystemEntropy;

use crate::config::{Config, master_key};

/// Brings the database up to date and checks that the master key is the right one.
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
            "The database was already up to date."
        } else {
            "The database is now up to date."
        }
    );
    Ok(ExitCode::SUCCESS)
}
