//! `gatewright admin`.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use gatewright_domain::api_key::KeyRole;

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
    /// Make a key of a project, for when its last owner key was lost.
    CreateKey {
        /// The project, by id or by name.
        #[arg(long)]
        project: String,
        /// What the key opens: `viewer`, `admin` or `owner`.
        #[arg(long, default_value = "owner", value_parser = parse_role)]
        role: KeyRole,
        /// What to call it in lists and audit events.
        #[arg(long, default_value = "Key from the command line")]
        name: String,
    },
}

fn parse_role(text: &str) -> Result<KeyRole, String> {
    let roles = [KeyRole::Viewer, KeyRole::Admin, KeyRole::Owner];
    let role = roles.into_iter().find(|role| role.as_str() == text);
    role.ok_or_else(|| "type viewer, admin or owner".to_owned())
}

/// Which instance a command is about: two on one machine are easily taken for each other.
pub(super) fn place(file: Option<&Path>, config: &Config) -> String {
    let file = file.map_or_else(
        || "no file (only the environment and what is built in)".to_owned(),
        |file| file.display().to_string(),
    );
    let data = if config.is_postgres() {
        "PostgreSQL (database.url)".to_owned()
    } else {
        format!("SQLite in {}", config.database.data_dir.display())
    };
    format!("Configuration: {file}. Data: {data}.")
}

pub(super) async fn run(command: &Command, config: Config) -> anyhow::Result<ExitCode> {
    let app = super::build(config).await?;
    let made = match command {
        Command::Init => instance::init(&app).await?,
        Command::NewKey { name } => Some(instance::new_key(&app, name).await?),
        Command::CreateKey { project, role, name } => {
            let made = instance::new_project_key(&app, project, *role, name).await;
            app.store.close().await;
            let key = made?;
            eprintln!(
                "This is the only time the key is shown. It opens the project with the role `{}`:",
                role.as_str()
            );
            println!("{}", key.expose());
            return Ok(ExitCode::SUCCESS);
        }
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
