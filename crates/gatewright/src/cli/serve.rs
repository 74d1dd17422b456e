//! `gatewright serve`.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use gatewright_core::{
    acme,
    descriptors::{self, Fit},
    name_full_disk, tls,
};
use tokio::net::TcpListener;

use gatewright_admin::Admin;

use crate::{
    config::{self, Argument, Config, ConfigSource, LogConfig},
    operator::{ServiceError, setup},
    serve::{
        self,
        presence::{self, Presence},
    },
    telemetry::logging::{LogGuard, LogLevel},
};

/// Settings that are often changed for one start. They take precedence over the configuration file and the environment.
#[derive(Debug, Default, Args)]
pub(super) struct Arguments {
    /// The address and port to listen on, instead of server.listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The URL under which clients and browsers reach this instance, instead of server.public_url.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The folder of the SQLite file and of the generated master key, instead of database.data_dir.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl Arguments {
    /// Whether they say where the data of SQLite is.
    pub(super) const fn names_a_folder(&self) -> bool {
        self.data_dir.is_some()
    }

    /// Adds these settings to where the configuration comes from.
    pub(super) fn add_to(self, source: &mut ConfigSource) {
        let data_dir = self.data_dir.map(|folder| folder.to_string_lossy().into_owned());
        let settings = [
            ("--listen", "server", "listen", self.listen),
            ("--public-url", "server", "public_url", self.public_url),
            ("--data-dir", "database", "data_dir", data_dir),
        ];
        let given = settings.into_iter().filter_map(|(name, section, key, value)| {
            Some(Argument {
                name,
                section,
                key,
                value: value?,
            })
        });
        source.arguments.extend(given);
    }
}

/// Serves until it is asked to stop.
pub(super) async fn run(
    mut config: Config,
    source: &ConfigSource,
    log: &LogGuard,
) -> anyhow::Result<ExitCode> {
    let hangups = serve::hangups()?;
    descriptors::raise();
    let fit = Fit::here(&config);
    fit.check()?;
    if let Some(warning) = fit.warning() {
        tracing::warn!("{warning}");
    }
    let listen = config.server.listen;
    // This comes first, so that connections made while the database is opened wait instead of being refused.
    let listener = bind(listen, "--listen or server.listen").await?;
    let http = match config.tls.http_listen {
        Some(listen) => Some(bind(listen, "tls.http_listen").await?),
        None => None,
    };
    if config.server.is_public_url_assumed {
        // The system chooses the port if 0 is configured.
        config.server.assume_public_url(listener.local_addr()?);
    }
    let doubt = config.public_url_doubt();
    if let Some(doubt) = &doubt {
        tracing::warn!("{doubt}");
    }
    let app = super::build(config).await?;
    if let Some(events) = log.events() {
        app.otlp.take_logs_from(events);
    }
    tracing::info!(
        version = gatewright_core::version::with_commit(),
        listen = %listener.local_addr()?,
        tls = app.tls.source().map_or("off", tls::Source::as_str),
        public_url = app.config.public_url(),
        database = if app.config.is_postgres() { "postgresql" } else { "sqlite" },
        "serving"
    );
    tls::begin(&app.tls, &app.config.public_host(), app.now())?;
    present_ordered(&app).await;
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
        if let Some(doubt) = doubt {
            println!("The link may not work: {doubt}.\n");
        }
    }
    let reload = {
        let (app, source, level) = (Arc::clone(&app), source.clone(), log.level());
        move || {
            app.tls.ask_reload();
            reload(&app.config, &source, &level);
        }
    };
    let signals = tokio::spawn(serve::watch_signals(Arc::clone(&app), hangups, reload));
    serve::run(Arc::clone(&app), listener, http).await?;
    signals.abort();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Presents the certificate that was ordered before, so that the first handshakes after a restart succeed. If it cannot be read now, it
/// is soon tried again.
async fn present_ordered(app: &Admin) {
    if !app.config.acme.is_on() {
        return;
    }
    let mut followed = acme::Followed::default();
    if let Err(error) = followed.follow(&app.core()).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "which certificate was ordered cannot be read; it is tried again"
        );
    }
}

/// Listens on an address that is configured with `setting`.
async fn bind(listen: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {listen}: {}", refusal(&error, listen, setting)))
}

/// Why the system refuses to listen on an address, and what to do.
fn refusal(error: &io::Error, listen: SocketAddr, setting: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program uses the port. Stop it, or choose another port with {setting}")
        }
        io::ErrorKind::PermissionDenied if listen.port() < 1024 => format!(
            "only root may use port {}. Choose a port from 1024 on, or grant the service the capability \
             CAP_NET_BIND_SERVICE",
            listen.port()
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "this machine has no address {}. Choose one that it has, or 0.0.0.0 for all, with {setting}",
            listen.ip()
        ),
        _ => format!("{error}. Choose another address with {setting}"),
    }
}

/// Reloads the configuration on SIGHUP. Only the log level takes effect; the log says if other changes need a restart. The
/// files of the certificate are read again beside it. A configuration that cannot be read changes nothing.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_command_line_take_precedence_and_are_named_in_errors() {
        let arguments = |listen: &str| Arguments {
            listen: Some(listen.to_owned()),
            data_dir: Some("here".into()),
            ..Arguments::default()
        };
        let mut source = ConfigSource::default();
        let variable = ("GATEWRIGHT__SERVER__LISTEN", "127.0.0.1:1");
        source
            .variables
            .insert(variable.0.to_owned(), variable.1.to_owned());
        let mut wrong = source.clone();
        arguments("127.0.0.1:9000").add_to(&mut source);
        let config = config::load(&source).unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:9000");
        assert_eq!(config.public_url(), "http://127.0.0.1:9000");
        assert_eq!(config.database.data_dir.to_string_lossy(), "here");
        arguments("9000").add_to(&mut wrong);
        let error = config::load(&wrong).unwrap_err().to_string();
        assert!(
            error.contains("--listen: server.listen cannot be used"),
            "{error}"
        );
        assert!(error.contains("Write it like \"127.0.0.1:8080\""), "{error}");
    }

    #[test]
    fn a_refusal_to_listen_names_the_cause() {
        let cases = [
            (
                io::ErrorKind::AddrInUse,
                "127.0.0.1:8080",
                "another program uses the port",
            ),
            (
                io::ErrorKind::PermissionDenied,
                "0.0.0.0:443",
                "only root may use port 443",
            ),
            (
                io::ErrorKind::AddrNotAvailable,
                "192.0.2.1:8080",
                "no address 192.0.2.1",
            ),
            (
                io::ErrorKind::PermissionDenied,
                "0.0.0.0:8443",
                "permission denied",
            ),
        ];
        for (kind, listen, reason) in cases {
            let text = refusal(&kind.into(), listen.parse().unwrap(), "server.listen");
            assert!(text.contains(reason), "{text}");
        }
    }
}
