//! Checking a provider before anything is saved: while an administrator types its issuer, or before a script creates a source.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gatewright_domain::{
    Invalid,
    id::ProjectId,
    registration::AuthenticationChoice,
    user_source::{TestedCheck, check_issuer, check_scopes, check_subject_claim},
};
use moka::sync::Cache;

use super::{UserSourceCandidate, edit::check_issuer_address};
use crate::{
    Admin,
    relying_party::check::{self, Candidate},
    service::{Authority, ServiceError},
};
use gatewright_gateway::relying_party::connection::kept;

/// How long checks are counted, from the first one on.
const WINDOW: Duration = Duration::from_mins(1);

/// Checks of one account or key in a window. Typing an issuer with pauses takes some ten; anyone who wants to learn what answers
/// in the network around this machine needs thousands.
const MAX_CHECKS: u32 = 30;

/// Accounts and keys that are remembered. The least used are forgotten, so that memory stays bounded.
const MAX_REMEMBERED: u64 = 10_000;

/// Checks that were made, by who made them.
#[derive(Debug)]
pub struct CheckLimits {
    made: Cache<String, Arc<AtomicU32>>,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self {
            made: Cache::builder()
                .max_capacity(MAX_REMEMBERED)
                .time_to_live(WINDOW)
                .build(),
        }
    }
}

impl CheckLimits {
    fn count(&self, actor: String) -> Result<(), ServiceError> {
        let count = self.made.get_with(actor, Arc::default);
        if count.fetch_add(1, Ordering::Relaxed) < MAX_CHECKS {
            return Ok(());
        }
        count.fetch_sub(1, Ordering::Relaxed);
        Err(ServiceError::TooManyChecks { after: WINDOW })
    }
}

/// Asks a provider whether a source could be made of it, within some ten seconds, and keeps nothing. Only those who may create
/// a source may ask, and not without end: each check is a request of this machine to wherever they say.
pub async fn check_provider(
    app: &Admin,
    authority: &Authority,
    project: ProjectId,
    candidate: UserSourceCandidate,
) -> Result<Vec<TestedCheck>, ServiceError> {
    let permit = authority.act(project)?;
    let UserSourceCandidate {
        issuer,
        scopes,
        subject_claim,
        callback,
    } = candidate;
    let mut invalid = Invalid::default();
    invalid.take(check_issuer("/issuer", &issuer));
    let scopes = invalid.take(check_scopes("/scopes", scopes.unwrap_or_default()));
    let subject_claim = invalid.take(check_subject_claim(
        "/subject_claim",
        subject_claim.unwrap_or_default(),
    ));
    invalid.into_result()?;
    check_issuer_address(app, &issuer)?;
    app.issuer_checks.count(authority.actor().kind.to_string())?;
    let candidate = Candidate {
        issuer: &issuer,
        scopes: &scopes.unwrap_or_default(),
        subject_claim: &subject_claim.unwrap_or_default(),
        callback: callback.unwrap_or_default(),
        client_authentication: AuthenticationChoice::Automatic,
    };
    let results = check::check_for(app, Some(permit.project()), candidate).await;
    Ok(results.into_iter().map(kept).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_that_checks_without_end_is_stopped_and_no_other() {
        let limits = CheckLimits::default();
        for _ in 0..MAX_CHECKS {
            assert!(limits.count("acc_ada".to_owned()).is_ok());
        }
        for _ in 0..2 {
            let refused = limits.count("acc_ada".to_owned());
            assert!(matches!(refused, Err(ServiceError::TooManyChecks { after }) if after == WINDOW));
        }
        assert!(limits.count("acc_grace".to_owned()).is_ok());
    }
}
