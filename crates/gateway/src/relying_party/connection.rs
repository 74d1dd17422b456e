//! Testing the connection of a User Source: all checks, and whether the provider knows its client.

use gatewright_domain::{
    Timestamp,
    registration::{CredentialsVerdict, TestedCredentials},
    user_source::{ConnectionTest, TestOutcome, TestedCheck, UserSource},
};

use gatewright_identity::{Budget, credential_probe};

use super::{
    check::{self, Candidate, CheckName, CheckResult, Outcome},
    registration,
};
use crate::Gateways;

/// What is said about a source whose secret cannot be opened.
pub(super) const UNREADABLE: &str = "The stored client secret cannot be opened with the master key of this instance. Enter it again in the \
                          User Source.";

/// What a test showed.
#[derive(Debug)]
pub struct Tested {
    /// The test, as it is kept.
    pub test: ConnectionTest,
    /// When every check held and the provider did not refuse the client: the moment to store as `verified_at`.
    pub verified_at: Option<Timestamp>,
}

/// Tests a source as it is stored, within some twenty seconds.
pub async fn test(app: &Gateways, source: &UserSource) -> Tested {
    let candidate = Candidate {
        issuer: &source.issuer,
        scopes: &source.scopes,
        subject_claim: &source.subject_claim,
        callback: source.callback,
        client_authentication: source.client_authentication.choice,
    };
    let results = check::check_for(app, Some(source.project_id), candidate).await;
    let credentials = if can_be_asked(&results) {
        probe(app, source).await
    } else {
        credential_probe::cannot_tell(
            "The token endpoint was not asked, because the provider cannot be used as it is.",
        )
    };
    let verified_at =
        check::verified_at(&results, app.now()).filter(|_| credentials.verdict != CredentialsVerdict::Wrong);
    Tested {
        test: ConnectionTest {
            tested_at: app.now(),
            checks: results.into_iter().map(kept).collect(),
            credentials,
        },
        verified_at,
    }
}

/// Asks the provider whether it knows the client of a source, within ten seconds. Nothing about the newest secret is noted but
/// the way it had to be sent.
pub(super) async fn probe(app: &Gateways, source: &UserSource) -> TestedCredentials {
    let registration = registration::of(app, source, source.callback);
    let budget = Budget::start(Some(source.project_id));
    let probed = credential_probe::probe(&app.providers, &registration, budget, UNREADABLE).await;
    if let Some(method) = probed.other_method {
        registration::remember(app, source, method).await;
    }
    probed.credentials
}

/// Whether the checks so far allow a secret to be sent to the provider's token endpoint.
fn can_be_asked(results: &[CheckResult]) -> bool {
    let needed = [
        CheckName::IssuerUrl,
        CheckName::Discovery,
        CheckName::Issuer,
        CheckName::Endpoints,
    ];
    results
        .iter()
        .filter(|result| needed.contains(&result.name))
        .all(|result| matches!(result.outcome, Outcome::Passed | Outcome::Warning(_)))
}

/// A check in words, as it is kept and shown.
pub fn kept(result: CheckResult) -> TestedCheck {
    let name = result.name;
    let (outcome, finding) = match result.outcome {
        Outcome::Passed => (TestOutcome::Passed, None),
        Outcome::Warning(finding) => (TestOutcome::Warning, Some(finding)),
        Outcome::Failed(finding) => (TestOutcome::Failed, Some(finding)),
        Outcome::Skipped => (TestOutcome::Skipped, None),
    };
    let (pointer, detail) = match finding {
        Some(finding) => (finding.pointer, format!("{} {}", finding.found, finding.remedy)),
        None if outcome == TestOutcome::Skipped => (
            name.pointer().to_owned(),
            "This was not tried, because another check failed first.".to_owned(),
        ),
        None => (name.pointer().to_owned(), name.when_passed().to_owned()),
    };
    TestedCheck {
        name: name.as_str().to_owned(),
        pointer,
        outcome,
        detail,
    }
}
