//! `cargo xtask lint`: what a reviewer should not have to say.

use std::fs;

use anyhow::bail;
use clap::Args;

use crate::{
    install,
    shell::{self, capture, cargo, command, root, target},
    threats,
};

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";
/// Lines after which a file holds more than one thing.
const LONGEST_FILE: usize = 450;

/// What to leave out.
#[derive(Args)]
pub struct Options {
    /// Only the rules of the house, which take a moment.
    #[arg(long)]
    house_only: bool,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    if options.house_only {
        return house_rules();
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
    install::cargo_tool("cargo-deny", CARGO_DENY)?;
    let deny = target().join("tools/bin/cargo-deny");
    shell::run(&mut command(deny, &["check", "bans", "licenses", "sources"]))?;
    house_rules()
}

/// Rules no other tool knows: files stay short, arrows between crates point one way, and the tests a document promises
/// exist.
fn house_rules() -> anyhow::Result<()> {
    let mut broken = Vec::new();
    for file in capture(&mut command(
        "git",
        &["ls-files", "*.rs", "*.html", "*.css", "*.mjs"],
    ))?
    .lines()
    {
        let lines = fs::read_to_string(root().join(file)).map_or(0, |text| text.lines().count());
        if lines > LONGEST_FILE {
            broken.push(format!(
                "{file} has {lines} lines: split it by what it holds ({LONGEST_FILE} at most)"
            ));
        }
    }
    let allowed: [(&str, &[&str]); 6] = [
        ("oauth", &[]),
        ("domain", &["oauth"]),
        ("store", &["domain", "oauth"]),
        ("mcp", &["domain", "oauth"]),
        ("demo", &[]),
        ("gatewright", &["store", "mcp", "domain", "oauth", "demo"]),
    ];
    for (name, may) in allowed {
        let manifest = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml"))?;
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for (other, _) in allowed {
            let arrow = dependencies
                .lines()
                .any(|line| line.starts_with(&format!("gatewright-{other}")));
            if arrow && !may.contains(&other) {
                broken.push(format!(
                    "crates/{name} may not depend on crates/{other}: see docs/ARCHITECTURE.md"
                ));
            }
        }
    }
    broken.extend(threats::missing()?);
    if broken.is_empty() {
        return Ok(());
    }
    bail!("rules of the house:\n  {}", broken.join("\n  "));
}
