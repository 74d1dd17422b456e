//! `cargo xtask lint`: what a reviewer should not have to say.

use std::{
    fs,
    path::{Path, PathBuf},
};

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
    shell::run(&mut command(&deny, &["check", "bans", "licenses", "sources"]))?;
    advisories(&deny)?;
    house_rules()
}

/// Checks the dependencies against the RustSec advisories: as they are now, or else as they were fetched last. Where there
/// are none, as on a machine without a network that never fetched them, it says so and checks nothing.
fn advisories(deny: &Path) -> anyhow::Result<()> {
    let is_fetched = command(deny, &["fetch", "db"]).status()?.success();
    if is_fetched {
        return shell::run(&mut command(deny, &["--offline", "check", "advisories"]));
    }
    if is_fetched_before() {
        println!("advisories: they could not be fetched now, so those that were fetched last are checked");
        return shell::run(&mut command(deny, &["--offline", "check", "advisories"]));
    }
    println!(
        "advisories: NOT CHECKED, because the RustSec database could not be fetched and none is here. Run this once with a \
         network"
    );
    Ok(())
}

/// Whether cargo-deny has a database of advisories from before.
fn is_fetched_before() -> bool {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let folder = home.map(|home| home.join("advisory-dbs"));
    folder
        .and_then(|folder| fs::read_dir(folder).ok())
        // A fetch that failed may leave an empty folder; advisories lie in one folder per crate.
        .is_some_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().join("crates").is_dir()))
        })
}

/// Rules no other tool knows: files stay short, arrows between crates point one way, migrations have one order, and the
/// tests a document promises exist.
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
    let allowed: [(&str, &[&str]); 8] = [
        ("oauth", &[]),
        ("domain", &["oauth"]),
        ("store", &["domain", "oauth"]),
        ("mcp", &["domain", "oauth"]),
        ("core", &["store", "mcp", "domain", "oauth"]),
        ("gateway", &["core", "store", "mcp", "domain", "oauth"]),
        ("demo", &[]),
        (
            "gatewright",
            &["gateway", "core", "store", "mcp", "domain", "oauth", "demo"],
        ),
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
    let mut migrations: Vec<String> = fs::read_dir(root().join("crates/store/migrations"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    migrations.sort();
    broken.extend(misnamed(&migrations));
    broken.extend(threats::missing()?);
    if broken.is_empty() {
        return Ok(());
    }
    bail!("rules of the house:\n  {}", broken.join("\n  "));
}

/// Migrations whose order is not certain. They are numbered by the time they were written (`20261123150000_what.sql`), and
/// two that are written on two branches may get one number: sqlx would take the second for the first, changed.
fn misnamed(sorted: &[String]) -> Vec<String> {
    let number = |name: &str| {
        let (number, _) = name.strip_suffix(".sql")?.split_once('_')?;
        let is_number = number.len() == 14 && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.to_owned())
    };
    let mut broken = Vec::new();
    let mut last = None;
    for name in sorted {
        let now = number(name);
        if now.is_none() {
            broken.push(format!(
                "crates/store/migrations/{name} is not named like 20261123150000_what.sql"
            ));
        } else if now == last {
            broken.push(format!(
                "crates/store/migrations/{name} has the number of another migration: give it a later one"
            ));
        }
        last = now;
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_have_a_number_each() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let good = names(&["20261101000000_foundation.sql", "20261123150000_more.sql"]);
        assert!(misnamed(&good).is_empty());
        let bad = names(&[
            "20261101000000_foundation.sql",
            "20261101000000_second.sql",
            "2026_short.sql",
            "20261123150000_what.txt",
        ]);
        let told = misnamed(&bad);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("_second.sql has the number of another"));
    }
}
