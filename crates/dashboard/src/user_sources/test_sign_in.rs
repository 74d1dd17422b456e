//! `/projects/{project}/user-sources/{source}/test-sign-ins`: started here, gone through at the provider, and read here again.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    id::{TestSignInId, UserSourceId},
    test_sign_in::TestProgress,
};

use super::{detail, edit};
use crate::{
    Admin,
    error::PageError,
    form::{Form, Posted},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    relying_party::test_sign_in::{Fit, Report, ReportedClaim, sentence, shown_value},
    service::user_sources::{self as sources, test_sign_ins as service},
    session::InProject,
};

/// A claim of the ID token.
struct ClaimRow {
    name: String,
    value: String,
    is_subject: bool,
    look: &'static str,
    mark: &'static str,
    detail: String,
    /// Whether it can be chosen as the subject claim.
    is_choice: bool,
}

/// Why it failed.
struct Failure {
    reason: String,
    advice: String,
    reference: Option<String>,
}

struct Outcome {
    subject: Option<String>,
    subject_claim: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    failure: Option<Failure>,
    warnings: Vec<(String, String)>,
    claims: Vec<ClaimRow>,
}

#[derive(Template)]
#[template(path = "dashboard/user_sources/test_sign_in.html")]
struct TestPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    path: String,
    name: String,
    version: String,
    /// Whether someone is at the provider just now.
    is_at_provider: bool,
    ends: Moment,
    result: Option<Outcome>,
}

/// POST `/projects/{project}/user-sources/{source}/test-sign-ins`: leads to the page of the test, where the click is that
/// binds this browser. From there the way leads to the provider and back to [`show`].
pub(super) async fn start(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: UserSourceId = place.id("source", "User Source")?;
    match service::start(&app, &place.visit.authority, place.project.id, id).await {
        Ok(started) => Ok(page::go(&started.url, [])),
        Err(error) => {
            let form = Form::refused(&posted, &[], &[], error)?;
            detail::render(&app, &place, id, form).await
        }
    }
}

/// GET `/projects/{project}/user-sources/{source}/test-sign-ins/{test}`. To anyone but its starter it is not there.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id: UserSourceId = place.id("source", "User Source")?;
    let test: TestSignInId = place.id("test", "test sign-in")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let source = sources::find(&app, authority, project, id).await?;
    let read = service::find(&app, authority, project, id, test).await?;
    Ok(page::show(&TestPage {
        frame: place.frame(Section::UserSources),
        project: place.project.clone(),
        may_change: place.may_change(),
        path: place.path(&format!("/user-sources/{id}")),
        version: edit::version(source.updated_at),
        is_at_provider: read.test.progress == TestProgress::AtProvider,
        ends: Moment::new(read.test.expires_at, app.now()),
        result: read.report.map(|report| result(report, &source.subject_claim)),
        name: source.name,
    }))
}

/// Its result. A claim that was chosen in the meantime is marked, not the one of the report.
fn result(report: Report, subject_claim: &str) -> Outcome {
    Outcome {
        subject: report.subject,
        subject_claim: report.subject_claim,
        display_name: report.display_name,
        email: report.email,
        failure: report.failure.map(|failure| Failure {
            reason: sentence(&failure.reason),
            advice: failure.advice,
            reference: failure.reference,
        }),
        warnings: report
            .warnings
            .into_iter()
            .map(|warning| (warning.found, warning.remedy))
            .collect(),
        claims: report
            .claims
            .into_iter()
            .map(|claim| row(claim, subject_claim))
            .collect(),
    }
}

fn row(claim: ReportedClaim, subject_claim: &str) -> ClaimRow {
    let (look, mark) = match claim.fit {
        Fit::Usable => ("good", "Usable"),
        Fit::Discouraged => ("warn", "Better not"),
        Fit::Unusable => ("", "Not usable"),
    };
    let is_subject = claim.name == subject_claim;
    ClaimRow {
        value: shown_value(&claim),
        is_choice: !is_subject && claim.fit != Fit::Unusable,
        is_subject,
        look,
        mark,
        detail: claim.detail,
        name: claim.name,
    }
}
