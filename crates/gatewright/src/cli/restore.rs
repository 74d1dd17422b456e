//! `gatewright restore`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use gatewright_core::Core;
use gatewright_domain::{
    entropy::SystemEntropy,
    sealed::{Keyring, MasterKey},
};
use gatewright_store::{
    Store,
    copy::{Loading, known_migrations},
};
use tokio::sync::mpsc;

use crate::{
    backup::Backup,
    config::{Config, SQLITE_FILE, master_key},
    serve::presence,
};

/// Pages of rows that wait to be written.
const WAITING: usize = 4;

/// What is restored.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file that `gatewright backup` wrote.
    file: PathBuf,
    /// A file with the master key, if the backup does not contain it and the configuration does not name it. On SQLite it is
    /// copied into the data folder.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Restores a backup into the configured database.
pub(super) async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let backup = Backup::examine(&arguments.file)?;
    let key = key_for(&backup, arguments, config)?;
    let folder = (!config.is_postgres()).then_some(&*config.database.data_dir);
    let _alone = match folder {
        Some(folder) => {
            master_key::create_data_dir(folder)?;
            Some(alone(folder)?)
        }
        None => None,
    };
    let is_new = folder.is_some_and(|folder| !folder.join(SQLITE_FILE).exists());
    if let Err(error) = fill(&backup, key, config).await {
        if let (true, Some(folder)) = (is_new, folder) {
            remove_database(folder);
        }
        return Err(error);
    }
    println!("Restored: {}.", backup.contents.in_words());
    if backup.manifest.public_url != config.public_url() {
        println!(
            "The backup is of {}, and this configuration has {}. Clients and identity providers know the first one: set \
             server.public_url to it, unless you move to another address on purpose.",
            backup.manifest.public_url,
            config.public_url()
        );
    }
    println!(
        "Everything since {} is undone: users who were blocked and keys that were revoked since then work again. Now run: \
         gatewright doctor",
        backup.manifest.at
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that no process serves from the data folder.
pub(super) fn alone(folder: &Path) -> anyhow::Result<presence::Alone> {
    let alone = presence::alone(folder).with_context(|| {
        format!(
            "it cannot be determined whether a process serves from {}",
            folder.display()
        )
    })?;
    alone.with_context(|| {
        format!(
            "a process serves from the data folder {}. Stop it, and run this again",
            folder.display()
        )
    })
}

/// The key to put into the data folder; `None` if the configuration, or the folder, already has the right one.
fn key_for(backup: &Backup, arguments: &Arguments, config: &Config) -> anyhow::Result<Option<MasterKey>> {
    let wanted = backup.manifest.master_key_id.as_deref().unwrap_or("unknown");
    let existing = master_key::existing(config)?;
    if !existing.is_empty() {
        ensure!(
            backup.opens_with(&Keyring::new(existing)?),
            "the master key of this configuration does not open the backup, which needs the key {wanted}. {}",
            if config.keys.master.is_empty() {
                format!(
                    "Move {} away, or use another data folder",
                    config
                        .database
                        .data_dir
                        .join(master_key::GENERATED_FILE)
                        .display()
                )
            } else {
                "Set keys.master to that key".to_owned()
            }
        );
        return Ok(None);
    }
    let given = match &arguments.key_file {
        Some(file) => vec![master_key::from_file(file)?],
        None => backup.keys.clone(),
    };
    let Some(first) = given.first().cloned() else {
        bail!(
            "the backup does not contain its master key ({wanted}), and without it nothing in it can be decrypted. Name the file \
             with the key: --key-file FILE"
        );
    };
    ensure!(
        !config.is_postgres(),
        "keys.master is required with PostgreSQL. {}",
        if arguments.key_file.is_some() {
            "Set it to \"file:\" and the path of the file with the key"
        } else {
            "The key is in the backup: `tar -xzOf BACKUP master.key` prints it"
        }
    );
    ensure!(
        given.len() == 1,
        "the backup has {} master keys, because they were being rotated. Write each into a file (`tar -xzOf BACKUP master.key` \
         prints one in each line), and name the files in keys.master in the same order",
        given.len()
    );
    ensure!(
        backup.opens_with(&Keyring::new(given)?),
        "this master key ({}) does not open the backup, which needs the key {wanted}. Name the file with that key: --key-file FILE",
        first.id()
    );
    Ok(Some(first))
}

/// Fills the configured database, all or nothing.
async fn fill(backup: &Backup, key: Option<MasterKey>, config: &Config) -> anyhow::Result<()> {
    let store = Core::open_store(config).await?;
    let filled = fill_store(backup, key, config, &store).await;
    store.close().await;
    filled
}

async fn fill_store(
    backup: &Backup,
    key: Option<MasterKey>,
    config: &Config,
    store: &Store,
) -> anyhow::Result<()> {
    let migrations = &backup.manifest.migrations;
    let present = store.migrations().await?;
    if let Some(newer) = present.iter().find(|version| !migrations.contains(version)) {
        bail!(
            "the database already has tables of a newer version than the backup (migration {newer}). Restore into a database \
             without tables{}",
            if config.is_postgres() {
                ""
            } else {
                ": move gatewright.db and gatewright.activity.db away"
            }
        );
    }
    store.migrate_to(migrations).await?;
    let mut loading = Loading::begin(store).await?;
    load(backup, &mut loading)?;
    let installed = match key {
        Some(key) => Some(install(config, &key)?),
        None => None,
    };
    let finished = loading.finish(&backup.contents.tables).await;
    if let (Err(_), Some(path)) = (&finished, installed) {
        // It was not there before.
        fs::remove_file(path)?;
    }
    finished?;
    if *migrations != known_migrations() {
        store.migrate().await.context(
            "the backup was restored, but its schema is of an older version and could not be brought up to date. Run: gatewright \
             migrate",
        )?;
    }
    Ok(())
}

/// Puts the key into the data folder; returns its file.
fn install(config: &Config, key: &MasterKey) -> anyhow::Result<PathBuf> {
    let folder = &config.database.data_dir;
    let there = master_key::install(folder, key, &SystemEntropy)?;
    ensure!(
        there.id() == key.id(),
        "another process created a master key in {} in the meantime",
        folder.display()
    );
    Ok(folder.join(master_key::GENERATED_FILE))
}

/// Writes all rows: a thread reads them while others are being written.
fn load(backup: &Backup, loading: &mut Loading) -> anyhow::Result<()> {
    let mut places = Vec::new();
    for heading in &backup.manifest.tables {
        places.push(loading.begin_table(&heading.table, &heading.columns)?);
    }
    let (sender, mut pages) = mpsc::channel(WAITING);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            backup.rows(&mut |place, rows| {
                let sent = sender.blocking_send((place, rows));
                sent.map_err(|_| anyhow::anyhow!("the rows could not be written"))
            })
        });
        let written: anyhow::Result<()> = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                while let Some((place, rows)) = pages.recv().await {
                    loading.write(places[place], rows).await?;
                }
                Ok(())
            })
        });
        drop(pages);
        // Why the reader stopped early is the failure of the writer.
        let read = reader
            .join()
            .map_err(|_| anyhow::anyhow!("the backup could not be read"))?;
        written.and(read)
    })
}

/// Deletes a database that this command created and could not fill.
fn remove_database(folder: &Path) {
    for name in [SQLITE_FILE, "gatewright.activity.db"] {
        for end in ["", "-wal", "-shm"] {
            // What cannot be deleted is an empty database.
            let _ = fs::remove_file(folder.join(format!("{name}{end}")));
        }
    }
}
