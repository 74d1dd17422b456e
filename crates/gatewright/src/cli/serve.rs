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
    operator::{ServiceError, setup},
    serve::{
        self,
        presence::{self, Presence},
    },
    telemetry::logging::{LogGuard, LogLevel},
};

/// Serves until it is asked to stop.
pub(super) async fn run(config: Config, source: &ConfigSource, log: &LogGuard) -> anyhow::Result<ExitCode> {
    let hangups = serve::hangups()?;
    descriptors::raise();
    let fit = Fit::here(&config);
    fit.check()?;
    if let Some(warning) = fit.warning() {
        tracing::warn!("{warning}");
    }
    let listen = config.server.listen;
    // This comes first, so that connections made while the database is opened wait instead of being refused.
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}. Stop the program that uses the port, or change server.listen")
    })?;
    let app = super::build(config).await?;
    if let Some(events) = log.events() {
        app.otlp.take_logs_from(events);
    }
    tracing::info!(
        version = gatewright_core::version::with_commit(),
        listen = %listener.local_addr()?,
        public_url = app.config.public_url(),
        database = if app.config.is_postgres() { "postgresql" } else { "sqlite" },
        "serving"
    );
    let _presence = announce(&app.config);
    // On standard output, which the log does not use, because readers of the log must not get access.
    let link = match setup::offer(&app).await {
        Err(ServiceError::Store(error)) => return Err(name_full_disk(error, &app.config)),
        offered => offered?,
    };
    if let Some(link) = link {
        println!(
            "This instance has no account yet. Create the first one here. The link expires in a day:\n\n  {link}\n"
        );
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

/// Reloads the configuration on SIGHUP. Only the log level takes effect; the log says if other changes need a restart. A
/// configuration that cannot be read changes nothing.
fn reload(running: &Config, source: &ConfigSource, level: &LogLevel) {
    let read = match config::load(source) {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "the configuration cannot be read, so the previous one remains in effect"
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
        // Secrets are not serialized, so a change of a secret goes unnoticed.
        serde_json::to_string(&rest).unwrap_or_default()
    };
    if all_but_the_level(running) == all_but_the_level(&read) {
        tracing::info!(level = read.log.level, "the level of the log was read again");
    } else {
        tracing::warn!(
            level = read.log.level,
            "the level of the log was read again; other changes to the configuration need a restart"
        );
    }
}

/// Warns if another process serves from the same SQLite database. In a restart, two processes may overlap.
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
                    "another process serves from this data folder. Stop one of them, unless it is already \
                     stopping: on SQLite, they wait for each other's writes, and each counts limits separately. Replicas \
                     need PostgreSQL (database.url)"
                );
            }
            Some(presence)
        }
        // Some network file systems do not support locks. Nothing depends on this lock.
        Err(error) => {
            tracing::debug!(%error, "cannot determine whether another process serves from the data folder");
            None
        }
    }
}
