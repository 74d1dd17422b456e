//! `cargo xtask bench`: measures calls, sign-ins, floods, pages and idling, as ratios if there is something to compare with.

use std::path::Path;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::{
    install,
    postgres::Postgres,
    shell::{self, cargo, command, root, target},
};

/// What to measure, and how much.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only this part; without it, all parts run one after the other.
    #[arg(long)]
    part: Option<Part>,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Rounds, interleaved; medians are printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measure only the calls and lists whose titles contain this, such as `/list`.
    #[arg(long, default_value = "")]
    jobs: String,
    /// Grants in the store while sign-ins are measured.
    #[arg(long, default_value = "10,1000,100000")]
    grants: String,
    /// Number of registrations, and of unfinished sign-ins.
    #[arg(long, default_value_t = 100_000)]
    floods: u32,
    /// Requests of each page of the dashboard.
    #[arg(long, default_value_t = 20)]
    requests: u32,
    /// The size of the project whose pages are measured; 1 is 10,000 users, 1,000 gateways and 100,000 audit events.
    #[arg(long, default_value_t = 1.0)]
    size: f64,
    /// Active revocations while another one is made.
    #[arg(long, default_value = "0,1000000")]
    revocations: String,
    /// Clients that refresh every hour, and for how many simulated days, as `clients x days`; several runs.
    #[arg(long, default_value = "100x90,1000x9")]
    growth: String,
    /// Streams that are opened and closed to measure whether memory is returned.
    #[arg(long, default_value_t = 8_000)]
    streams: u32,
    /// How many times its capacity an instance is offered under overload.
    #[arg(long, default_value_t = 5)]
    times: u32,
    /// How many rows of activity are written.
    #[arg(long, default_value_t = 10_000_000)]
    rows: u32,
    /// People with a grant each whose instance is backed up, restored and moved.
    #[arg(long, default_value_t = 100_000)]
    copied: u32,
    /// The cargo profile to measure: `dist` is what is shipped; `release` and `dev` build faster, to try the benchmark out.
    #[arg(long, default_value = "dist")]
    profile: String,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Tool calls and lists, compared with nginx and a bare hyper proxy.
    Calls,
    /// Idle memory, and the time to the first response.
    Footprint,
    /// Whether memory is returned after thousands of streams have ended.
    Memory,
    /// Sign-ins, refreshes and tool calls at several times the capacity.
    Overload,
    /// Sign-in, redemption, refresh; metadata and challenges compared with nginx.
    SignIn,
    /// What floods leave in the database, and what assertions that prove nothing cost.
    Floods,
    /// Each page of the dashboard in a large project, on both stores.
    Dashboard,
    /// A revocation while a million are active, and how soon it applies on another replica.
    Revocations,
    /// What clients that refresh every hour leave in the database.
    Growth,
    /// Memory while MCP servers send endless lists of tools.
    Lists,
    /// How five hundred slow calls of one person affect others.
    Descriptors,
    /// How long a backup, a restore and a move to PostgreSQL take.
    Copies,
    /// Tool calls with and without activity; how fast millions of rows are written and read, on both stores.
    Activity,
}

/// Builds everything optimised and runs the benchmark.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    install::debian(&[("nginx-light", &["/usr/sbin/nginx"]), ("wrk", &["wrk"])])?;
    install::node_packages()?;
    let profile = options.profile.as_str();
    let folder = if profile == "dev" { "debug" } else { profile };
    shell::run(&mut cargo(&[
        "build",
        "--profile",
        profile,
        "--package",
        "gatewright",
        "--package",
        "gatewright-bench",
        "--bins",
    ]))?;
    println!("measured: profile {profile}");
    let script = |name: &str, arguments: &[&str], postgres: Option<&Postgres>| {
        script(name, arguments, &target().join(folder), postgres)
    };
    let (seconds, rounds) = (options.seconds.to_string(), options.rounds.to_string());
    let floods = options.floods.to_string();
    let measured = ["--seconds", &seconds, "--rounds", &rounds];
    let wanted = |part| options.part.is_none_or(|chosen| chosen == part);
    if wanted(Part::Calls) {
        let arguments = [&measured[..], &["--jobs", &options.jobs]].concat();
        script("run.mjs", &arguments, None)?;
    }
    if wanted(Part::Footprint) {
        script("footprint.mjs", &[], None)?;
    }
    if wanted(Part::Memory) {
        script("memory.mjs", &["--streams", &options.streams.to_string()], None)?;
    }
    if wanted(Part::Lists) {
        script("lists.mjs", &[], None)?;
    }
    if wanted(Part::Descriptors) {
        script("descriptors.mjs", &[], None)?;
    }
    if wanted(Part::Growth) {
        growth(&options.growth, &target().join(folder))?;
    }
    let with_stores = [
        Part::SignIn,
        Part::Overload,
        Part::Floods,
        Part::Dashboard,
        Part::Revocations,
        Part::Activity,
        Part::Copies,
    ];
    if with_stores.into_iter().any(wanted) {
        let postgres = Postgres::start()?;
        if wanted(Part::SignIn) {
            let arguments = [&measured[..], &["--grants", &options.grants]].concat();
            script("sign-in.mjs", &arguments, Some(&postgres))?;
        }
        if wanted(Part::Overload) {
            let times = options.times.to_string();
            script("overload.mjs", &["--times", &times], Some(&postgres))?;
        }
        if wanted(Part::Floods) {
            script("floods.mjs", &["--count", &floods], Some(&postgres))?;
            script("keys.mjs", &[], None)?;
        }
        if wanted(Part::Dashboard) {
            let (requests, size) = (options.requests.to_string(), options.size.to_string());
            let arguments = ["--requests", &requests, "--size", &size];
            script("dashboard.mjs", &arguments, Some(&postgres))?;
        }
        if wanted(Part::Activity) {
            let rows = options.rows.to_string();
            let arguments = [&measured[..], &["--rows", &rows]].concat();
            script("activity.mjs", &arguments, Some(&postgres))?;
        }
        if wanted(Part::Copies) {
            let copied = options.copied.to_string();
            script("copies.mjs", &["--copied", &copied], Some(&postgres))?;
        }
        if wanted(Part::Revocations) {
            let arguments = ["--standing", options.revocations.as_str()];
            script("revocations.mjs", &arguments, Some(&postgres))?;
        }
    }
    Ok(())
}

/// Runs the program that calls the store, each time on its own database.
fn growth(runs: &str, binaries: &Path) -> anyhow::Result<()> {
    for run in runs.split(',') {
        let (clients, days) = run.split_once('x').context("write runs as 100x90,1000x9")?;
        let folder = target().join("bench-growth");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        println!("{clients} clients, hourly, for {days} days");
        let database = folder.join("growth.db");
        let mut command = command(binaries.join("bench-growth"), &[]);
        command.arg(database).args([clients, days, "24"]);
        shell::run(&mut command)?;
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn script(
    name: &str,
    arguments: &[&str],
    binaries: &Path,
    postgres: Option<&Postgres>,
) -> anyhow::Result<()> {
    let mut node = command(install::node(), &[]);
    node.arg(root().join("bench").join(name))
        .args(arguments)
        .env("GATEWRIGHT_BINARIES", binaries);
    if let Some(postgres) = postgres {
        node.env("GATEWRIGHT_TEST_POSTGRES", postgres.url());
    }
    shell::run(&mut node)
}
