//! The rule about crates: they depend on each other in one order, in their tests too.

use std::collections::BTreeSet;

use super::{
    exceptions::{BESIDE, ORDER, TestHelper},
    workspace::{Package, Section},
};

/// The place of a crate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The row in the order; the highest is 0.
    Row(usize),
    Beside,
}

impl Place {
    fn of(package: &Package) -> Option<Self> {
        let name = package.folder.strip_prefix("crates/")?;
        if BESIDE.contains(&name) {
            return Some(Self::Beside);
        }
        ORDER.iter().position(|row| row.contains(&name)).map(Self::Row)
    }

    fn may_depend_on(self, other: Self) -> bool {
        match (self, other) {
            (Self::Row(row), Self::Row(other)) => row < other,
            (Self::Row(row), Self::Beside) => row == 0,
            (Self::Beside, _) => false,
        }
    }
}

/// The dependencies between the packages that go against the order. Packages outside `crates/` (developer commands,
/// benchmarks, fuzz targets) may depend on every crate, and no crate on them.
pub(crate) fn broken(packages: &[Package], helpers: &[TestHelper]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut unused: BTreeSet<usize> = (0..helpers.len()).collect();
    for package in packages {
        if !package.folder.starts_with("crates/") {
            continue;
        }
        let Some(place) = Place::of(package) else {
            broken.push(format!(
                "{}: this crate has no place in the order: add it to ORDER in xtask/src/house/exceptions.rs",
                package.folder
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let other = packages.iter().find(|other| other.name == dependency.package);
            let Some(other) = other.filter(|other| other.folder != package.folder) else {
                continue;
            };
            if Place::of(other).is_some_and(|other| place.may_depend_on(other)) {
                continue;
            }
            let helper = helpers.iter().position(|helper| {
                dependency.section == Section::Dev
                    && helper.package == package.folder
                    && helper.needs == other.name
            });
            if let Some(helper) = helper {
                unused.remove(&helper);
                continue;
            }
            broken.push(format!(
                "{}/Cargo.toml: {} is in [{}], which goes against the order of the crates ({}): move what is needed to a \
                 crate below both, or let a crate above pass it in",
                package.folder,
                dependency.key,
                dependency.section.name(),
                order()
            ));
        }
    }
    broken.extend(unused.into_iter().map(|helper| {
        let TestHelper {
            package,
            needs,
            reason,
        } = &helpers[helper];
        format!(
            "{package}: its tests no longer need {needs}: remove it from TEST_HELPERS in xtask/src/house/exceptions.rs ({reason})"
        )
    }));
    broken
}

/// The order in one line: `gatewright → … → oauth`.
fn order() -> String {
    let row = |row: &&[&str]| match *row {
        [one] => (*one).to_owned(),
        several => format!("{{{}}}", several.join(", ")),
    };
    let rows: Vec<_> = ORDER.iter().map(row).collect();
    rows.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::workspace::{packages, testing::files};

    fn check(manifests: &[(&str, &str)], helpers: &[TestHelper]) -> Vec<String> {
        let (packages, _) = packages(&files(manifests)).expect("manifests");
        broken(&packages, helpers)
    }

    const STORE: &str =
        "[package]\nname = 'gatewright-store'\n[dependencies]\ngatewright-domain.workspace = true\n";
    const DOMAIN: &str = "[package]\nname = 'gatewright-domain'\n";
    const CORE: &str = "[package]\nname = 'gatewright-core'\n";

    #[test]
    fn arrows_along_the_order_are_fine_and_may_skip_rows() {
        let program = "[package]\nname = 'gatewright'\n[dependencies]\ngatewright-domain.path = '../domain'\n\
                       gatewright-demo.path = '../demo'\nserde = '1'\n";
        let found = check(
            &[
                ("crates/gatewright/Cargo.toml", program),
                ("crates/demo/Cargo.toml", "[package]\nname = 'gatewright-demo'\n"),
                ("crates/store/Cargo.toml", STORE),
                ("crates/domain/Cargo.toml", DOMAIN),
                (
                    "bench/Cargo.toml",
                    "[package]\nname = 'bench'\n[dependencies]\ngatewright-store.path = '..'\n",
                ),
            ],
            &[],
        );
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn an_arrow_against_the_order_is_reported_wherever_a_manifest_hides_it() {
        for dependency in [
            "[dependencies]\ngatewright-core.path = '../core'",
            "[dev-dependencies]\ngatewright-core.path = '../core'",
            "[build-dependencies]\ngatewright-core.path = '../core'",
            "[target.'cfg(unix)'.dependencies]\ngatewright-core.path = '../core'",
            "[dependencies]\nfloor = { path = '../core', package = 'gatewright-core' }",
            "[dependencies.gatewright-core]\npath = '../core'",
        ] {
            let store = format!("[package]\nname = 'gatewright-store'\n{dependency}\n");
            let found = check(
                &[
                    ("crates/core/Cargo.toml", CORE),
                    ("crates/store/Cargo.toml", &store),
                ],
                &[],
            );
            assert_eq!(found.len(), 1, "{dependency}: {found:?}");
            assert!(found[0].starts_with("crates/store/Cargo.toml: "), "{found:?}");
        }
    }

    #[test]
    fn crates_of_one_row_stay_apart_and_none_depends_on_the_demo_or_on_developer_commands() {
        let store = "[package]\nname = 'gatewright-store'\n[dependencies]\ngatewright-mcp.path = '../mcp'\n\
                     gatewright-demo.path = '../demo'\nxtask.path = '../../xtask'\n";
        let found = check(
            &[
                ("crates/store/Cargo.toml", store),
                ("crates/mcp/Cargo.toml", "[package]\nname = 'gatewright-mcp'\n"),
                ("crates/demo/Cargo.toml", "[package]\nname = 'gatewright-demo'\n"),
                ("xtask/Cargo.toml", "[package]\nname = 'xtask'\n"),
            ],
            &[],
        );
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn a_crate_without_a_place_is_reported() {
        let found = check(&[("crates/attic/Cargo.toml", "[package]\nname = 'attic'\n")], &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("no place in the order"), "{found:?}");
    }

    #[test]
    fn a_named_test_helper_is_allowed_for_tests_only_and_until_nothing_needs_it() {
        let helpers = [TestHelper {
            package: "crates/domain",
            needs: "gatewright-store",
            reason: "a world for tests",
        }];
        let with = |section: &str| {
            let domain = format!(
                "[package]\nname = 'gatewright-domain'\n[{section}]\ngatewright-store.path = '../store'\n"
            );
            let manifests = [
                (
                    "crates/store/Cargo.toml",
                    "[package]\nname = 'gatewright-store'\n",
                ),
                ("crates/domain/Cargo.toml", domain.as_str()),
            ];
            check(&manifests, &helpers)
        };
        assert!(with("dev-dependencies").is_empty());
        // The arrow of the program itself, and the exception that no arrow of tests needs.
        assert_eq!(with("dependencies").len(), 2);
        let found = check(&[("crates/domain/Cargo.toml", DOMAIN)], &helpers);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("remove it from TEST_HELPERS"), "{found:?}");
    }
}
