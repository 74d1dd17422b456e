//! Developer commands: `cargo xtask <command>`.

mod bench;
mod conformance;
mod dist;
mod end_to_end;
mod faults;
mod fuzz;
mod house;
mod install;
mod lint;
mod postgres;
mod previous;
mod shell;
mod test;

use clap::{Parser, Subcommand};

/// Developer commands of Gatewright.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything: installs what the tests need, then unit, property, contract and end-to-end tests on both stores.
    Test(test::Options),
    /// Checks formatting, clippy, dependency rules, and the project's own rules.
    Lint(lint::Options),
    /// Runs the benchmarks, as ratios in one run.
    Bench(bench::Options),
    /// Causes kills, outages and other faults, and checks what is promised.
    Faults(faults::Options),
    /// Runs the official conformance suite for servers directly and through gateways, and writes docs/conformance.md.
    Conformance,
    /// Makes what is published for a version: archive, Debian package, container image, bill of materials and checksums.
    Dist(dist::Options),
    /// Fuzzes every parser of untrusted input.
    Fuzz(fuzz::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Lint(options) => lint::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Faults(options) => faults::run(&options),
        Command::Dist(options) => dist::run(&options),
        Command::Conformance => conformance::run(),
        Command::Fuzz(options) => fuzz::run(&options),
    }
}
