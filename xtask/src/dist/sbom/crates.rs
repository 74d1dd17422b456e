//! The crates that the program is built from, as cargo and `Cargo.lock` list them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::Context as _;
use serde_json::Value;
use toml::Table;

use crate::shell::{self, capture};

/// The platform of the program.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A crate.
pub(super) struct Crate {
    pub name: String,
    pub version: String,
    /// An expression of SPDX.
    pub license: Option<String>,
    /// SHA-256 of what the registry sent; none for crates of this repository.
    pub checksum: Option<String>,
    /// Whether its code is in the program. Macros and what they use only run while it is built.
    pub is_in_program: bool,
    /// The package URLs of the crates it uses.
    pub dependencies: Vec<String>,
}

impl Crate {
    /// Its package URL.
    pub(super) fn purl(&self) -> String {
        purl(&self.name, &self.version)
    }
}

fn purl(name: &str, version: &str) -> String {
    // A version such as 1.0.0+wasi is written with an escape.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// Name and version.
type Id = (String, String);

/// The crates, sorted by name and version.
pub(super) fn of_program(root: &Path) -> anyhow::Result<Vec<Crate>> {
    let all = tree(root, "normal")?;
    let in_program = tree(root, "normal,no-proc-macro")?;
    let checksums = checksums(root)?;
    let metadata: Value = serde_json::from_str(&capture(cargo(root).args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        TARGET,
    ]))?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let id = |package: &Value| (text(&package["name"]), text(&package["version"]));
    let by_key: BTreeMap<String, Id> = packages
        .iter()
        .map(|package| (text(&package["id"]), id(package)))
        .collect();
    let mut uses: BTreeMap<Id, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
        let Some(dependent) = by_key.get(&text(&node["id"])) else {
            continue;
        };
        let needed = node["deps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|dependency| is_normal(dependency))
            .filter_map(|dependency| by_key.get(&text(&dependency["pkg"])))
            .filter(|dependency| all.contains(dependency))
            .map(|(name, version)| purl(name, version));
        uses.entry(dependent.clone()).or_default().extend(needed);
    }
    let mut crates: Vec<Crate> = packages
        .iter()
        .filter(|package| all.contains(&id(package)))
        .map(|package| {
            let id = id(package);
            Crate {
                license: package["license"]
                    .as_str()
                    .map(|license| license.replace('/', " OR ")),
                checksum: checksums.get(&id).cloned(),
                is_in_program: in_program.contains(&id),
                dependencies: uses.get(&id).into_iter().flatten().cloned().collect(),
                name: id.0,
                version: id.1,
            }
        })
        .collect();
    crates.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(crates)
}

fn cargo(root: &Path) -> Command {
    let mut cargo = shell::cargo(&[]);
    cargo.current_dir(root);
    cargo
}

/// Whether a dependency is for more than tests and build scripts.
fn is_normal(used: &Value) -> bool {
    let kinds = used["dep_kinds"].as_array().into_iter().flatten();
    kinds.into_iter().any(|kind| kind["kind"].is_null())
}

/// What cargo builds for the program, with its features; other members of the workspace ask for more.
fn tree(root: &Path, edges: &str) -> anyhow::Result<BTreeSet<Id>> {
    let printed = capture(cargo(root).args([
        "tree",
        "--locked",
        "--package",
        "gatewright",
        "--target",
        TARGET,
        "--edges",
        edges,
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    let id = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        let version = rest.split(' ').next()?;
        Some((name.to_owned(), version.to_owned()))
    };
    Ok(printed.lines().filter_map(id).collect())
}

/// The checksums in `Cargo.lock`.
fn checksums(root: &Path) -> anyhow::Result<BTreeMap<Id, String>> {
    let lock: Table = fs::read_to_string(root.join("Cargo.lock"))?.parse()?;
    let packages = lock["package"]
        .as_array()
        .context("Cargo.lock lists no package")?;
    let text = |package: &toml::Value, name: &str| Some(package.get(name)?.as_str()?.to_owned());
    let checksum = |package| {
        Some((
            (text(package, "name")?, text(package, "version")?),
            text(package, "checksum")?,
        ))
    };
    Ok(packages.iter().filter_map(checksum).collect())
}
