//! `gatewright init`: writes a configuration file from three answers, and checks the identity provider.

mod answers;
mod provider;
mod questions;

use std::{
    fmt::Write as _,
    fs,
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use gatewright_domain::{
    entropy::{self, SystemEntropy},
    sealed::MasterKey,
};

use crate::config::{self, Config, ConfigSource, example, master_key};
use answers::{Answers, Database};
use questions::Questions;

/// Where a configuration is looked for.
const DEFAULT_FILE: &str = "gatewright.toml";

/// The three answers. On a terminal, `init` asks for those that are missing; otherwise it uses the defaults.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The URL under which clients and browsers will reach the instance. Default: http://127.0.0.1:8080.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where the data will be: a folder for SQLite, or a postgres:// URL. Default: gatewright-data in this folder. Other users of this
    /// machine can see what is on a command line, so enter a URL with a password as an answer.
    #[arg(long, value_name = "FOLDER|URL")]
    database: Option<String>,
    /// The issuer URL of the identity provider where users will sign in. Default: none; the dashboard asks for it later.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(arguments: Arguments, file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let path = file.unwrap_or_else(|| DEFAULT_FILE.into());
    if path.exists() && !arguments.force {
        bail!(
            "{} exists. Name another file with --config, or replace this one with --force",
            path.display()
        );
    }
    let mut questions = io::stdin()
        .is_terminal()
        .then(|| Questions::new(io::stdin().lock(), io::stderr()));
    let public_url = answers::public_url(arguments.public_url, questions.as_mut())?;
    let database = answers::database(arguments.database, questions.as_mut())?;
    let issuer = provider::issuer(arguments.issuer, questions.as_mut(), &public_url).await?;
    drop(questions);
    let answers = Answers {
        public_url,
        database,
        issuer,
    };
    let is_new = !path.exists();
    let config = write(&path, &answers)?;
    print!("{}", next_steps(&path, is_new, &answers, &config));
    Ok(ExitCode::SUCCESS)
}

/// Writes the file, and the master key that PostgreSQL needs beside it. The file appears whole, and only if it can be loaded.
fn write(path: &Path, answers: &Answers) -> anyhow::Result<Config> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = std::path::absolute(folder)?;
    let mut settings = answers.settings();
    if let Database::Postgres(_) = answers.database {
        let key = folder.join(master_key::GENERATED_FILE);
        if key.exists() {
            eprintln!(
                "{} exists, and is the master key of the configuration.",
                key.display()
            );
        }
        master_key::install(&folder, &MasterKey::generate(&SystemEntropy), &SystemEntropy)?;
        settings.push(answers::key_setting(&key));
    }
    let text = example::starter(&answers.about(), &settings);
    let name = format!(".gatewright-{}.toml", entropy::token(&SystemEntropy));
    let aside = folder.join(name);
    let written = create(&aside, &text)
        .with_context(|| {
            format!(
                "{} cannot be written. Choose another folder with --config",
                path.display()
            )
        })
        .and_then(|()| {
            let source = ConfigSource {
                file: Some(aside.clone()),
                ..ConfigSource::default()
            };
            let config = config::load(&source)?;
            replace(path, &aside).with_context(|| {
                format!(
                    "{} cannot be replaced. Run this as the user it belongs to",
                    path.display()
                )
            })?;
            Ok(config)
        });
    if written.is_err() {
        // It cannot be used, and the error says why.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Only the owner can read the file: it may contain the password of the database. Its name is new, so nothing of another user is
/// written to.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Puts a file in the place of another, which keeps its owner and permissions: a service may read it as another user.
fn replace(path: &Path, by: &Path) -> io::Result<()> {
    if let Ok(before) = fs::metadata(path) {
        std::os::unix::fs::chown(by, Some(before.uid()), Some(before.gid()))?;
        fs::set_permissions(by, before.permissions())?;
    }
    fs::rename(by, path)
}

fn next_steps(path: &Path, is_new: bool, answers: &Answers, config: &Config) -> String {
    let is_default = path == Path::new(DEFAULT_FILE);
    let named = if is_default {
        String::new()
    } else {
        format!(" --config {}", path.display())
    };
    let mut text = format!(
        "\nWrote {}. {}\n\nNext:\n\n  gatewright{named} serve\n\n\
         It prints a link to create the first account, if there is none yet.\n",
        path.display(),
        if is_new {
            "Only you can read it."
        } else {
            "It has the owner and the permissions that the file before had."
        }
    );
    if let Some(proxy) = answers.proxy() {
        let _ = writeln!(text, "\n{proxy}");
    }
    let register = format!("register this redirect URL:\n\n  {}\n", config.callback_url());
    let _ = match &answers.issuer {
        Some(issuer) => writeln!(
            text,
            "\nAt {issuer}, {register}\nThen create a User Source with this issuer in the dashboard."
        ),
        None => write!(text, "\nAt your identity provider, {register}"),
    };
    text
}

#[cfg(test)]
mod tests;
