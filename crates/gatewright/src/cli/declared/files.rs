//! The files that are applied.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};

use crate::operator::declared::{Declaration, MAX_BYTES, read};

/// Files that one command applies.
const MAX_FILES: usize = 1_000;
/// Bytes of all of them.
const MAX_TOTAL: usize = 32 * 1024 * 1024;
/// Endings of files in a folder that are read.
const ENDINGS: [&str; 2] = ["yaml", "yml"];

/// Reads what the paths name: files, the files of a folder in the order of their names, or standard input (`-`).
pub(super) fn declarations(paths: &[PathBuf]) -> anyhow::Result<Vec<Declaration>> {
    let mut declarations = Vec::new();
    let mut faults = Vec::new();
    let mut total = 0;
    for path in files(paths)? {
        let text = text(&path)?;
        total += text.len();
        ensure!(
            total <= MAX_TOTAL,
            "the files have more than {MAX_TOTAL} bytes in all. Apply them in several steps"
        );
        let (name, folder) = if path == Path::new("-") {
            ("standard input".to_owned(), PathBuf::from("."))
        } else {
            let folder = path.parent().map(Path::to_owned).unwrap_or_default();
            (path.display().to_string(), folder)
        };
        match read(&name, &folder, &text) {
            Ok(read) => declarations.extend(read),
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        bail!(
            "nothing was applied, because the files have mistakes. Correct them:\n{}",
            faults.join("\n")
        );
    }
    once(&declarations)?;
    ensure!(
        !declarations.is_empty(),
        "the files declare no project. A file begins with `version: 1` and `project: NAME`"
    );
    Ok(declarations)
}

/// A project is declared by one document: of two, neither would know what the other declares.
fn once(declarations: &[Declaration]) -> anyhow::Result<()> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for declaration in declarations {
        let name = declaration.project_name().trim().to_lowercase();
        if let Some(other) = seen.insert(name, declaration.file()) {
            bail!(
                "the project {} is declared twice, in {other} and in {}. Declare it in one document",
                declaration.project_name(),
                declaration.file()
            );
        }
    }
    Ok(())
}

fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = || format!("the folder {} cannot be read", path.display());
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).with_context(unreadable)? {
            let file = entry.with_context(unreadable)?.path();
            let is_hidden = file
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let has_ending = file
                .extension()
                .is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)));
            if has_ending && !is_hidden && file.is_file() {
                found.push(file);
            }
        }
        ensure!(
            !found.is_empty(),
            "the folder {} has no file that ends with .yaml or .yml. Folders in it are not read: name them too",
            path.display()
        );
        found.sort();
        files.extend(found);
    }
    ensure!(
        files.len() <= MAX_FILES,
        "these are more than {MAX_FILES} files. Apply them in several steps"
    );
    Ok(files)
}

fn text(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
    } else {
        let unreadable = || format!("the file {} cannot be read", path.display());
        File::open(path)
            .and_then(|file| file.take(limit).read_to_end(&mut bytes))
            .with_context(unreadable)?;
    }
    ensure!(
        bytes.len() <= MAX_BYTES,
        "{} is larger than {MAX_BYTES} bytes. Divide it into several files in a folder",
        path.display()
    );
    String::from_utf8(bytes)
        .map_err(|_| anyhow::anyhow!("{} is not text in UTF-8. Save it as UTF-8", path.display()))
}
