//! `gatewright doctor`: checks the whole installation and says how to fix each failure.

mod archive;
mod certificate;
mod collector;
mod remote;
mod report;
mod trail;

use std::{
    io::Write,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use gatewright_core::{
    Core,
    descriptors::{self, Fit},
};
use gatewright_domain::{entropy::SystemEntropy, sealed::Keyring, stored_secret::SealedText};
use gatewright_store::StoreError;

use gatewright_admin::Admin;

use crate::config::{Config, SQLITE_FILE, master_key};
use report::{Form, Report};

/// With fewer bytes than this, SQLite cannot even write its log: the smallest write needs a few pages.
const NO_ROOM: u64 = 1024 * 1024;
/// With fewer bytes than this, the disk of a busy instance may fill up within a day.
const LITTLE_ROOM: u64 = 200 * 1024 * 1024;

/// What to check, and how to write what is found.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Check this backup instead: read it whole, and say what it contains and whether the configured master key opens it.
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// Write the findings as one JSON document.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn report(&self) -> Report<impl Write + use<>> {
        let form = if self.json { Form::Json } else { Form::Text };
        Report::new(std::io::stdout(), form)
    }
}

/// Exit code 1: something does not work.
pub(super) fn run(arguments: &Arguments, config: Config) -> anyhow::Result<ExitCode> {
    match &arguments.backup {
        Some(file) => Ok(backup(arguments.report(), &config, file)),
        None => super::runtime()?.block_on(installation(arguments.report(), config)),
    }
}

async fn installation(mut report: Report<impl Write>, config: Config) -> anyhow::Result<ExitCode> {
    Box::pin(examine(&mut report, config)).await;
    Ok(report.finish())
}

/// Checks a backup.
fn backup(mut report: Report<impl Write>, config: &Config, file: &Path) -> ExitCode {
    archive::check(&mut report, config, file);
    report.finish()
}

async fn examine(report: &mut Report<impl Write>, config: Config) {
    match config.public_url_doubt() {
        None => report.good("configuration", format!("public URL {}", config.public_url())),
        Some(doubt) => report.warn("configuration", doubt, "Then restart `gatewright serve`"),
    }
    certificate::files(report, &config);
    if config.public_url().starts_with("https:")
        && !config.is_tls()
        && config.server.trusted_proxies.is_empty()
    {
        report.warn(
            "proxy",
            "the public URL is https, so there is a reverse proxy, but server.trusted_proxies is empty: all users share \
             one address, in limits and in the audit trail",
            "Set server.trusted_proxies to the addresses of the reverse proxy",
        );
    }
    if config.is_tls() && !config.server.trusted_proxies.is_empty() {
        report.warn(
            "proxy",
            "TLS ends at Gatewright, but server.trusted_proxies is not empty: through a load balancer that passes TLS on, clients \
             can write any address into X-Forwarded-For, and it is believed",
            "Leave server.trusted_proxies empty, unless the load balancer ends TLS itself and replaces X-Forwarded-For",
        );
    }
    descriptors(report, &config);
    disk(report, &config);
    if let Some(app) = local(report, config).await {
        certificate::ordered(report, &app).await;
        trail::check(report, &app).await;
        remote::public_url(report, &app).await;
        remote::user_sources(report, &app).await;
        remote::servers(report, &app).await;
        collector::check(report, &app).await;
        app.core().store.close().await;
    }
}

/// Checks for free space where SQLite writes. On a full disk everything can still be read, so the other checks would not notice.
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
            format!("only {megabytes} MB are free on the disk of {}", file.display()),
            "Free some space, or move database.data_dir to a larger disk",
        );
    }
}

/// Checks whether the configured connections fit into the system's limit of open files.
fn descriptors(report: &mut Report<impl Write>, config: &Config) {
    descriptors::raise();
    let fit = Fit::here(config);
    if let Err(error) = fit.check() {
        report.bad(
            "open files",
            error.to_string(),
            "Fix this first: `gatewright serve` does not start with this limit",
        );
    } else if let Some(warning) = fit.warning() {
        report.warn(
            "open files",
            warning,
            "Also check the limit of the service, which may differ from the limit of this shell",
        );
    }
}

/// Checks key and database; returns the app if the other checks can use it.
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
                "Fix this first: `gatewright serve` would fail for the same reason",
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
                "Restore the key: without it, stored secrets cannot be read",
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
            format!("encrypts with key {}", keyring.sealing_key_id()),
        ),
    }
    let data_dir = &config.database.data_dir;
    let is_open = std::fs::metadata(data_dir).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
    if is_open && !config.is_postgres() {
        report.warn(
            "data folder",
            format!("other users of this machine can read {}", data_dir.display()),
            &format!("Run: chmod 700 {}", data_dir.display()),
        );
    }
    Some(keyring)
}

async fn database(report: &mut Report<impl Write>, config: &Config, keyring: &Keyring) -> Option<()> {
    let store = match Core::open_store(config).await {
        Ok(store) => store,
        Err(error) => {
            let remedy = "Check that it is running and that this user has access to it";
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
                format!("{engine}, up to date, matches the master key, writable"),
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
                "Check that it is running, that its disk has free space, and that this user has access to it",
            );
            None
        }
    }
}

/// The progress of a change of the master key, and its next step.
fn change_of_key(report: &mut Report<impl Write>, keyring: &Keyring, proof: &SealedText) {
    if keyring.is_current(proof) {
        report.good(
            "change of the master key",
            "everything is encrypted with the first key of keys.master. If the second key is a new one, move it to the front \
             once every replica has it",
        );
        return;
    }
    report.warn(
        "change of the master key",
        format!(
            "key {} is in front, but stored values are encrypted with another key. A replica that does not have the key in \
             front, at least in second place, cannot decrypt new values, so sign-ins that reach it fail",
            keyring.sealing_key_id()
        ),
        "Restart every replica with both keys, then run: gatewright keys rotate",
    );
}

#[cfg(test)]
mod tests;
