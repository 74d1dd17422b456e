//! `cargo xtask fuzz`: runs every parser of untrusted input under libFuzzer, for a minute each.

use std::{env, fs};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{
    install,
    shell::{self, command, root, target},
};

/// The version of cargo-fuzz that was tested.
const CARGO_FUZZ: &str = "0.13.1";
/// Seconds one input may take: every one of these parsers is linear in what it reads.
const SLOWEST_INPUT: u32 = 5;
/// Longer inputs find nothing that shorter ones do not, and slow every run.
const LONGEST_INPUT: u32 = 8_192;

/// What to fuzz, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// A target of `fuzz/fuzz_targets/`; without it, all targets.
    target: Option<String>,
    /// Seconds per target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Builds the targets and runs each; stops at the first that fails, with the failing input in `fuzz/artifacts/`.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let all = targets()?;
    let chosen: Vec<&String> = match &options.target {
        None => all.iter().collect(),
        Some(name) => match all.iter().find(|target| *target == name) {
            Some(target) => vec![target],
            None => bail!("there is no fuzz target {name}; there are: {}", all.join(", ")),
        },
    };
    install::cargo_tool("cargo-fuzz", CARGO_FUZZ)?;
    for name in &chosen {
        let corpus = root().join("fuzz/corpus").join(name);
        fs::create_dir_all(&corpus).with_context(|| format!("could not create {}", corpus.display()))?;
        shell::run(
            cargo_fuzz(&["run", "--sanitizer", "none", name])
                .arg(corpus)
                .arg(root().join("fuzz/seeds").join(name))
                .arg("--")
                .arg(format!("-max_total_time={}", options.seconds))
                .arg(format!("-timeout={SLOWEST_INPUT}"))
                .arg(format!("-max_len={LONGEST_INPUT}"))
                .arg("-print_final_stats=1"),
        )?;
    }
    eprintln!("\n{} fuzz targets found nothing.", chosen.len());
    Ok(())
}

/// cargo-fuzz with the workspace's toolchain. No code here is unsafe, so a sanitizer would only cost time, and
/// without one a stable compiler is enough.
fn cargo_fuzz(arguments: &[&str]) -> std::process::Command {
    let mut fuzz = command(target().join("tools/bin/cargo-fuzz"), &["fuzz"]);
    fuzz.args(arguments)
        // These builds are instrumented; they have their own folder.
        .env_remove("CARGO_TARGET_DIR");
    if let Some(cargo) = env::var_os("CARGO") {
        fuzz.env("CARGO", cargo);
    }
    fuzz
}

fn targets() -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(root().join("fuzz/fuzz_targets"))?
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}
