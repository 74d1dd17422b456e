//! `cargo xtask test`: runs everything.

use clap::Args;

use crate::{
    end_to_end, faults,
    postgres::Postgres,
    shell::{self, cargo},
};

/// What to leave out.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the Rust tests, on both stores.
    #[arg(long)]
    rust_only: bool,
    /// Only the end-to-end suite and the short faults, or only the tests whose names match.
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, default_missing_value = "")]
    end_to_end: Option<String>,
    /// Replace the pictures in the user guide with those of this run.
    #[arg(long)]
    keep_pictures: bool,
}

fn rust(postgres: &Postgres) -> anyhow::Result<()> {
    shell::run(
        cargo(&["test", "--workspace", "--all-features"])
            .env("GATEWRIGHT_TEST_POSTGRES", postgres.url())
            .env("GATEWRIGHT_TEST_POSTGRES_REQUIRED", "1"),
    )
}

/// Runs the tests that the options ask for; the first failure stops it.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let postgres = Postgres::start()?;
    if options.end_to_end.is_none() {
        rust(&postgres)?;
    }
    if !options.rust_only {
        let pattern = options.end_to_end.as_deref().unwrap_or_default();
        end_to_end::run(&postgres, pattern, options.keep_pictures)?;
        if pattern.is_empty() {
            faults::short(&postgres)?;
        }
    }
    Ok(())
}
