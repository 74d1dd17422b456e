//! Which build this is.

use std::sync::LazyLock;

/// The version of the program, such as `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, shortened, if `GATEWRIGHT_COMMIT` named it while the program was built. It is a variable and not a build script,
/// so a build needs no git and an ordinary build does not compile again after each commit.
const COMMIT: Option<&str> = option_env!("GATEWRIGHT_COMMIT");

/// Version and commit, such as `0.1.0 (3f2a91c04d5e)`; only the version if the commit is not known.
pub fn with_commit() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| text(COMMIT));
    &TEXT
}

fn text(commit: Option<&str>) -> String {
    match commit.map(str::trim) {
        Some(commit) if !commit.is_empty() => format!("{VERSION} ({commit})"),
        _ => VERSION.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_commit_follows_the_version() {
        assert_eq!(text(Some("3f2a91c04d5e\n")), format!("{VERSION} (3f2a91c04d5e)"));
        assert_eq!(text(Some("")), VERSION);
        assert_eq!(text(None), VERSION);
    }
}
