//! `gatewright config`.

use std::process::ExitCode;

use clap::Subcommand;
use gatewright_core::descriptors::{self, Fit};

use crate::{
    config::{self, ConfigSource, example, master_key},
    fetch::Fetch,
};

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what is wrong with the configuration, or print the values in effect, without secrets.
    Check,
    /// Print a documented example with every key.
    Example,
}

pub(super) fn run(command: &Command, source: &ConfigSource) -> anyhow::Result<ExitCode> {
    match command {
        Command::Example => print!("{}", example::example()),
        Command::Check => {
            let config = config::load(source)?;
            // The files it names must be good too.
            master_key::configured(&config)?;
            Fetch::new(&config)?;
            descriptors::raise();
            let fit = Fit::here(&config);
            fit.check()?;
            if let Some(warning) = fit.warning() {
                eprintln!("warning, for a service under the limits of this shell: {warning}");
            }
            match &source.file {
                Some(path) => println!("# {} and the environment are good. In effect:", path.display()),
                None => println!("# There is no file; the environment is good. In effect:"),
            }
            print!("{}", example::effective(&config));
        }
    }
    Ok(ExitCode::SUCCESS)
}
