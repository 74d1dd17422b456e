//! The command line.

mod admin;
mod audit;
mod backup;
mod config;
mod declared;
mod doctor;
mod health;
mod init;
mod keys;
mod manual;
mod migrate;
mod moving;
mod restore;
mod serve;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use clap::{CommandFactory as _, Parser, Subcommand};
use gatewright_domain::{clock::SystemClock, entropy::SystemEntropy};

use gatewright_admin::Admin;

use crate::{
    config::{Config, ConfigSource, LogConfig},
    demo::{self, DemoArguments},
    telemetry::logging::{self, LogGuard},
};

/// A self-hosted MCP gateway that sends every end user to your own identity provider.
#[derive(Debug, Parser)]
#[command(name = "gatewright", version = gatewright_core::version::with_commit(), arg_required_else_help = true)]
struct Cli {
    /// The configuration file. The default is the file named by GATEWRIGHT_CONFIG, or ./gatewright.toml if it exists.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Arguments),
    /// Write a configuration file from three answers, and check the identity provider.
    Init(init::Arguments),
    /// Try it out: gateway, identity provider and MCP server in one process, and a complete sign-in shown step by step.
    Demo(DemoArguments),
    /// Ask the process that serves with this configuration on this machine whether it is ready. Exit code 1: it is not.
    Health,
    /// Check the whole installation and say how to fix each failure.
    Doctor(doctor::Arguments),
    /// Bring the database up to date. `serve` also does this when it starts.
    Migrate(migrate::Arguments),
    /// Write the whole database into one file, while the instance runs.
    Backup(backup::Arguments),
    /// Restore a backup into an empty database.
    Restore(restore::Arguments),
    /// Move everything from SQLite to PostgreSQL. Everyone stays signed in.
    Move(moving::Arguments),
    /// Write projects as files: configuration as code. Secrets are never written.
    Export(declared::ExportArguments),
    /// Make projects what files declare: create, change and, with --prune, delete. Run again, it changes nothing.
    Apply(declared::ApplyArguments),
    /// Rotate master keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Check the configuration, or print an example.
    #[command(subcommand)]
    Config(config::Command),
    /// Create keys and accounts, and restore access.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Check the audit trail, write anchors of it, and erase personal data from it.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print what completes commands in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands into a folder.
    Man {
        /// The folder. It is created if it is missing.
        folder: Option<PathBuf>,
    },
}

/// Runs the command in the command line. Exit code 1: the command failed and printed why; 2: the command line is invalid.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let source = ConfigSource::of_process(cli.config);
    match cli.command {
        Command::Init(arguments) => runtime()?.block_on(init::run(arguments, source.file)),
        Command::Config(command) => config::run(&command, &source),
        Command::Demo(arguments) => {
            let _log = logging::init(&arguments.log());
            runtime()?.block_on(demo::run(&arguments))
        }
        Command::Serve(arguments) => {
            let mut source = source;
            let names_a_folder = arguments.names_a_folder();
            arguments.add_to(&mut source);
            let config = crate::config::load(&source)?;
            if names_a_folder && config.is_postgres() {
                bail!(
                    "--data-dir has no effect, because the data is in PostgreSQL (database.url). Leave one of them out"
                );
            }
            let log = logging::init_with(&config.log, &config.otlp);
            runtime()?.block_on(serve::run(config, &source, &log))
        }
        Command::Health => health::run(&crate::config::load(&source)?),
        Command::Completions { shell } => manual::completions(Cli::command(), shell),
        Command::Man { folder } => manual::pages(Cli::command(), folder.as_deref()),
        Command::Doctor(arguments) => {
            let (config, _log) = load_for_tool(&source)?;
            doctor::run(&arguments, config)
        }
        Command::Backup(arguments) => {
            let (config, _log) = load_for_tool(&source)?;
            runtime()?.block_on(backup::run(&arguments, &config))
        }
        Command::Restore(arguments) => {
            let (config, _log) = load_for_tool(&source)?;
            runtime()?.block_on(restore::run(&arguments, &config))
        }
        Command::Move(arguments) => {
            let (config, _log) = load_for_tool(&source)?;
            runtime()?.block_on(moving::run(&arguments, &config))
        }
        Command::Export(arguments) => {
            let (config, _log) = load_for_tool(&source)?;
            runtime()?.block_on(declared::export(&arguments, config))
        }
        Command::Apply(arguments) if arguments.wants_schema() => Ok(declared::print_schema()),
        Command::Apply(arguments) => {
            let (config, _log) = load_for_tool(&source)?;
            let place = admin::place(source.file.as_deref(), &config);
            runtime()?.block_on(declared::apply(&arguments, config, &place))
        }
        Command::Migrate(arguments) => {
            let (config, _log) = load_for_tool(&source)?;
            runtime()?.block_on(migrate::run(&arguments, &config))
        }
        Command::Keys(command) => {
            let (config, _log) = load_for_tool(&source)?;
            runtime()?.block_on(keys::run(&command, &config))
        }
        Command::Audit(command) => {
            let (config, _log) = load_for_tool(&source)?;
            runtime()?.block_on(audit::run(&command, config))
        }
        Command::Admin(command) => {
            let (config, _log) = load_for_tool(&source)?;
            eprintln!("{}", admin::place(source.file.as_deref(), &config));
            runtime()?.block_on(admin::run(&command, config))
        }
    }
}

/// Loads the configuration for a command that a person runs: only warnings and errors are logged.
fn load_for_tool(source: &ConfigSource) -> anyhow::Result<(Config, LogGuard)> {
    let config = crate::config::load(source)?;
    let log = logging::init(&LogConfig {
        level: "warn".to_owned(),
        ..config.log.clone()
    });
    Ok((config, log))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the process could not start its threads")
}

async fn build(config: Config) -> anyhow::Result<Arc<Admin>> {
    Admin::build(config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_says_what_it_does() {
        fn visit(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .for_each(visit);
        }
        let command = Cli::command();
        command.clone().debug_assert();
        visit(&command);
    }
}
