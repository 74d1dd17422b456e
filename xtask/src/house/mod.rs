//! The rules of the house, which no other tool knows: files stay short, arrows between crates point one way, migrations have one order, and the tests a document promises exist.

mod migrations;
mod threats;
mod workspace;

use anyhow::bail;

use workspace::Files;

/// Lines after which a file holds more than one thing.
const LONGEST_FILE: usize = 450;

/// Checks every rule, and says all that is broken at once.
pub fn check() -> anyhow::Result<()> {
    let files = workspace::read()?;
    let mut broken = too_long(&files);
    broken.extend(against_order(&files));
    broken.extend(migrations::broken(&files));
    broken.extend(threats::missing(&files)?);
    if broken.is_empty() {
        return Ok(());
    }
    bail!("rules of the house:\n  {}", broken.join("\n  "));
}

/// Files that hold more than one thing.
fn too_long(files: &Files) -> Vec<String> {
    files
        .iter()
        .filter(|(path, _)| workspace::is_of_kind(path, &["rs", "html", "css", "mjs"]))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| {
            format!("{path} has {lines} lines: split it by what it holds ({LONGEST_FILE} at most)")
        })
        .collect()
}

/// Arrows between crates that do not point one way.
fn against_order(files: &Files) -> Vec<String> {
    let mut broken = Vec::new();
    let allowed: [(&str, &[&str]); 7] = [
        ("oauth", &[]),
        ("domain", &["oauth"]),
        ("store", &["domain", "oauth"]),
        ("mcp", &["domain", "oauth"]),
        ("core", &["store", "mcp", "domain", "oauth"]),
        ("demo", &[]),
        ("gatewright", &["core", "store", "mcp", "domain", "oauth", "demo"]),
    ];
    for (name, may) in allowed {
        let manifest = &files[&format!("crates/{name}/Cargo.toml")];
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
    broken
}
