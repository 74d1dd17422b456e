//! `gatewright keys`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::bail;
use clap::Subcommand;
use gatewright_core::Core;
use gatewright_domain::{entropy::SystemEntropy, sealed::Keyring, stored_secret::SealedText};
use gatewright_store::keys::{purpose_of, reseal_all};

use crate::config::{Config, master_key};

/// Client IDs and secrets of apps that registered themselves are sealed and stored only with the app, so a rotation cannot
/// reach them.
const KEEP_THE_OLD_KEY: &str = "Keep the old key in keys.master, in second place, for as long as people use apps that \
    registered themselves with it (dynamic client registration): their IDs can be decrypted only with that key. If you \
    remove it, users have to remove each of these apps and add it again. If no app registers itself, remove the old key \
    after an hour, when all sign-ins that began with it have ended.";

/// Tasks with master keys.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Re-encrypt every stored secret with the first key of keys.master. Apps that registered with another key need that key
    /// for as long as they are in use.
    Rotate,
}

pub(super) async fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Rotate => rotate(config).await,
    }
}

async fn rotate(config: &Config) -> anyhow::Result<ExitCode> {
    let keyring = master_key::keyring(config, &SystemEntropy)?;
    let store = Core::open_store(config).await?;
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
            "{changed} stored secrets were re-encrypted, but {unopened} cannot be decrypted with any key in keys.master. Add \
             the key they were encrypted with and run this again. Do not remove a key before that"
        );
    }
    if changed == 0 {
        println!(
            "Every stored secret is already encrypted with key {}.",
            keyring.sealing_key_id()
        );
        if config.keys.master.len() < 2 {
            println!(
                "To replace the key, add the new one in second place, keys.master = [\"{0}\", \"<new key>\"], and restart \
                 every replica. Then move it to the front, keys.master = [\"<new key>\", \"{0}\"], restart every replica, and run \
                 this again. A single process needs only the second step.",
                present_key(config)
            );
        } else {
            println!(
                "If the second key is new: once every replica has it, move it to the front, restart every replica, and run this \
                 again."
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{changed} stored secrets were re-encrypted with key {}.",
        keyring.sealing_key_id()
    );
    println!("{KEEP_THE_OLD_KEY}");
    Ok(ExitCode::SUCCESS)
}

/// How to write the current key in the configuration, without showing it.
fn present_key(config: &Config) -> String {
    match master_key::files(config).first() {
        Some(path) => format!("{}{}", master_key::FILE_PREFIX, path.display()),
        None => "<current key>".to_owned(),
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

    use gatewright_domain::{
        Timestamp,
        client::RegisteredClient,
        clock::SystemClock,
        sealed::{MasterKey, Purpose},
        secret::Secret,
    };
    use gatewright_oauth::client_authentication::Method;

    use super::*;
    use gatewright_admin::Admin;

    /// Whether each of two replicas opens what the other seals.
    fn understand_each_other(one: &Keyring, other: &Keyring) -> bool {
        let opens = |from: &Keyring, to: &Keyring| {
            let sealed = from.seal(&SystemEntropy, Purpose::StoredSecret, "context", b"plain");
            to.open(Purpose::StoredSecret, "context", &sealed).is_ok()
        };
        opens(one, other) && opens(other, one)
    }

    #[test]
    fn replicas_of_two_neighbouring_steps_open_what_the_other_seals_and_without_the_first_step_they_do_not() {
        let [old, new] = [(); 2].map(|()| MasterKey::generate(&SystemEntropy).to_text());
        let ring = |keys: &[&Secret]| {
            let parsed = keys.iter().map(|key| MasterKey::parse(key).unwrap());
            Keyring::new(parsed.collect()).unwrap()
        };
        let steps = [
            ring(&[&old]),
            ring(&[&old, &new]),
            ring(&[&new, &old]),
            ring(&[&new]),
        ];
        assert!(understand_each_other(&steps[0], &steps[1]) && understand_each_other(&steps[1], &steps[2]));
        // The old key is removed last, when nothing is sealed with it any more.
        let sealed = steps[2].seal(&SystemEntropy, Purpose::StoredSecret, "context", b"plain");
        assert!(steps[3].open(Purpose::StoredSecret, "context", &sealed).is_ok());
        // Immediately in front, while another replica does not have it yet.
        assert!(!understand_each_other(&steps[0], &steps[2]));
    }

    async fn starts(config: &Config) -> anyhow::Result<bytes::Bytes> {
        let app = Admin::build(config.clone(), Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
        let jwks = app.signing.jwks();
        app.core().store.close().await;
        Ok(jwks)
    }

    fn ring(config: &Config) -> Keyring {
        master_key::keyring(config, &SystemEntropy).unwrap()
    }

    /// The id of a client that registers now.
    fn register(ring: &Keyring) -> String {
        let client = RegisteredClient {
            redirect_uris: Vec::new(),
            name: "Admin".to_owned(),
            method: Method::None,
            issued_at: Timestamp::from_seconds(1_800_000_000),
            gateway_id: None,
        };
        client.seal(ring, &SystemEntropy).unwrap()
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

        config.keys.master = vec![old.clone()];
        let registered = register(&ring(&config));
        config.keys.master = vec![new.clone(), old.clone()];
        assert_eq!(starts(&config).await.unwrap(), before);
        rotate(&config).await.unwrap();
        // A rotation reaches what is stored; a registration is with its client.
        assert!(RegisteredClient::open(&ring(&config), &registered).is_some());
        assert!(KEEP_THE_OLD_KEY.contains("second place"));

        config.keys.master = vec![new];
        assert_eq!(starts(&config).await.unwrap(), before);
        assert!(RegisteredClient::open(&ring(&config), &registered).is_none());
        config.keys.master = vec![old];
        assert!(starts(&config).await.is_err());
    }
}
