//! `cargo xtask bench`: what calls, sign-ins, floods and doing nothing cost, as ratios where there is something to compare with.

use clap::{Args, ValueEnum};

use crate::{
    install,
    postgres::Postgres,
    shell::{self, cargo, command, root, target},
};

/// How long and how much.
#[derive(Args)]
pub struct Options {
    /// One part alone; all of them, one after the other, without it.
    #[arg(long)]
    part: Option<Part>,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Rounds, interleaved; medians are printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Grants in the store when sign-ins are measured.
    #[arg(long, default_value = "10,1000,100000")]
    grants: String,
    /// Registrations, and sign-ins that nobody finishes.
    #[arg(long, default_value_t = 100_000)]
    floods: u32,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Calls of tools, beside nginx and a bare hyper proxy.
    Calls,
    /// Memory at rest, and the time to the first answer.
    Footprint,
    /// Signing in, redeeming, refreshing; metadata and challenges beside nginx.
    SignIn,
    /// What floods leave in the database.
    Floods,
}

/// Builds everything optimised and runs the benchmark.
pub fn run(options: &Options) -> anyhow::Result<()> {
    install::debian(&[("nginx-light", &["/usr/sbin/nginx"]), ("wrk", &["wrk"])])?;
    install::node_packages()?;
    shell::run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "gatewright",
        "--package",
        "gatewright-bench",
        "--bins",
    ]))?;
    let (seconds, rounds) = (options.seconds.to_string(), options.rounds.to_string());
    let floods = options.floods.to_string();
    let measured = ["--seconds", &seconds, "--rounds", &rounds];
    let wanted = |part| options.part.is_none_or(|chosen| chosen == part);
    if wanted(Part::Calls) {
        script("run.mjs", &measured, None)?;
    }
    if wanted(Part::Footprint) {
        script("footprint.mjs", &[], None)?;
    }
    if wanted(Part::SignIn) || wanted(Part::Floods) {
        let postgres = Postgres::start()?;
        if wanted(Part::SignIn) {
            let arguments = [&measured[..], &["--grants", &options.grants]].concat();
            script("sign-in.mjs", &arguments, Some(&postgres))?;
        }
        if wanted(Part::Floods) {
            script("floods.mjs", &["--count", &floods], Some(&postgres))?;
        }
    }
    Ok(())
}

fn script(name: &str, arguments: &[&str], postgres: Option<&Postgres>) -> anyhow::Result<()> {
    let mut node = command(install::node(), &[]);
    node.arg(root().join("bench").join(name))
        .args(arguments)
        .env("GATEWRIGHT_BINARIES", target().join("release"));
    if let Some(postgres) = postgres {
        node.env("GATEWRIGHT_TEST_POSTGRES", postgres.url());
    }
    shell::run(&mut node)
}
