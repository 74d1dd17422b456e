//! `gatewright demo`: the gateway between a demo identity provider and a demo MCP server, all on loopback in one process, and the
//! main job walked step by step for everybody to see.
//!
//! The provider signs anyone in. It exists only here: `serve` has no way to start it.

mod browser;
mod connect;
mod door;
mod folder;
mod objects;
mod ports;
mod screen;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use anyhow::Context as _;
use clap::Args;
use gatewright_demo::{
    provider::{Client, Provider},
    server::{AssertionRules, DemoServer},
    walk,
};
use gatewright_domain::{clock::SystemClock, entropy::SystemEntropy};
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

use gatewright_admin::Admin;

use crate::{
    config::{AdministratorsConfig, Config, DatabaseConfig, LogConfig, ServerConfig},
    serve,
};

use door::{Door, Links};
use folder::{Folder, Kept, Ports};
use objects::{CLIENT_ID, Neighbours, Objects};
use screen::{Detail, Screen};

/// How long a stop waits for requests: a person who presses Ctrl-C at a demo wants it to stop.
const SHUTDOWN_GRACE_SECONDS: u32 = 2;
/// What the sign-in page says to a person who has signed out, or comes with a bookmark.
const SIGN_IN_HINT: &str =
    "This is the demo. It needs no password: open the link to the dashboard that it printed in its terminal.";

/// What `gatewright demo` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArguments {
    /// End after the walk, with status 0 when it succeeded and 1 when it did not.
    #[arg(long)]
    pub once: bool,
    /// Do not open a browser on the dashboard. None is opened anyway in CI, over SSH, or without a terminal or desktop.
    #[arg(long)]
    pub no_open: bool,
    /// The gateway's port on 127.0.0.1. Without it 8930, or a free one when that is taken.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Where the demo keeps its data. Without it, a folder among the system's temporary files.
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// The identity provider's port on 127.0.0.1. Without it 8931, or a free one when that is taken.
    #[arg(long, value_name = "PORT")]
    pub provider_port: Option<u16>,
    /// The MCP server's port on 127.0.0.1. Without it 8932, or a free one when that is taken.
    #[arg(long, value_name = "PORT")]
    pub server_port: Option<u16>,
    /// Show what each step learned, and how to connect every client; twice, log requests; three times, log more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl DemoArguments {
    /// How much is logged: only what deserves attention, unless more is asked for.
    pub(crate) fn log(&self) -> LogConfig {
        let level = match self.verbose {
            0 | 1 => "warn",
            // The demo server logs every call; the gateway is what people want to watch.
            2 => "info,rmcp=warn",
            _ => "debug",
        };
        LogConfig {
            level: level.to_owned(),
            ..LogConfig::default()
        }
    }

    fn detail(&self) -> Detail {
        if self.verbose == 0 {
            Detail::Brief
        } else {
            Detail::Full
        }
    }
}

/// Runs the demo until it is interrupted, or until the walk has finished.
pub(crate) async fn run(arguments: &DemoArguments) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::stdout(arguments.detail());
    let demo = Demo::start(arguments).await?;
    tokio::spawn(serve::watch_signals(
        Arc::clone(&demo.app),
        serve::hangups()?,
        || {},
    ));
    demo.introduce(&mut screen);
    tokio::select! {
        walked = demo.walk(&mut screen) => {
            if arguments.once {
                demo.stop().await?;
                return Ok(if walked { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
        }
        () = demo.app.shutdown.cancelled() => {
            demo.stop().await?;
            return Ok(ExitCode::FAILURE);
        }
    }
    connect::print(
        &mut screen,
        demo.app.config.public_url(),
        demo.gateway.as_str(),
        &demo.objects,
        &demo.links,
    );
    if !arguments.no_open && browser::open(&demo.links.opened) {
        screen.say("Your browser opens on the dashboard.");
    }
    demo.serve_until_interrupted().await?;
    screen.say("Stopped. When you start it again, it continues with the same data.");
    Ok(ExitCode::SUCCESS)
}

/// The running demo.
struct Demo {
    app: Arc<Admin>,
    gateway: Url,
    issuer: String,
    server_url: String,
    objects: Objects,
    links: Links,
    folder: Folder,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Demo {
    async fn start(arguments: &DemoArguments) -> anyhow::Result<Self> {
        let mut folder = match &arguments.data_dir {
            Some(path) => Folder::open(path)?,
            None => Folder::open_temporary()?,
        };
        let Kept { ports, .. } = folder.kept;
        let gateway = ports::listen(arguments.port, ports.gateway, "--port").await?;
        let provider = ports::listen(arguments.provider_port, ports.provider, "--provider-port").await?;
        let server = ports::listen(arguments.server_port, ports.server, "--server-port").await?;
        folder.kept.ports = Ports {
            gateway: gateway.local_addr()?.port(),
            provider: provider.local_addr()?.port(),
            server: server.local_addr()?.port(),
        };
        Self::assemble(arguments, folder, gateway, provider, server).await
    }

    async fn assemble(
        arguments: &DemoArguments,
        mut folder: Folder,
        gateway: TcpListener,
        provider_listener: TcpListener,
        server_listener: TcpListener,
    ) -> anyhow::Result<Self> {
        let config = configuration(arguments, &folder, &gateway)?;
        let app = Admin::build(config, Arc::new(SystemClock), Arc::new(SystemEntropy))
            .await
            .with_context(|| {
                format!(
                    "the demo cannot continue with the data in {}: remove that folder, or name another with --data-dir",
                    folder.path().display()
                )
            })?;
        let provider = Provider::on(
            &provider_listener,
            Client {
                id: CLIENT_ID.to_owned(),
                secret: folder.kept.client_secret.clone(),
                redirect_uri: app.config.callback_url(),
            },
        )?;
        let owned = objects::own(&app)
            .await
            .context("The demo's project could not be set up. A new --data-dir starts afresh.")?;
        let jwks_url = format!("{}/.well-known/jwks.json", app.config.public_url());
        let rules = AssertionRules {
            jwks_url: Url::parse(&jwks_url).context("The gateway's public URL is not a URL.")?,
            issuer: app.config.public_url().to_owned(),
            project: owned.project.to_string(),
            audience: None,
        };
        let server = DemoServer::on(&server_listener, Some(rules))?;
        let (issuer, server_url) = (provider.issuer().to_owned(), server.url().to_owned());

        let mut tasks = JoinSet::new();
        let (provider_stop, server_stop) = (app.shutdown.clone(), app.shutdown.clone());
        tasks.spawn(async move { Ok(provider.serve(provider_listener, provider_stop).await?) });
        tasks.spawn(async move { Ok(server.serve(server_listener, server_stop).await?) });
        let neighbours = Neighbours {
            issuer: &issuer,
            client_secret: &folder.kept.client_secret,
            server_url: &server_url,
            api_key: folder.kept.api_key.as_deref(),
        };
        let objects = objects::prepare(&app, owned, &neighbours)
            .await
            .context("The demo's project could not be set up. A new --data-dir starts afresh.")?;
        folder.kept.api_key = Some(objects.api_key.clone());
        folder.save()?;
        let (door, links) = Door::new(&app, objects.account, objects.project);
        tasks.spawn(serve::run_with(Arc::clone(&app), gateway, door::routes(door)));
        let gateway = Url::parse(&app.config.gateway_url(&objects.gateway.slug))?;
        Ok(Self {
            app,
            gateway,
            issuer,
            server_url,
            objects,
            links,
            folder,
            tasks,
        })
    }

    fn introduce<W: std::io::Write>(&self, screen: &mut Screen<W>) {
        screen.heading("Gatewright demo");
        screen.fact("gateway", self.gateway.as_str());
        screen.fact(
            "identity provider",
            &format!("{} (in place of yours)", self.issuer),
        );
        screen.fact("MCP server", &self.server_url);
        screen.fact("dashboard", &self.links.printed);
        screen.fact("data", &self.folder.path().display().to_string());
    }

    /// Walks, and says whether it went well.
    async fn walk<W: std::io::Write>(&self, screen: &mut Screen<W>) -> bool {
        let started = Instant::now();
        match walk::walk(&self.gateway, |step| screen.step(&step)).await {
            Ok(()) => {
                screen.arrived(started.elapsed());
                true
            }
            Err(problem) => {
                screen.failed(&problem);
                false
            }
        }
    }

    async fn serve_until_interrupted(mut self) -> anyhow::Result<()> {
        tokio::select! {
            () = self.app.shutdown.cancelled() => {}
            Some(ended) = self.tasks.join_next() => ended??,
        }
        self.stop().await
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.app.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

fn configuration(
    arguments: &DemoArguments,
    folder: &Folder,
    listener: &TcpListener,
) -> anyhow::Result<Config> {
    let listen = listener.local_addr()?;
    Ok(Config {
        server: ServerConfig {
            listen,
            public_url: format!("http://{listen}"),
            // There is no load balancer in front of it.
            drain_seconds: 0,
            shutdown_grace_seconds: SHUTDOWN_GRACE_SECONDS,
            ..ServerConfig::default()
        },
        database: DatabaseConfig {
            data_dir: folder.path().to_owned(),
            ..DatabaseConfig::default()
        },
        administrators: AdministratorsConfig {
            hint: Some(SIGN_IN_HINT),
            ..AdministratorsConfig::default()
        },
        log: arguments.log(),
        ..Config::default()
    })
}

#[cfg(test)]
mod tests;
