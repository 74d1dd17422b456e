//! `gatewright backup`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use gatewright_core::{Core, version};
use gatewright_domain::{
    Clock as _, Timestamp,
    clock::SystemClock,
    entropy::SystemEntropy,
    sealed::{Keyring, MasterKey},
};
use gatewright_store::{
    Store,
    copy::{Snapshot, is_proof_of},
};

use crate::{
    backup::{Contents, FORMAT, Heading, Manifest, NewFile, Writer},
    config::{Config, SQLITE_FILE, master_key},
};

/// What is written where.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file. Only you can read it. `-` is standard output.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    /// Put the master key into the file as well. Anyone who has the file can then open everything.
    #[arg(long)]
    with_key: bool,
}

/// Writes a backup of the configured database.
pub(super) async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    exists(config)?;
    let keys = if arguments.with_key {
        keys_of(config)?
    } else {
        Vec::new()
    };
    let store = Core::open_store(config).await?;
    let now = SystemClock.now();
    let (contents, sha256, place) = if arguments.to == Path::new("-") {
        let out = std::io::stdout().lock();
        let (contents, sha256, mut out) = write(config, &store, &keys, now, out).await?;
        out.flush()
            .context("standard output is closed, so the backup is incomplete")?;
        (contents, sha256, "standard output".to_owned())
    } else {
        let (new, out) = NewFile::begin(&arguments.to, arguments.force, &SystemEntropy)?;
        let (contents, sha256, out) = write(config, &store, &keys, now, out).await?;
        new.keep(out)?;
        (contents, sha256, arguments.to.display().to_string())
    };
    store.close().await;
    eprintln!("A backup is in {place}: {}.", contents.in_words());
    eprintln!("Its SHA-256: {sha256}");
    if arguments.with_key {
        eprintln!(
            "The master key is in it: anyone who has this file can open everything. Keep it where you keep passwords."
        );
    } else {
        eprintln!(
            "The master key is not in it, and nothing can be restored without it: keep a copy of it elsewhere{}.",
            match master_key::files(config).first() {
                Some(file) => format!(" ({})", file.display()),
                None => String::new(),
            }
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses to create a database in order to back it up.
pub(super) fn exists(config: &Config) -> anyhow::Result<()> {
    let file = config.database.data_dir.join(SQLITE_FILE);
    if !config.is_postgres() && !file.exists() {
        bail!(
            "there is no database at {}. Set database.data_dir, or database.url, to what your instance uses; `--config` \
             names its configuration",
            file.display()
        );
    }
    Ok(())
}

fn keys_of(config: &Config) -> anyhow::Result<Vec<MasterKey>> {
    let keys = master_key::existing(config)?;
    if keys.is_empty() {
        bail!(
            "there is no master key: keys.master is empty, and the data folder has none. Leave out --with-key"
        );
    }
    Ok(keys)
}

async fn write<W: Write>(
    config: &Config,
    store: &Store,
    keys: &[MasterKey],
    now: Timestamp,
    out: W,
) -> anyhow::Result<(Contents, String, W)> {
    let mut snapshot = Snapshot::take(store).await?;
    let proof = store.keyring_proof().await?;
    if let Some(proof) = &proof
        && !keys.is_empty()
        && !is_proof_of(proof, &Keyring::new(keys.to_vec())?)
    {
        bail!(
            "the configured master key is not the one of this database, so it would be useless in the backup. Correct keys.master"
        );
    }
    let tables = snapshot.headings().into_iter().map(|(table, columns)| Heading {
        table: table.to_owned(),
        columns,
    });
    let manifest = Manifest {
        format: FORMAT,
        program: version::with_commit().to_owned(),
        store: if config.is_postgres() {
            "PostgreSQL"
        } else {
            "SQLite"
        }
        .to_owned(),
        at: now.to_rfc3339(),
        public_url: config.public_url().to_owned(),
        master_key_id: proof.and_then(|proof| proof.key_id().map(str::to_owned)),
        has_master_key: !keys.is_empty(),
        migrations: snapshot.migrations().to_vec(),
        tables: tables.collect(),
    };
    let time = u64::try_from(now.as_millis() / 1_000).unwrap_or_default();
    Writer::new(out, &manifest, keys, time)?
        .write_all(&mut snapshot)
        .await
}
