//! `cargo xtask lint`: what a reviewer should not have to point out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    house, install,
    shell::{self, cargo, command, target},
};

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// Checks to leave out.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the project's own rules, which take a moment.
    #[arg(long)]
    house_only: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if options.house_only {
        return house::check();
    }
    shell::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    shell::run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))?;
    // What is built for users: without features, nothing may rest on the helpers of tests.
    shell::run(&mut cargo(&["check", "-p", "gatewright"]))?;
    install::cargo_tool("cargo-deny", CARGO_DENY)?;
    let deny = target().join("tools/bin/cargo-deny");
    shell::run(&mut command(&deny, &["check", "bans", "licenses", "sources"]))?;
    advisories(&deny)?;
    house::check()
}

/// Checks the dependencies against the current RustSec advisories, or else against those fetched last. If there
/// are none, as on a machine that has never fetched them, it says so and checks nothing.
fn advisories(deny: &Path) -> anyhow::Result<()> {
    let is_fetched = command(deny, &["fetch", "db"]).status()?.success();
    if is_fetched {
        return shell::run(&mut command(deny, &["--offline", "check", "advisories"]));
    }
    if is_fetched_before() {
        println!("advisories: could not fetch them now, so checking against those fetched last");
        return shell::run(&mut command(deny, &["--offline", "check", "advisories"]));
    }
    println!(
        "advisories: NOT CHECKED, because the RustSec database could not be fetched and none is here. Run this once with a \
         network"
    );
    Ok(())
}

/// Whether cargo-deny has a database of advisories from an earlier run.
fn is_fetched_before() -> bool {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let folder = home.map(|home| home.join("advisory-dbs"));
    folder
        .and_then(|folder| fs::read_dir(folder).ok())
        // A fetch that failed may leave an empty folder; advisories are in one folder per crate.
        .is_some_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().join("crates").is_dir()))
        })
}
