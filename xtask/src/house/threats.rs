//! Checks that the tests named in tables of documents exist: a table that names a missing test would promise what no test checks.

use std::{collections::HashMap, fs};

use super::workspace::Files;
use crate::shell::root;

/// The documents whose tables name tests.
const DOCUMENTS: [&str; 3] = ["docs/threats.md", "docs/providers.md", "docs/clients.md"];

/// The lines of the documents whose test is not there.
pub(crate) fn missing(files: &Files) -> anyhow::Result<Vec<String>> {
    let read = |path: &str| files.get(path).cloned().unwrap_or_default();
    let mut missing = Vec::new();
    for name in DOCUMENTS {
        let document = fs::read_to_string(root().join(name))?;
        missing.extend(missing_of(name, &document, read));
    }
    Ok(missing)
}

fn missing_of(name: &str, document: &str, read: impl Fn(&str) -> String) -> Vec<String> {
    let mut files: HashMap<String, String> = HashMap::new();
    let mut room = "";
    let mut missing = Vec::new();
    for line in document.lines() {
        if line.starts_with("## ") {
            room = quoted(line)
                .find(|text| text.starts_with("crates/"))
                .unwrap_or("");
        }
        // Prose may show the format of a name; only tables promise tests.
        if !line.starts_with('|') {
            continue;
        }
        for (file, test) in quoted(line).filter_map(|text| text.split_once("::")) {
            let path = if file.starts_with("crates/") || file.starts_with("e2e/") {
                file.to_owned()
            } else {
                format!("{room}{file}")
            };
            let source = files.entry(path.clone()).or_insert_with_key(|path| read(path));
            // Tests of the end-to-end suite have names in words.
            let as_written = if path.starts_with("e2e/") {
                format!("test(\"{test}\"")
            } else {
                format!("fn {test}(")
            };
            if !source.contains(&as_written) {
                missing.push(format!("{name} names {path}::{test}, which does not exist"));
            }
        }
    }
    missing
}

/// The texts between backquotes.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_was_deleted_is_reported_and_others_are_not() {
        let document = "`file.rs::example`\n## Room (`crates/a/src/`)\n| x | `b.rs::there`, `b.rs::gone` |\n\
                        | y | `crates/c/d.rs::there` |\n| z | `crates/c/d.rs::the` |\n\
                        | v | `e2e/e.test.mjs::is there: \u{fc}` |\n| w | `e2e/e.test.mjs::is` |\n";
        let read = |path: &str| match path {
            "crates/a/src/b.rs" | "crates/c/d.rs" => "async fn there() {}".to_owned(),
            "e2e/e.test.mjs" => "test(\"is there: \u{fc}\", async () => {});".to_owned(),
            _ => String::new(),
        };
        let missing = missing_of("docs/threats.md", document, read);
        assert_eq!(missing.len(), 3, "{missing:?}");
        assert!(missing[0].contains("crates/a/src/b.rs::gone"));
        assert!(missing[1].contains("crates/c/d.rs::the,"));
        assert!(missing[2].contains("e2e/e.test.mjs::is,"));
    }
}
