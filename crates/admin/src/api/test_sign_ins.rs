//! `/projects/{project}/user-sources/{user_source}/test-sign-ins`.

use std::sync::Arc;

use axum::{Json, extract::State};
use gatewright_domain::{
    Timestamp,
    id::{ProjectId, TestSignInId, UserSourceId},
    test_sign_in::{TestProgress, TestSignIn},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{authenticate::Caller, input::Ids, problem::Problem, user_sources::Warning, version::Created};
use crate::{
    Admin,
    relying_party::test_sign_in::{Fit, Report, ReportedClaim},
    schema,
    service::user_sources::test_sign_ins as service,
};

/// A test sign-in. It is available for ten minutes, and only to the person who started it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestSignIn)]
pub(crate) struct TestSignInResource {
    #[schema(value_type = String)]
    id: TestSignInId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    #[schema(value_type = String)]
    user_source_id: UserSourceId,
    /// `waiting` until someone clicks on its page; a test that `failed` can be tried again there.
    #[schema(schema_with = schema::test_status)]
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it is deleted, with its result.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// How it ended; null while it is in progress.
    #[schema(required = true)]
    report: Option<TestReport>,
}

/// A test sign-in that was just started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartedTestSignIn {
    #[serde(flatten)]
    test_sign_in: TestSignInResource,
    /// The page to open in a browser: it cannot be read again. Null in a response that is repeated for an `Idempotency-Key`.
    #[schema(value_type = Option<String>, required = true, extensions(("x-shown-once" = json!(true))))]
    url: String,
    /// Only in a response that is repeated for an `Idempotency-Key`: what it does not contain, and what to do without it.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

/// How a test sign-in ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestReport {
    #[schema(value_type = String, format = DateTime)]
    finished_at: Timestamp,
    /// The claim that identifies the person; null if the sign-in failed before there were claims.
    #[schema(required = true)]
    subject_claim: Option<String>,
    /// Its value, which would identify the person.
    #[schema(required = true)]
    subject: Option<String>,
    /// The name to show.
    #[schema(required = true)]
    display_name: Option<String>,
    /// The e-mail address, if the provider vouches for it.
    #[schema(required = true)]
    email: Option<String>,
    /// The claims of the verified ID token: the subject claim first, then what else could be, those of the token itself last.
    claims: Vec<TestedClaim>,
    /// Warnings; the sign-in works despite them.
    warnings: Vec<Warning>,
    /// Why it failed; null if it succeeded.
    #[schema(required = true)]
    failure: Option<TestFailure>,
}

/// A claim of the ID token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestedClaim {
    name: String,
    /// Any JSON; also null if it is longer than 2,000 bytes.
    #[schema(required = true)]
    value: Option<Value>,
    /// Whether it is the subject claim of the source.
    is_subject: bool,
    /// Whether it could be: `discouraged` claims can later identify someone else.
    #[schema(schema_with = schema::fit)]
    as_subject: Fit,
    /// Why, in a sentence.
    detail: String,
}

/// Why a test sign-in failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestFailure {
    /// The step, like `token_request`.
    step: String,
    /// The exact reason.
    reason: String,
    /// What to do about it.
    advice: String,
    /// The reference of the log entry, if there is one.
    #[schema(required = true)]
    reference: Option<String>,
}

fn resource(test: &TestSignIn, report: Option<Report>) -> TestSignInResource {
    TestSignInResource {
        id: test.id,
        project_id: test.project_id,
        user_source_id: test.user_source_id,
        status: match test.progress {
            TestProgress::Waiting => "waiting",
            TestProgress::AtProvider => "at_provider",
            TestProgress::Succeeded(_) => "succeeded",
            TestProgress::Failed(_) => "failed",
        },
        created_at: test.created_at,
        expires_at: test.expires_at,
        report: report.map(reported),
    }
}

fn reported(report: Report) -> TestReport {
    let claim = |claim: ReportedClaim| TestedClaim {
        name: claim.name,
        value: claim.value,
        is_subject: claim.is_subject,
        as_subject: claim.fit,
        detail: claim.detail,
    };
    TestReport {
        finished_at: report.finished_at,
        subject_claim: report.subject_claim,
        subject: report.subject,
        display_name: report.display_name,
        email: report.email,
        claims: report.claims.into_iter().map(claim).collect(),
        warnings: report.warnings.into_iter().map(Warning::from).collect(),
        failure: report.failure.map(|failure| TestFailure {
            step: failure.step,
            reason: failure.reason,
            advice: failure.advice,
            reference: failure.reference,
        }),
    }
}

/// Start a test sign-in: a complete sign-in at the provider that creates no user, grant or code
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/user-sources/{user_source}/test-sign-ins",
    tag = "Test sign-ins",
    responses((status = 201, body = StartedTestSignIn, headers(("Location" = String, description = "Its path."))))
)]
pub(super) async fn start_test_sign_in(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, source)): Ids<(ProjectId, UserSourceId)>,
) -> Result<Created<Json<StartedTestSignIn>>, Problem> {
    let started = service::start(&app, &authority, project, source).await?;
    let id = started.test.id;
    Ok(Created {
        location: format!("/api/v1/projects/{project}/user-sources/{source}/test-sign-ins/{id}"),
        content: Json(StartedTestSignIn {
            test_sign_in: resource(&started.test, None),
            url: started.url,
            notice: None,
        }),
    })
}

/// Read a test sign-in: its progress and its result, for the person who started it
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/user-sources/{user_source}/test-sign-ins/{test_sign_in}",
    tag = "Test sign-ins",
    responses((status = 200, body = TestSignInResource))
)]
pub(super) async fn get_test_sign_in(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, source, id)): Ids<(ProjectId, UserSourceId, TestSignInId)>,
) -> Result<Json<TestSignInResource>, Problem> {
    let read = service::find(&app, &authority, project, source, id).await?;
    Ok(Json(resource(&read.test, read.report)))
}
