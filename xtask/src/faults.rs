//! `cargo xtask faults`: makes every fault there is a promise about, and prints what became of it.

use clap::{Args, ValueEnum};

use crate::{
    install,
    postgres::Postgres,
    shell::{self, cargo, command, root, target},
};

/// Which faults, and how many of each.
#[derive(Args)]
pub struct Options {
    /// One part alone; all of them, one after the other, without it.
    #[arg(long)]
    part: Option<Part>,
    /// Rounds of each fault, in place of its own number.
    #[arg(long)]
    rounds: Option<u32>,
    /// Minutes after which a fault begins no further round, in place of its own number.
    #[arg(long)]
    minutes: Option<f64>,
}

/// A part of the faults.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The process is killed in the middle of work, on both stores.
    Kills,
    /// One of two replicas is cut off from the database.
    Replicas,
    /// PostgreSQL is silent, read-only, or crashes.
    Database,
    /// The disk is full.
    Disk,
    /// No descriptor is left.
    Descriptors,
    /// The clock jumps.
    Clock,
    /// An identity provider or an MCP server goes silent.
    Peers,
    /// Rolling restarts, and a change of the master key.
    Rolling,
    /// Identity providers that lie, and such that change.
    Providers,
    /// MCP servers that answer badly.
    Servers,
    /// Work without a rest.
    Soak,
}

/// Builds the programs and makes the faults; fails when a promise was not kept.
pub fn run(options: &Options) -> anyhow::Result<()> {
    install::debian(&[
        ("openssl", &["openssl"]),
        ("nginx-light", &["/usr/sbin/nginx"]),
        ("sqlite3", &["sqlite3"]),
    ])?;
    install::node_packages()?;
    shell::run(&mut cargo(&[
        "build",
        "--package",
        "gatewright",
        "--package",
        "gatewright-demo",
        "--bins",
    ]))?;
    let mut arguments = Vec::new();
    let part = options.part.and_then(|part| part.to_possible_value());
    if let Some(part) = part {
        arguments.extend(["--part".to_owned(), part.get_name().to_owned()]);
    }
    if let Some(rounds) = options.rounds {
        arguments.extend(["--rounds".to_owned(), rounds.to_string()]);
    }
    if let Some(minutes) = options.minutes {
        arguments.extend(["--minutes".to_owned(), minutes.to_string()]);
    }
    make(&Postgres::start()?, &arguments)
}

/// A few rounds of the faults that no end-to-end test makes; needs what [`crate::end_to_end`] has built and installed.
pub fn short(postgres: &Postgres) -> anyhow::Result<()> {
    make(postgres, &["--short".to_owned()])
}

fn make(postgres: &Postgres, arguments: &[String]) -> anyhow::Result<()> {
    if let Err(error) = install::debian(&[("faketime", &["faketime"])]) {
        eprintln!("the clock will not jump: {error:#}");
    }
    let mut node = command(install::node(), &[]);
    node.arg(root().join("faults/run.mjs"))
        .args(arguments)
        .env("GATEWRIGHT_BINARIES", target().join("debug"))
        .env("GATEWRIGHT_TEST_POSTGRES", postgres.url());
    shell::run(&mut node)
}
