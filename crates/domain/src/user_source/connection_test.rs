//! The result of testing a User Source's connection, as stored with the source.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    registration::{CredentialsVerdict, TestedCredentials},
    words::worded,
};

/// The last test of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTest {
    /// When it was run.
    pub tested_at: Timestamp,
    /// The checks, each depending on those before it.
    pub checks: Vec<TestedCheck>,
    /// The token endpoint's verdict on client ID and secret.
    pub credentials: TestedCredentials,
}

impl ConnectionTest {
    /// Whether the provider refused client ID or secret.
    pub fn refused_client(&self) -> bool {
        self.credentials.verdict == CredentialsVerdict::Wrong
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedCheck {
    /// What was checked, as a word like `code_flow`.
    pub name: String,
    /// The field it is about: a JSON pointer into the User Source (RFC 6901).
    pub pointer: String,
    /// Its outcome.
    pub outcome: TestOutcome,
    /// What was found and what to do, in sentences.
    pub detail: String,
}

worded! {
    /// The outcome of a check.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum TestOutcome {
        /// It passed.
        Passed = "passed", "Passed";
        /// It passed, with a remark.
        Warning = "warning", "Passed with a warning";
        /// It failed; sign-ins would fail.
        Failed = "failed", "Failed";
        /// It was skipped, because another check failed first.
        Skipped = "skipped", "Skipped";
    }
}
