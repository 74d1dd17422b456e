//! `gatewright keys`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::bail;
use clap::Subcommand;
use gatewright_domain::{entropy::SystemEntropy, sealed::Keyring, stored_secret::SealedText};
use gatewright_store::keys::{purpose_of, reseal_all};

use crate::{
    app::App,
    config::{Config, master_key},
};

/// What can be done with master keys.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Seal every stored secret anew with the first key of keys.master, so that the others may go.
    Rotate,
}

pub(super) async fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Rotate => rotate(config).await,
    }
}

async fn rotate(config: &Config) -> anyhow::Result<ExitCode> {
    let keyring = master_key::keyring(config, &SystemEntropy)?;
    let store = App::open_store(config).await?;
    if !store.is_migrated().await? {
        bail!("the database is not up to date. Run: gatewright migrate");
    }
    store.check_keyring(&keyring, &SystemEntropy).await?;
    let unopened = AtomicU64::new(0);
    let changed = reseal_all(&store, &|context, sealed| {
        reseal(&keyring, context, sealed, &unopened)
    })
    .await?;
    store.close().await;
    let unopened = unopened.into_inner();
    if unopened > 0 {
        bail!(
            "{changed} stored secrets were sealed anew, but {unopened} open with none of the keys in keys.master. Add \
             the key they were sealed with and run this again; remove no key before"
        );
    }
    if changed == 0 {
        println!(
            "Every stored secret is sealed with key {} already.",
            keyring.sealing_key_id()
        );
        if config.keys.master.len() < 2 {
            println!(
                "To replace the key, put a new one in front: keys.master = [\"<new key>\", \"{}\"]. Start every replica \
                 with both, then run this again.",
                present_key(config)
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{changed} stored secrets were sealed anew with key {}.",
        keyring.sealing_key_id()
    );
    println!(
        "Keep the old key for another hour, until every sign-in begun before has ended; then remove it from keys.master."
    );
    Ok(ExitCode::SUCCESS)
}

/// How to write the key in use, without telling it.
fn present_key(config: &Config) -> String {
    match master_key::files(config).first() {
        Some(path) => format!("{}{}", master_key::FILE_PREFIX, path.display()),
        None => "<present key>".to_owned(),
    }
}

fn reseal(keyring: &Keyring, context: &str, sealed: &SealedText, unopened: &AtomicU64) -> Option<SealedText> {
    if keyring.is_current(sealed) {
        return None;
    }
    let purpose = purpose_of(context);
    let Ok(plain) = keyring.open(purpose, context, sealed) else {
        unopened.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    Some(keyring.seal(&SystemEntropy, purpose, context, &plain))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gatewright_domain::{clock::SystemClock, sealed::MasterKey, secret::Secret};

    use super::*;

    async fn starts(config: &Config) -> anyhow::Result<bytes::Bytes> {
        let app = App::build(config.clone(), Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
        let jwks = app.signing.jwks();
        app.store.close().await;
        Ok(jwks)
    }

    #[tokio::test]
    async fn after_a_rotation_the_old_key_may_go_and_before_it_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.data_dir = folder.path().join("data");
        let before = starts(&config).await.unwrap();
        let old = Secret::new(present_key(&config));
        let new = MasterKey::generate(&SystemEntropy).to_text();

        config.keys.master = vec![new.clone()];
        assert!(starts(&config).await.is_err());
        assert!(rotate(&config).await.is_err());

        config.keys.master = vec![new.clone(), old.clone()];
        assert_eq!(starts(&config).await.unwrap(), before);
        rotate(&config).await.unwrap();

        config.keys.master = vec![new];
        assert_eq!(starts(&config).await.unwrap(), before);
        config.keys.master = vec![old];
        assert!(starts(&config).await.is_err());
    }
}
