//! `gatewright admin`.

use std::{io::BufRead as _, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use gatewright_domain::{api_key::KeyRole, secret::Secret};

use gatewright_admin::Admin;

use crate::{
    config::Config,
    operator::{
        instance, password_reset,
        setup::{self, NewInstance},
    },
};

/// Tasks for an operator with a shell on this machine.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create the first instance key and print it, once; with --email, also create the first account and its project.
    Init {
        /// The address that the first account signs in with. The account administers the instance and owns the project.
        #[arg(long)]
        email: Option<String>,
        /// The name of the account. The default is the part of the address before the @.
        #[arg(long, requires = "email", default_value = "")]
        name: String,
        /// The name of its project.
        #[arg(long, requires = "email", default_value = "Default project")]
        project: String,
        /// Read the password from the first line of standard input. Without this option, a link to set one is printed.
        #[arg(long, requires = "email")]
        password_stdin: bool,
    },
    /// Create another instance key, if the first one was lost.
    NewKey {
        /// The name of the key in lists and audit events.
        #[arg(long, default_value = "Instance key from the command line")]
        name: String,
    },
    /// Create a key for a project, if its last owner key was lost.
    CreateKey {
        /// The project, by ID or name.
        #[arg(long)]
        project: String,
        /// The role of the key: `viewer`, `admin` or `owner`.
        #[arg(long, default_value = "owner", value_parser = parse_role)]
        role: KeyRole,
        /// The name of the key in lists and audit events.
        #[arg(long, default_value = "Key from the command line")]
        name: String,
    },
    /// Print a link to set a new password, for a person who is locked out. The link works once and expires after an hour. It
    /// also enables a disabled account.
    ResetPassword {
        /// The address of the account.
        #[arg(long)]
        email: String,
        /// Make the account an administrator of the instance, for when no administrator is left. If its address was not
        /// proven, its current password stops working immediately.
        #[arg(long)]
        instance_admin: bool,
    },
}

fn parse_role(text: &str) -> Result<KeyRole, String> {
    let roles = [KeyRole::Viewer, KeyRole::Admin, KeyRole::Owner];
    let role = roles.into_iter().find(|role| role.as_str() == text);
    role.ok_or_else(|| "enter viewer, admin or owner".to_owned())
}

/// Which instance a command works on: two instances on one machine are easily confused.
pub(super) fn place(file: Option<&Path>, config: &Config) -> String {
    let file = file.map_or_else(
        || "no file (only the environment and the defaults)".to_owned(),
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
    let done = match command {
        Command::Init {
            email: None,
            name: _,
            project: _,
            password_stdin: _,
        } => key(&app, instance::init(&app).await?),
        Command::Init {
            email: Some(email),
            name,
            project,
            password_stdin,
        } => {
            let new = NewInstance {
                email: email.clone(),
                name: name.clone(),
                password: password_stdin.then(read_password).transpose()?,
                project: project.clone(),
            };
            init(&app, new).await?
        }
        Command::NewKey { name } => key(&app, Some(instance::new_key(&app, name).await?)),
        Command::CreateKey { project, role, name } => {
            let key = instance::new_project_key(&app, project, *role, name).await?;
            eprintln!(
                "This is the only time the key is shown. It has the role `{}` in the project:",
                role.as_str()
            );
            println!("{}", key.expose());
            ExitCode::SUCCESS
        }
        Command::ResetPassword {
            email,
            instance_admin,
        } => reset(&app, email, *instance_admin).await?,
    };
    app.core().store.close().await;
    Ok(done)
}

async fn init(app: &Admin, new: NewInstance) -> anyhow::Result<ExitCode> {
    let needs_password = new.password.is_none();
    let Some(made) = setup::by_operator(app, new).await? else {
        eprintln!(
            "This instance already has its first account, so no other was created. If no one can sign in, run: gatewright \
             admin reset-password --email <address>"
        );
        return Ok(ExitCode::FAILURE);
    };
    let email = made.account.email.as_str();
    eprintln!("The account {email} was created. It administers the instance and owns its first project.");
    if needs_password && let Some(link) = password_reset::offer(app, email, false).await? {
        eprintln!("Set its password here. The link expires in an hour:\n\n  {link}\n");
    }
    match instance::init(app).await? {
        Some(text) => Ok(key(app, Some(text))),
        None => Ok(ExitCode::SUCCESS),
    }
}

async fn reset(app: &Admin, email: &str, instance_admin: bool) -> anyhow::Result<ExitCode> {
    let Some(offer) = password_reset::offer_fully(app, email, instance_admin).await? else {
        bail!(
            "there is no account with the address {email}. Create the first account with `gatewright admin init --email`"
        );
    };
    if offer.forgot_password {
        eprintln!(
            "It was not proven that the account belongs to the owner of {email}. Its current password no longer works, and \
             its sessions have ended."
        );
    }
    eprintln!(
        "Anyone who opens this link can set a new password and sign in with it. The link works once and expires in an hour:"
    );
    println!("{}", offer.link);
    Ok(ExitCode::SUCCESS)
}

fn key(app: &Admin, made: Option<Secret>) -> ExitCode {
    let Some(key) = made else {
        eprintln!("{}", instance::ALREADY_INITIALISED);
        return ExitCode::FAILURE;
    };
    // Only the key goes to standard output, so that a script can read it.
    eprintln!("This is the only time the key is shown. It can create projects:");
    println!("{}", key.expose());
    eprintln!(
        "  curl -X POST {}/api/v1/projects -H 'Authorization: Bearer <key>' -H 'Content-Type: application/json' \\\n    -d '{{\"name\": \"My project\"}}'",
        app.config.public_url()
    );
    ExitCode::SUCCESS
}

fn read_password() -> anyhow::Result<Secret> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("the password could not be read from standard input")?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use gatewright_domain::member::Role;

    use gatewright_admin::testing::{TestAdmin, sign_in};

    use super::*;

    fn new(email: &str, password: Option<&str>) -> NewInstance {
        NewInstance {
            email: email.to_owned(),
            name: String::new(),
            password: password.map(Secret::new),
            project: "Acme".to_owned(),
        }
    }

    #[tokio::test]
    async fn init_makes_account_project_and_key_once() {
        let test = TestAdmin::new().await;
        let password = "violet harbour ninety";
        let done = init(&test.app, new("ada@example.com", Some(password)))
            .await
            .unwrap();
        assert_eq!(done, ExitCode::SUCCESS);
        assert!(
            instance::init(&test.app).await.unwrap().is_none(),
            "the key was created too"
        );
        let begun = sign_in(&test.app, "ada@example.com", password).await;
        let session = gatewright_core::account_sessions::find(&test.app, &begun.token)
            .await
            .unwrap()
            .unwrap();
        assert!(session.account.is_instance_admin);
        assert_eq!(session.memberships[0].role, Role::Owner);
        assert_eq!(session.memberships[0].project_name, "Acme");
        let again = init(&test.app, new("eve@example.com", Some(password)))
            .await
            .unwrap();
        assert_eq!(again, ExitCode::FAILURE);
        assert!(setup::offer(&test.app).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn init_without_a_password_leaves_a_link_to_set_one() {
        let test = TestAdmin::new().await;
        init(&test.app, new("ada@example.com", None)).await.unwrap();
        let reset = reset(&test.app, "ada@example.com", false).await.unwrap();
        assert_eq!(reset, ExitCode::SUCCESS);
        assert!(
            super::reset(&test.app, "nobody@example.com", false)
                .await
                .is_err()
        );
    }
}
