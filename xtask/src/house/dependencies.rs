//! The rule about dependencies: each is named by the sources of its package, and where only tests name it, it is one of
//! `[dev-dependencies]`.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

use super::{
    exceptions::Unnamed,
    modules::Sources,
    source::Mention,
    workspace::{Package, Section},
};

/// The dependencies that nothing needs, and exceptions that are not needed.
pub(crate) fn broken(packages: &[(Package, Sources)], shared: &Table, exceptions: &[Unnamed]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut unused: BTreeSet<usize> = (0..exceptions.len()).collect();
    for (package, sources) in packages {
        let named = named(sources);
        for dependency in &package.dependencies {
            let wrong = match (named.get(dependency.in_code().as_str()), dependency.section) {
                (None, _) => "no source of this package names it: remove it",
                // An optional dependency is enabled by a feature, and can be for the tests of others.
                (Some(Users::Tests), Section::Normal) if !dependency.is_optional => {
                    "only tests name it: move it to [dev-dependencies], or make it optional behind the feature that opens it \
                     to the tests of others"
                }
                _ => continue,
            };
            let exception = exceptions.iter().position(|exception| {
                exception.package == package.folder && exception.dependency == dependency.key
            });
            if let Some(exception) = exception {
                unused.remove(&exception);
                continue;
            }
            broken.push(format!(
                "{}/Cargo.toml: {} is in [{}], and {wrong}",
                package.folder,
                dependency.key,
                dependency.section.name()
            ));
        }
    }
    broken.extend(unused.into_iter().map(|exception| {
        let Unnamed {
            package,
            dependency,
            reason,
        } = &exceptions[exception];
        format!(
            "{package}: {dependency} no longer needs an exception: remove it from UNNAMED in xtask/src/house/exceptions.rs ({reason})"
        )
    }));
    let keys: BTreeSet<&str> = packages
        .iter()
        .flat_map(|(package, _)| &package.dependencies)
        .map(|dependency| dependency.key.as_str())
        .collect();
    let idle = shared.keys().filter(|key| !keys.contains(key.as_str()));
    broken.extend(idle.map(|key| {
        format!("Cargo.toml: {key} is in [workspace.dependencies], and no package depends on it: remove it")
    }));
    broken
}

/// Who names a crate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Users {
    Tests,
    Program,
}

/// The first name of every path, which is a crate's if it is not a module's.
fn named(sources: &Sources) -> BTreeMap<&str, Users> {
    let mut named = BTreeMap::new();
    for Mention { path, is_test, .. } in sources.all().flat_map(|source| &source.mentions) {
        let Some(first) = path.first() else {
            continue;
        };
        let users = if *is_test { Users::Tests } else { Users::Program };
        let most = named.entry(first.as_str()).or_insert(users);
        *most = users.max(*most);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::{modules, workspace};

    fn check(dependencies: &str, source: &str, exceptions: &[Unnamed]) -> Vec<String> {
        let manifest = format!("[package]\nname = 'gatewright-a'\n{dependencies}\n");
        let shared = "[workspace.dependencies]\nserde_json = '1'\n";
        let files = workspace::testing::files(&[
            ("Cargo.toml", shared),
            ("crates/a/Cargo.toml", &manifest),
            ("crates/a/src/lib.rs", source),
            (
                "crates/a/tests/whole.rs",
                "#[test]\nfn holds() { tempfile::tempdir(); }\n",
            ),
        ]);
        let (packages, shared) = workspace::packages(&files).expect("manifests");
        let read = |package: Package| {
            let sources = modules::read(&files, &package.folder).expect("sources");
            (package, sources)
        };
        let packages: Vec<_> = packages.into_iter().map(read).collect();
        broken(&packages, &shared, exceptions)
    }

    const SERDE_JSON: &str = "[dependencies]\nserde_json.workspace = true\n";

    #[test]
    fn a_dependency_is_named_by_any_path_that_begins_with_it() {
        for source in [
            "use serde_json::Value;",
            "use serde_json as json;",
            "use {serde_json::{Value, json}, std::fmt};",
            "fn f() -> serde_json::Value { todo() }",
            "fn f() { say!(\"{}\", serde_json::Value::Null); }",
            "#[serde(with = \"serde_json::text\")] struct S;",
            "#[derive(serde_json::Derived)] struct S;",
            "macro_rules! m { () => { ::serde_json::to_string(1) } }",
            "pub mod a { pub extern crate serde_json; }",
        ] {
            let found = check(SERDE_JSON, source, &[]);
            assert!(found.is_empty(), "{source}: {found:?}");
        }
    }

    #[test]
    fn a_dependency_that_nothing_names_is_reported() {
        // A module, a word, a text and a method of the same name are not the crate.
        let source = "mod a { use crate::serde_json::x; }\n/// serde_json::Value\nfn f() { x.serde_json(\"serde_json\"); }";
        let found = check(SERDE_JSON, source, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/a/Cargo.toml: serde_json is in [dependencies], and no source"));
    }

    #[test]
    fn what_only_tests_name_belongs_to_them() {
        for source in [
            "#[cfg(test)] mod tests { use serde_json::Value; }",
            "#[cfg(any(test, feature = \"testing\"))] fn f() { serde_json::to_string(1); }",
        ] {
            let found = check(SERDE_JSON, source, &[]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("move it to [dev-dependencies]"), "{found:?}");
        }
        for source in [
            "#[cfg(not(test))] use serde_json::Value;",
            // The fuzzer has no dependencies of tests.
            "#[cfg(any(test, fuzzing))] use serde_json::Value;",
        ] {
            let found = check(SERDE_JSON, source, &[]);
            assert!(found.is_empty(), "{source}: {found:?}");
        }
        let both = "[dependencies]\nserde_json = { version = '1', optional = true }\n[dev-dependencies]\ntempfile = '3'\n";
        let found = check(
            both,
            "#[cfg(any(test, feature = \"testing\"))] use serde_json::Value;",
            &[],
        );
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn an_exception_holds_until_it_is_not_needed() {
        let exceptions = [Unnamed {
            package: "crates/a",
            dependency: "serde_json",
            reason: "switches on a feature of another",
        }];
        assert!(check(SERDE_JSON, "", &exceptions).is_empty());
        let found = check(SERDE_JSON, "use serde_json::Value;", &exceptions);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("remove it from UNNAMED"), "{found:?}");
    }

    #[test]
    fn what_the_workspace_offers_is_used_by_a_package() {
        let found = check("", "", &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("serde_json is in [workspace.dependencies]"),
            "{found:?}"
        );
    }
}
