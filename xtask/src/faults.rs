//! `cargo xtask faults`: causes every fault there is a promise about, and prints the results.

use clap::{Args, ValueEnum};

use crate::{
    install,
    postgres::Postgres,
    shell::{self, cargo, command, root, target},
};

/// Which faults, and how many rounds of each.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only this part; without it, all parts run one after the other.
    #[arg(long)]
    part: Option<Part>,
    /// Rounds of each fault, instead of its default.
    #[arg(long)]
    rounds: Option<u32>,
    /// Minutes after which a fault starts no new round, instead of its default.
    #[arg(long)]
    minutes: Option<f64>,
}

/// A part of the faults.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The process is killed while it works, on both stores.
    Kills,
    /// One of two replicas is cut off from the database.
    Replicas,
    /// PostgreSQL is silent, read-only, or crashes.
    Database,
    /// The disk is full.
    Disk,
    /// File descriptors run out.
    Descriptors,
    /// The clock jumps.
    Clock,
    /// An identity provider or an MCP server goes silent.
    Peers,
    /// Rolling restarts, and a rotation of the master key.
    Rolling,
    /// Identity providers that lie, and some that change.
    Providers,
    /// MCP servers that misbehave.
    Servers,
    /// Continuous load.
    Soak,
}

/// Builds the programs and causes the faults; fails if a promise was broken.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
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

/// A few rounds of the faults that no end-to-end test covers; needs what [`crate::end_to_end`] has built and installed.
pub(crate) fn short(postgres: &Postgres) -> anyhow::Result<()> {
    make(postgres, &["--short".to_owned()])
}

fn make(postgres: &Postgres, arguments: &[String]) -> anyhow::Result<()> {
    if let Err(error) = install::debian(&[("faketime", &["faketime"])]) {
        eprintln!("the clock test is skipped: {error:#}");
    }
    let mut node = command(install::node(), &[]);
    node.arg(root().join("faults/run.mjs"))
        .args(arguments)
        .env("GATEWRIGHT_BINARIES", target().join("debug"))
        .env("GATEWRIGHT_TEST_POSTGRES", postgres.url());
    shell::run(&mut node)
}
