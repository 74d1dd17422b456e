//! The rules of the house, which other tools do not check: files stay short, arrows between crates and between folders point one
//! way, dependencies are used, migrations have one order, the tests a document promises exist, and comments are in plain words.

mod circles;
mod dependencies;
mod exceptions;
mod migrations;
mod modules;
mod order;
mod source;
mod threats;
mod words;
mod workspace;

use anyhow::bail;

use workspace::Files;

/// Lines after which a file holds more than one thing.
const LONGEST_FILE: usize = 450;

/// Checks every rule, and reports everything that is broken together.
pub(crate) fn check() -> anyhow::Result<()> {
    let files = workspace::read()?;
    let (packages, shared) = workspace::packages(&files)?;
    let mut broken = too_long(&files);
    broken.extend(order::broken(&packages, exceptions::TEST_HELPERS));
    let folders: Vec<&str> = packages.iter().map(|package| package.folder.as_str()).collect();
    broken.extend(circles::homeless(&folders, exceptions::CIRCLES));
    let mut read = Vec::new();
    for package in packages {
        let sources = modules::read(&files, &package.folder)?;
        let arrows = modules::arrows(&files, &package.folder, &sources);
        broken.extend(circles::broken(&package.folder, &arrows, exceptions::CIRCLES));
        read.push((package, sources));
    }
    broken.extend(dependencies::broken(&read, &shared, exceptions::UNNAMED));
    broken.extend(migrations::broken(&files));
    broken.extend(threats::missing(&files)?);
    broken.extend(words::broken(&files));
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

#[cfg(test)]
mod tests {
    use super::*;
    use workspace::testing::files;

    #[test]
    fn a_file_that_holds_more_than_one_thing_is_reported() {
        let longest = "\n".repeat(LONGEST_FILE);
        let longer = format!("{longest}\n");
        let files = files(&[
            ("a.rs", longer.as_str()),
            ("b.rs", longest.as_str()),
            ("c.sql", longer.as_str()),
            ("d.mjs", longer.as_str()),
        ]);
        let found = too_long(&files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs has 451 lines"), "{found:?}");
    }
}
