//! Testing the connection of a User Source: all checks again, and whether the provider knows its client.

use gatewright_domain::{
    id::{ProjectId, UserSourceId},
    user_source::{ConnectionTest, CredentialsVerdict, TestOutcome, TestedCheck, UserSource},
};
use gatewright_store::user_source as rows;

use super::{audited, existing, held, object};
use crate::{
    app::App,
    relying_party::{
        check::{self, Candidate, CheckName, CheckResult, Outcome},
        credential_probe,
    },
    service::{
        Authority, ServiceError,
        change::{Change, field, updated},
    },
};

/// Tests a source as it is stored, within some twenty seconds, and keeps the result with it. Where every check holds and the
/// provider does not refuse the client, the source counts as verified.
pub async fn test_connection(
    app: &App,
    authority: &Authority,
    project: ProjectId,
    id: UserSourceId,
) -> Result<UserSource, ServiceError> {
    authority.change(project)?;
    let mut tx = app.store.read().await?;
    let tested = existing(&mut tx, project, id).await?;
    drop(tx);
    let candidate = Candidate {
        issuer: &tested.issuer,
        scopes: &tested.scopes,
        subject_claim: &tested.subject_claim,
        callback: tested.callback,
        client_authentication: tested.client_authentication.choice,
    };
    let results = check::check(app, candidate).await;
    let credentials = if can_be_asked(&results) {
        credential_probe::probe(app, &tested).await
    } else {
        credential_probe::cannot_tell(
            "The token endpoint was not asked, because the provider cannot be used as it is.",
        )
    };
    let verified_at =
        check::verified_at(&results, app.now()).filter(|_| credentials.verdict != CredentialsVerdict::Wrong);

    let mut change = Change::begin(app, authority, Some(project)).await?;
    // While the provider was asked, a sign-in may have noted something or somebody changed the source: the result is kept
    // as long as it is about what is stored.
    let current = held(&mut change.tx, project, id).await?;
    if !is_about(&tested, &current) {
        return Err(ServiceError::changed_meanwhile());
    }
    let mut next = current.clone();
    let verdict = field("credentials", credentials.verdict);
    // A source whose client the provider refuses is not verified, whenever it was.
    let next_is_wrong = credentials.verdict == CredentialsVerdict::Wrong;
    next.last_test = Some(ConnectionTest {
        tested_at: change.now,
        checks: results.into_iter().map(kept).collect(),
        credentials,
    });
    next.verified_at = if next_is_wrong {
        None
    } else {
        verified_at.or(current.verified_at)
    };
    // `updated_at` stays: a test edits nothing, and a form that is open meanwhile can still be saved.
    if !rows::update(&mut change.tx, &next, &current).await? {
        return Err(ServiceError::changed_meanwhile());
    }
    let mut after = audited(&next);
    after.push(verdict);
    let changes = updated(&audited(&current), after);
    change.record("tested", object(&next), changes).await?;
    change.commit().await?;
    Ok(next)
}

/// Whether the provider is so far what it should be that a secret may be sent to its token endpoint.
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

fn is_about(tested: &UserSource, current: &UserSource) -> bool {
    tested.identity_epoch == current.identity_epoch
        && !tested.changes_identity(&current.issuer, &current.client_id, &current.subject_claim)
        && tested.scopes == current.scopes
        && tested.callback == current.callback
        && tested.client_secret.current == current.client_secret.current
        && tested.client_authentication.choice == current.client_authentication.choice
}

/// A check in words, as it is kept and shown.
pub(super) fn kept(result: CheckResult) -> TestedCheck {
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
