//! What the rules allow for now, each with its reason, and the orders they hold the workspace to.
//!
//! The lists may only shrink: a rule fails when an exception is no longer needed, so that what was put in order stays so.

/// The crates below `crates/`, highest first. Each may depend on those of the rows below its own and on no other. A crate
/// that does not exist yet is no fault; one without a place here is.
pub const ORDER: &[&[&str]] = &[
    &["gatewright"],
    &["admin"],
    &["gateway"],
    &["identity"],
    &["core"],
    &["store", "mcp"],
    &["domain"],
    &["oauth"],
];
/// Crates that depend on no other of ours, and that only the first crate of the order may depend on.
pub const BESIDE: &[&str] = &["demo"];

/// A dependency of tests that goes against the order of the crates.
pub struct TestHelper {
    /// The folder of the package whose tests need it.
    pub package: &'static str,
    /// The name of the package they need.
    pub needs: &'static str,
    pub reason: &'static str,
}

pub const TEST_HELPERS: &[TestHelper] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exception_has_a_reason() {
        let reasons = TEST_HELPERS.iter().map(|helper| helper.reason);
        for reason in reasons {
            assert!(reason.split_whitespace().count() > 3, "{reason}");
        }
    }
}
