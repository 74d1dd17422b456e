//! Developer commands: `cargo xtask <command>`.

mod bench;
mod end_to_end;
mod faults;
mod fuzz;
mod house;
mod install;
mod lint;
mod postgres;
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
    /// Everything: installs what the tests need, then unit, property, contract and end-to-end tests on both stores.
    Test(test::Options),
    /// Formatting, clippy, dependency rules, and the rules of the house.
    Lint(lint::Options),
    /// The benchmarks, as ratios in one run.
    Bench(bench::Options),
    /// Kills, outages and other faults, and what became of what is promised.
    Faults(faults::Options),
    /// Every parser of hostile input under a fuzzer.
    Fuzz(fuzz::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Lint(options) => lint::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Faults(options) => faults::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
    }
}
