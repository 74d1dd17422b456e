//! What came of testing a User Source's connection, as it is kept with the source.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The last test of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTest {
    /// When it was made.
    pub tested_at: Timestamp,
    /// The checks, each resting on those before it.
    pub checks: Vec<TestedCheck>,
    /// What the token endpoint thinks of client id and secret.
    pub credentials: TestedCredentials,
}

impl ConnectionTest {
    /// Whether the provider refused client id or secret.
    pub fn refused_client(&self) -> bool {
        self.credentials.verdict == CredentialsVerdict::Wrong
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedCheck {
    /// What was checked, in a word like `code_flow`.
    pub name: String,
    /// The field it is about: a JSON pointer into the User Source (RFC 6901).
    pub pointer: String,
    /// What came of it.
    pub outcome: TestOutcome,
    /// What was found and what to do, in sentences.
    pub detail: String,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestOutcome {
    /// It holds.
    Passed,
    /// It holds, with something to know.
    Warning,
    /// It does not hold; sign-ins would fail.
    Failed,
    /// It was not tried, because another check failed first.
    Skipped,
}

/// What was learnt about client id and secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestedCredentials {
    /// The verdict.
    pub verdict: CredentialsVerdict,
    /// Why, and what to do, in sentences.
    pub detail: String,
}

/// Whether the provider knows client id and secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsVerdict {
    /// The provider takes them, and refuses a wrong secret.
    Right,
    /// The provider refuses them.
    Wrong,
    /// Its answers do not tell.
    CannotTell,
}
