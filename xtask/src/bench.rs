//! `cargo xtask bench`: the gateway beside nginx and a bare hyper proxy, interleaved in one run.

use clap::Args;

use crate::{
    install,
    shell::{self, cargo, command, root, target},
};

/// How long and how much.
#[derive(Args)]
pub struct Options {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Rounds, interleaved; medians are printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
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
    shell::run(
        command(
            install::node(),
            &["bench/run.mjs", "--seconds", &seconds, "--rounds", &rounds],
        )
        .current_dir(root())
        .env("GATEWRIGHT_BINARIES", target().join("release")),
    )
}
