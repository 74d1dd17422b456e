//! What the rules allow for now, each with its reason, and the orders they hold the workspace to.
//!
//! The lists may only shrink: a rule fails when an exception is no longer needed, so that what was put in order stays in order.

/// The crates below `crates/`, highest first. Each may depend only on those of the rows below its own. A crate that does
/// not exist yet is not a fault; one without a place here is.
pub(crate) const ORDER: &[&[&str]] = &[
    &["gatewright"],
    &["dashboard"],
    &["admin"],
    &["gateway"],
    &["identity"],
    &["core"],
    &["store", "mcp"],
    &["domain"],
    &["oauth"],
];
/// Crates that do not depend on our other crates, and that only the first crate of the order may depend on.
pub(crate) const BESIDE: &[&str] = &["demo"];

/// Layers inside a package, highest first: a folder may name those after it, never one before it.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[("crates/mcp", &["endpoint", "federation", "peer", "wire"])];

/// A dependency of tests that goes against the order of the crates.
pub(crate) struct TestHelper {
    /// The folder of the package whose tests need it.
    pub package: &'static str,
    /// The name of the package they need.
    pub needs: &'static str,
    pub reason: &'static str,
}

pub(crate) const TEST_HELPERS: &[TestHelper] = &[
    TestHelper {
        package: "crates/gateway",
        needs: "gatewright-demo",
        reason: "its server is a real one to call through a gateway",
    },
    TestHelper {
        package: "crates/admin",
        needs: "gatewright-demo",
        reason: "its server is a real one to check and to try",
    },
];

/// An arrow between two folders of a package that closes a circle.
pub(crate) struct Between {
    /// The folder of the package.
    pub package: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub reason: &'static str,
}

pub(crate) const CIRCLES: &[Between] = &[];

/// An exception in one line.
#[cfg(test)]
pub(crate) const fn between(
    package: &'static str,
    from: &'static str,
    to: &'static str,
    reason: &'static str,
) -> Between {
    Between {
        package,
        from,
        to,
        reason,
    }
}

/// A dependency that no source of its package names, or that only its tests name.
pub(crate) struct Unnamed {
    /// The folder of the package.
    pub package: &'static str,
    pub dependency: &'static str,
    pub reason: &'static str,
}

pub(crate) const UNNAMED: &[Unnamed] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exception_has_a_reason() {
        let reasons = TEST_HELPERS
            .iter()
            .map(|helper| helper.reason)
            .chain(CIRCLES.iter().map(|arrow| arrow.reason))
            .chain(UNNAMED.iter().map(|dependency| dependency.reason));
        for reason in reasons {
            assert!(reason.split_whitespace().count() > 3, "{reason}");
        }
    }
}
