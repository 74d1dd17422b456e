//! POST `/projects/{project}/user-sources/check`: what a provider answers, while its issuer is being entered. The part of a page
//! that a script asks for; without one the same is shown when the form is sent.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::user_source::{TestOutcome, TestedCheck};

use super::fields;
use crate::{
    Admin,
    error::PageError,
    form::Posted,
    page,
    service::{
        ServiceError,
        user_sources::{self as service, UserSourceCandidate},
    },
    session::InProject,
};

#[derive(Template)]
#[template(path = "dashboard/user_sources/check.html")]
struct CheckPart {
    issuer: String,
    /// What is wrong, each in sentences.
    problems: Vec<String>,
    /// What holds and is better known.
    warnings: Vec<String>,
    /// How many checks hold.
    passed: usize,
}

/// The handler. The service lets administrators of the project ask, and not without end.
pub(super) async fn check(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let issuer = posted.text("issuer").to_owned();
    let candidate = UserSourceCandidate {
        issuer: issuer.clone(),
        scopes: Some(fields::scopes(posted.text("scopes"))),
        subject_claim: Some(posted.text("subject_claim").to_owned()),
        callback: Some(fields::callback(&posted)),
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    let checks = match service::check_provider(&app, authority, project, candidate).await {
        Ok(checks) => checks,
        Err(ServiceError::Invalid(invalid)) => {
            let details = invalid.violations().iter().map(|one| one.detail.clone());
            return Ok(part(issuer, details.collect(), &[]));
        }
        Err(ServiceError::TooManyChecks { .. }) => {
            let text = "Many providers were checked in the last minute, so this one was not. It is checked when you save.";
            return Ok(part(issuer, vec![text.to_owned()], &[]));
        }
        Err(other) => return Err(other.into()),
    };
    let problems = of_outcome(&checks, TestOutcome::Failed);
    Ok(part(issuer, problems, &checks))
}

fn of_outcome(checks: &[TestedCheck], outcome: TestOutcome) -> Vec<String> {
    let found = checks.iter().filter(|check| check.outcome == outcome);
    found.map(|check| check.detail.clone()).collect()
}

fn part(issuer: String, problems: Vec<String>, checks: &[TestedCheck]) -> Response {
    page::show(&CheckPart {
        issuer,
        problems,
        warnings: of_outcome(checks, TestOutcome::Warning),
        passed: of_outcome(checks, TestOutcome::Passed).len(),
    })
}
