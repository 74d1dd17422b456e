//! `gatewright admin`.

use std::process::ExitCode;

use clap::Subcommand;

use crate::{config::Config, service::instance};

/// What somebody with a shell on this machine can do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the first instance key and print it, once.
    Init,
    /// Make another instance key, for when the first was lost.
    NewKey {
        /// What to call it in lists and audit events.
        #[arg(long, default_value = "Instance key from the command line")]
        name: String,
    },
}

pub(super) async fn run(command: &Command, config: Config) -> anyhow::Result<ExitCode> {
    let app = super::build(config).await?;
    let made = match command {
        Command::Init => instance::init(&app).await?,
        Command::NewKey { name } => Some(instance::new_key(&app, name).await?),
    };
    app.store.close().await;
    let Some(key) = made else {
        eprintln!("{}", instance::ALREADY_INITIALISED);
        return Ok(ExitCode::FAILURE);
    };
    // The key alone on standard output, so that a script can take it.
    eprintln!("This is the only time the key is shown. It creates projects:");
    println!("{}", key.expose());
    eprintln!(
        "  curl -X POST {}/api/v1/projects -H 'Authorization: Bearer <key>' -H 'Content-Type: application/json' \\\n    -d '{{\"name\": \"My project\"}}'",
        app.config.public_url()
    );
    Ok(ExitCode::SUCCESS)
}
