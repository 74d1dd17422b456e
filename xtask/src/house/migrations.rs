//! The rule about migrations: their order is certain.

use std::collections::BTreeSet;

use super::workspace::{Files, MIGRATIONS};

/// Migrations whose order is not certain. They are numbered by the time they were written (`20261123150000_what.sql`), and
/// two that are written on two branches may get one number: sqlx would take the second for the first, changed. Those of the
/// activity, in a separate folder, are applied together with the others on PostgreSQL.
pub(crate) fn broken(files: &Files) -> Vec<String> {
    let number = |name: &str| {
        let (number, _) = name.strip_suffix(".sql")?.split_once('_')?;
        let is_number = number.len() == 14 && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.to_owned())
    };
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    for path in files.keys() {
        let Some(name) = path.strip_prefix(MIGRATIONS) else {
            continue;
        };
        match number(name.strip_prefix("activity/").unwrap_or(name)) {
            None => broken.push(format!("{path} is not named like 20261123150000_what.sql")),
            Some(number) => {
                if !seen.insert(number) {
                    broken.push(format!(
                        "{path} has the number of another migration: give it a later one"
                    ));
                }
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::workspace::testing::files;

    fn check(names: &[&str]) -> Vec<String> {
        let paths: Vec<_> = names.iter().map(|name| format!("{MIGRATIONS}{name}")).collect();
        broken(&files(
            &paths.iter().map(|path| (path.as_str(), "")).collect::<Vec<_>>(),
        ))
    }

    #[test]
    fn migrations_have_a_number_each() {
        assert!(check(&["20261101000000_foundation.sql", "20261123150000_more.sql"]).is_empty());
        assert!(
            check(&[
                "20261101000000_foundation.sql",
                "activity/20261123150000_more.sql"
            ])
            .is_empty()
        );
        let same = check(&[
            "20261101000000_foundation.sql",
            "activity/20261101000000_more.sql",
        ]);
        assert_eq!(same.len(), 1, "{same:?}");
        let found = check(&[
            "20261101000000_foundation.sql",
            "20261101000000_second.sql",
            "2026_short.sql",
            "20261123150000_what.txt",
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("_second.sql has the number of another"));
    }
}
