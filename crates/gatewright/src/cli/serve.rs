//! `gatewright serve`.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use gatewright_core::{
    descriptors::{self, Fit},
    name_full_disk,
};
use tokio::net::TcpListener;

use crate::{
    config::{self, Config, ConfigSource, LogConfig},
    serve::{
        self,
        presence::{self, Presence},
    },
    service::{ServiceError, setup},
    telemetry::logging::{LogGuard, LogLevel},
};

/// Serves until told to stop.
pub(super) async fn run(config: Config, source: &ConfigSource, log: &LogGuard) -> anyhow::Result<ExitCode> {
    let hangups = serve::hangups()?;
    descriptors::raise();
    let fit = Fit::here(&config);
    fit.check()?;
    if let Some(warning) = fit.warning() {
        tracing::warn!("{warning}");
    }
    let listen = config.server.listen;
    // First of all: whoever connects while the database is opened waits for an answer instead of being refused.
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!(
            "{listen} cannot be listened on. Stop what uses the port, or set server.listen to another address"
        )
    })?;
    let app = super::build(config).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %listener.local_addr()?,
        public_url = app.config.public_url(),
        database = if app.config.is_postgres() { "postgresql" } else { "sqlite" },
        "serving"
    );
    let _presence = announce(&app.config);
    // On standard output, which the log does not use: who reads the log later must not find a way in.
    let link = match setup::offer(&app).await {
        Err(ServiceError::Store(error)) => return Err(name_full_disk(error, &app.config)),
        offered => offered?,
    };
    if let Some(link) = link {
        println!("This instance has no account yet. Make the first one here, within a day:\n\n  {link}\n");
    }
    let reload = {
        let (app, source, level) = (Arc::clone(&app), source.clone(), log.level());
        move || reload(&app.config, &source, &level)
    };
    let signals = tokio::spawn(serve::watch_signals(Arc::clone(&app), hangups, reload));
    serve::run(Arc::clone(&app), listener).await?;
    signals.abort();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Reads the configuration again, at SIGHUP. The level of the log is the one thing that takes effect; what else differs needs
/// a restart, and is said. A configuration that cannot be read changes nothing.
fn reload(running: &Config, source: &ConfigSource, level: &LogLevel) {
    let read = match config::load(source) {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "the configuration cannot be read and stays as it was"
            );
            return;
        }
    };
    level.set(&read.log.level);
    let all_but_the_level = |config: &Config| {
        let log = LogConfig {
            level: String::new(),
            ..config.log.clone()
        };
        let rest = Config {
            log,
            ..config.clone()
        };
        // Secrets are left out: whether one of them differs is not seen.
        serde_json::to_string(&rest).unwrap_or_default()
    };
    if all_but_the_level(running) == all_but_the_level(&read) {
        tracing::info!(level = read.log.level, "the level of the log was read again");
    } else {
        tracing::warn!(
            level = read.log.level,
            "the level of the log was read again; other changes of the configuration need a restart"
        );
    }
}

/// Warns when another process serves from the same SQLite database. Two at once are no fault in a restart that overlaps.
fn announce(config: &Config) -> Option<Presence> {
    if config.is_postgres() {
        return None;
    }
    let folder = &config.database.data_dir;
    match presence::announce(folder) {
        Ok(presence) => {
            if presence.has_company {
                tracing::warn!(
                    folder = %folder.display(),
                    "another process serves from this data folder. Stop one of them, unless it is about to stop by \
                     itself: on SQLite they wait for each other's writes, and each counts limits of its own. Replicas \
                     need PostgreSQL (database.url)"
                );
            }
            Some(presence)
        }
        // Some network file systems know no locks. Nothing depends on this one.
        Err(error) => {
            tracing::debug!(%error, "whether another process serves from the data folder is not known");
            None
        }
    }
}
