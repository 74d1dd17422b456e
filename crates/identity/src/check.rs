//! What must hold of a provider before sign-ins can work, as named checks: at save, in `doctor`, and on request.

mod findings;
mod report;

use std::time::Duration;

use gatewright_domain::{Invalid, Timestamp, id::ProjectId, registration::AuthenticationChoice};
use serde::{Deserialize, Serialize};

use self::report::{Report, finding, unreachable};
use crate::{
    fetch::{Limits, Policy},
    providers::Providers,
};

/// Each of the two fetches of a check: an administrator waits for both.
const FETCH_LIMITS: Limits = Limits {
    deadline: Duration::from_secs(5),
    body: 512 * 1024,
};

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The issuer is a URL we may use.
    IssuerUrl,
    /// The discovery document can be fetched and read.
    Discovery,
    /// Its issuer is the configured one.
    Issuer,
    /// Its endpoints are there and are https.
    Endpoints,
    /// The provider supports the authorization code flow.
    CodeFlow,
    /// The provider supports PKCE with S256, if it says what it supports.
    Pkce,
    /// The provider takes the client secret in a way we can send it.
    ClientAuthentication,
    /// The provider signs ID tokens with an algorithm we accept.
    SignatureAlgorithm,
    /// The key set can be fetched and has a usable key.
    Keys,
    /// The provider supports the scopes, if it lists those it supports.
    Scopes,
    /// The provider names itself in its authorization responses, so that no other provider can be taken for it.
    IssuerParameter,
    /// The subject claim identifies people for good.
    SubjectClaim,
}

impl CheckName {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IssuerUrl => "issuer_url",
            Self::Discovery => "discovery",
            Self::Issuer => "issuer",
            Self::Endpoints => "endpoints",
            Self::CodeFlow => "code_flow",
            Self::Pkce => "pkce",
            Self::ClientAuthentication => "client_authentication",
            Self::SignatureAlgorithm => "signature_algorithm",
            Self::Keys => "keys",
            Self::Scopes => "scopes",
            Self::IssuerParameter => "issuer_parameter",
            Self::SubjectClaim => "subject_claim",
        }
    }

    /// The field it is about, if nothing more exact was found: a JSON pointer into the registration.
    pub const fn pointer(self) -> &'static str {
        match self {
            Self::IssuerUrl
            | Self::Discovery
            | Self::Issuer
            | Self::Endpoints
            | Self::CodeFlow
            | Self::Pkce
            | Self::SignatureAlgorithm
            | Self::Keys
            | Self::IssuerParameter => "/issuer",
            Self::ClientAuthentication => "/client_secret",
            Self::Scopes => "/scopes",
            Self::SubjectClaim => "/subject_claim",
        }
    }

    /// What it means that it holds, in a sentence.
    pub const fn when_passed(self) -> &'static str {
        match self {
            Self::IssuerUrl => "The issuer is a valid URL.",
            Self::Discovery => "The provider answers with its discovery document.",
            Self::Issuer => "The discovery document has exactly this issuer.",
            Self::Endpoints => "The discovery document has the endpoints for signing in.",
            Self::CodeFlow => "The provider does not exclude the authorization code flow.",
            Self::Pkce => "The provider does not exclude PKCE with S256.",
            Self::ClientAuthentication => "The provider does not exclude the ways a client secret is sent.",
            Self::SignatureAlgorithm => "The provider does not exclude the accepted ID token signatures.",
            Self::Keys => "The provider publishes a key that can verify ID tokens.",
            Self::Scopes => "`openid` is requested, and the provider lists every scope or publishes no list.",
            Self::IssuerParameter => "An answer of this provider cannot be confused with another provider's.",
            Self::SubjectClaim => "The subject claim can be used.",
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It holds, with something to know.
    Warning(Finding),
    /// It does not hold; sign-ins would fail.
    Failed(Finding),
    /// It could not be tried, because another check failed first.
    Skipped,
}

/// What was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The field to correct: a JSON pointer into the registration, like `/issuer`.
    pub pointer: String,
    /// What was found, in a sentence.
    pub found: String,
    /// What to do or type, in a sentence.
    pub remedy: String,
}

/// One check and the result of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// What was checked.
    pub name: CheckName,
    /// The result of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What is checked of a registration against its provider.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// Scopes to be asked for.
    pub scopes: &'a [String],
    /// The claim that identifies the user.
    pub subject_claim: &'a str,
    /// What to warn of if the provider does not name itself when it sends people back (RFC 9207) and another provider could
    /// pass for it; `None` if none can, because the redirect URL is its own.
    pub unnamed: Option<&'a Finding>,
    /// How the client secret is to be presented.
    pub client_authentication: AuthenticationChoice,
}

/// Checks a registration against its provider, within some ten seconds. Fetches each time, at the expense of the project that
/// asks, if there is one. Otherwise one could name addresses that hang at the domain of other projects' provider, and so take the
/// connections with which all of them sign in there.
pub async fn check(
    providers: &Providers,
    project: Option<ProjectId>,
    candidate: Candidate<'_>,
) -> Vec<CheckResult> {
    let rule = providers.url_rule();
    let mut report = Report::default();
    let Some(issuer) = report.issuer_url(candidate.issuer, rule) else {
        return report.finish();
    };
    if let Err(refusal) = providers.fetch().check_url(Policy::Operator, &issuer) {
        report.fail(
            CheckName::Discovery,
            finding(
                "/issuer",
                format!("This address may not be used: {refusal}."),
                "Use the provider's public or private address. `outbound.allow` in the configuration admits private and loopback \
                 networks; link-local and cloud metadata addresses are never allowed.",
            ),
        );
        return report.finish();
    }
    let document = providers
        .fetch_document(project, candidate.issuer, FETCH_LIMITS)
        .await;
    let document = match document {
        Ok(document) => document,
        Err(error) => {
            report.fail(CheckName::Discovery, unreachable(candidate.issuer, &error));
            return report.finish();
        }
    };
    report.pass(CheckName::Discovery);
    report.document(&document, candidate, rule);
    match document.endpoint("jwks_uri", rule) {
        Ok(address) => {
            let keys = providers.fetch_keys(project, address.as_str(), FETCH_LIMITS);
            report.keys(keys.await);
        }
        Err(_) => report.add(CheckName::Keys, Outcome::Skipped),
    }
    providers.forget(candidate.issuer);
    report.finish()
}

/// The failed checks as violations of the request that brought the registration; `Ok` when none failed.
pub fn into_result(results: &[CheckResult]) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    for result in results {
        if let Outcome::Failed(finding) = &result.outcome {
            invalid.add(
                finding.pointer.clone(),
                format!("{} {}", finding.found, finding.remedy),
            );
        }
    }
    invalid.into_result()
}

/// What holds with something to know.
pub fn warnings(results: &[CheckResult]) -> Vec<Finding> {
    let warning = |result: &CheckResult| match &result.outcome {
        Outcome::Warning(finding) => Some(finding.clone()),
        Outcome::Passed | Outcome::Failed(_) | Outcome::Skipped => None,
    };
    results.iter().filter_map(warning).collect()
}

/// When all checks passed: the moment to store as `verified_at`.
pub fn verified_at(results: &[CheckResult], now: Timestamp) -> Option<Timestamp> {
    let holds = |result: &CheckResult| matches!(result.outcome, Outcome::Passed | Outcome::Warning(_));
    results.iter().all(holds).then_some(now)
}

#[cfg(test)]
mod tests;
