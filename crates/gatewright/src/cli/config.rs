//! `gatewright config`.

use std::process::ExitCode;

use clap::Subcommand;
use gatewright_core::{
    descriptors::{self, Fit},
    tls::{Pair, Source},
};
use gatewright_domain::{Clock as _, clock::SystemClock};

use crate::{
    config::{self, ConfigSource, example, master_key},
    fetch::Fetch,
};

/// Tasks with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report what is wrong with the configuration, or print the values in effect, without secrets.
    Check,
    /// Print a documented example with every key.
    Example,
}

pub(super) fn run(command: &Command, source: &ConfigSource) -> anyhow::Result<ExitCode> {
    match command {
        Command::Example => print!("{}", example::example()),
        Command::Check => {
            let config = config::load(source)?;
            // The files it names must be valid too.
            master_key::configured(&config)?;
            Fetch::new(&config)?;
            if let Some(Source::Files(files)) = Source::of(&config) {
                for warning in Pair::read(&files)?.warnings(&config.public_host(), SystemClock.now()) {
                    eprintln!("warning: {warning}");
                }
            }
            descriptors::raise();
            let fit = Fit::here(&config);
            fit.check()?;
            if let Some(warning) = fit.warning() {
                eprintln!("warning (a service may have other limits than this shell): {warning}");
            }
            if let Some(doubt) = config.public_url_doubt() {
                eprintln!("warning: {doubt}");
            }
            match &source.file {
                Some(path) => println!(
                    "# {} and the environment are valid. Values in effect:",
                    path.display()
                ),
                None => println!("# No configuration file; the environment is valid. Values in effect:"),
            }
            print!("{}", example::effective(&config));
        }
    }
    Ok(ExitCode::SUCCESS)
}
