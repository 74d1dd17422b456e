//! `gatewright doctor`: checks the whole installation and says what to do about each failure.

mod remote;
mod report;

use std::{io::Write, os::unix::fs::PermissionsExt as _, path::Path, process::ExitCode, sync::Arc};

use gatewright_core::{
    Core,
    descriptors::{self, Fit},
};
use gatewright_domain::{entropy::SystemEntropy, sealed::Keyring, stored_secret::SealedText};
use gatewright_store::StoreError;

use gatewright_admin::Admin;

use crate::config::{Config, SQLITE_FILE, master_key};
use report::Report;

/// With less than this SQLite cannot even write its log: the smallest write takes a few pages.
const NO_ROOM: u64 = 1024 * 1024;
/// With less than this a busy instance may run out within a day.
const LITTLE_ROOM: u64 = 200 * 1024 * 1024;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut report = Report::new(std::io::stdout());
    examine(&mut report, config).await;
    Ok(report.finish())
}

async fn examine(report: &mut Report<impl Write>, config: Config) {
    report.good("configuration", format!("public URL {}", config.public_url()));
    if config.public_url().starts_with("https:") && config.server.trusted_proxies.is_empty() {
        report.warn(
            "proxy",
            "the public URL is https, so a reverse proxy is in front, and server.trusted_proxies is empty: all users \
             count as one address, in limits and in the audit trail",
            "Set server.trusted_proxies to the addresses of the reverse proxy",
        );
    }
    descriptors(report, &config);
    disk(report, &config);
    if let Some(app) = local(report, config).await {
        remote::public_url(report, &app).await;
        remote::user_sources(report, &app).await;
        remote::servers(report, &app).await;
        app.store.close().await;
    }
}

/// Whether there is room where SQLite writes. A full disk lets everything be read, so nothing else would show it.
fn disk(report: &mut Report<impl Write>, config: &Config) {
    if config.is_postgres() {
        return;
    }
    let file = config.database.data_dir.join(SQLITE_FILE);
    if let Ok(found) = rustix::fs::statvfs(&config.database.data_dir) {
        room(report, &file, found.f_bavail.saturating_mul(found.f_frsize));
    }
}

fn room(report: &mut Report<impl Write>, file: &Path, bytes: u64) {
    let megabytes = bytes / (1024 * 1024);
    if bytes < NO_ROOM {
        report.bad(
            "disk",
            format!("it is full: {} cannot grow", file.display()),
            "Free some space, or move database.data_dir to a larger disk",
        );
    } else if bytes < LITTLE_ROOM {
        report.warn(
            "disk",
            format!("only {megabytes} MB are left where {} lies", file.display()),
            "Free some space, or move database.data_dir to a larger disk",
        );
    }
}

/// Whether what is configured fits into what the system lets a process open.
fn descriptors(report: &mut Report<impl Write>, config: &Config) {
    descriptors::raise();
    let fit = Fit::here(config);
    if let Err(error) = fit.check() {
        report.bad(
            "open files",
            error.to_string(),
            "Mend this first; `gatewright serve` would not start under the same limit",
        );
    } else if let Some(warning) = fit.warning() {
        report.warn(
            "open files",
            warning,
            "Check the limit of the service too: it may differ from the one of this shell",
        );
    }
}

/// Checks key and database; the app when both are good enough to go on.
async fn local(report: &mut Report<impl Write>, config: Config) -> Option<Arc<Admin>> {
    let is_new = !config.is_postgres()
        && config.keys.master.is_empty()
        && !config.database.data_dir.join(SQLITE_FILE).exists()
        && !config.database.data_dir.join(master_key::GENERATED_FILE).exists();
    if is_new {
        report.bad(
            "database",
            format!("there is none in {} yet", config.database.data_dir.display()),
            "Start `gatewright serve` once, or set database.data_dir to the folder it uses",
        );
        return None;
    }
    let keyring = keyring(report, &config)?;
    database(report, &config, &keyring).await?;
    match super::build(config).await {
        Ok(app) => Some(app),
        Err(error) => {
            report.bad(
                "start",
                format!("{error:#}"),
                "Mend this first; `gatewright serve` would fail the same way",
            );
            None
        }
    }
}

fn keyring(report: &mut Report<impl Write>, config: &Config) -> Option<Keyring> {
    let keyring = match master_key::keyring(config, &SystemEntropy) {
        Ok(keyring) => keyring,
        Err(error) => {
            report.bad(
                "master key",
                format!("{error:#}"),
                "Without it no stored secret can be read",
            );
            return None;
        }
    };
    let exposed = master_key::files(config)
        .into_iter()
        .find(|path| master_key::is_open_to_others(path));
    match exposed {
        Some(path) => report.warn(
            "master key",
            format!("other users of this machine can read {}", path.display()),
            &format!("Run: chmod 600 {}", path.display()),
        ),
        None => report.good(
            "master key",
            format!("seals with key {}", keyring.sealing_key_id()),
        ),
    }
    let data_dir = &config.database.data_dir;
    let is_open = std::fs::metadata(data_dir).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
    if is_open && !config.is_postgres() {
        report.warn(
            "data folder",
            format!("other users of this machine can look into {}", data_dir.display()),
            &format!("Run: chmod 700 {}", data_dir.display()),
        );
    }
    Some(keyring)
}

async fn database(report: &mut Report<impl Write>, config: &Config, keyring: &Keyring) -> Option<()> {
    let store = match Core::open_store(config).await {
        Ok(store) => store,
        Err(error) => {
            let remedy = "Check that it runs and that this user may use it";
            report.bad("database", format!("{error:#}"), remedy);
            return None;
        }
    };
    let checked = match store.is_migrated().await {
        Ok(true) => match store.check_keyring(keyring, &SystemEntropy).await {
            Ok(()) => store.probe().await.map(|()| true),
            Err(error) => Err(error),
        },
        other => other,
    };
    let proof = store.keyring_proof().await.ok().flatten();
    store.close().await;
    match checked {
        Ok(true) => {
            let engine = if config.is_postgres() {
                "PostgreSQL"
            } else {
                "SQLite"
            };
            report.good(
                "database",
                format!("{engine}, up to date, opens with the master key, takes writes"),
            );
            if let Some(proof) = proof.filter(|_| config.keys.master.len() > 1) {
                change_of_key(report, keyring, &proof);
            }
            Some(())
        }
        Ok(false) => {
            report.bad("database", "it is not up to date", "Run: gatewright migrate");
            None
        }
        Err(StoreError::Refused(reason)) => {
            report.bad("database", reason, "Nothing was changed");
            None
        }
        Err(error) if error.is_disk_full() => {
            let what = if config.is_postgres() {
                "the disk of PostgreSQL is full".to_owned()
            } else {
                let file = config.database.data_dir.join(SQLITE_FILE);
                format!("the disk is full, so {} cannot be written", file.display())
            };
            report.bad("database", what, "Free some space there");
            None
        }
        Err(error) => {
            report.bad(
                "database",
                format!("{:#}", anyhow::Error::from(error)),
                "Check that it runs, has space left, and that this user may use it",
            );
            None
        }
    }
}

/// Where a change of the master key stands, and the next step of it.
fn change_of_key(report: &mut Report<impl Write>, keyring: &Keyring, proof: &SealedText) {
    if keyring.is_current(proof) {
        report.good(
            "change of the master key",
            "the first key of keys.master has sealed everything. If the second is a new one, put it in front once every \
             replica has it",
        );
        return;
    }
    report.warn(
        "change of the master key",
        format!(
            "key {} is in front, and what is stored is sealed with another. A replica that does not have it, at least in \
             second place, opens nothing that is sealed from now on: sign-ins that meet it fail",
            keyring.sealing_key_id()
        ),
        "Restart every replica with both keys, then run: gatewright keys rotate",
    );
}

#[cfg(test)]
mod tests;
