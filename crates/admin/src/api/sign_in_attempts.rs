//! `/projects/{project}/sign-in-attempts`, and `/sign-in-refusals` of the instance.

use std::sync::Arc;

use axum::{Json, extract::State};
use gatewright_domain::{
    Timestamp,
    id::{AttemptId, GatewayId, GrantId, ProjectId, UserId, UserSourceId},
    reference::Reference,
    sign_in_attempt::{Outcome, Progress, SignInAttempt, Step, StepRecord},
};
use gatewright_store::sign_in_attempt::AttemptFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::Ids,
    list::{List, Paging, Parameters},
    problem::Problem,
};
use crate::{Admin, schema, service::sign_in_attempts as service, sign_in_trace::before_allow::Stray};

/// An attempt to sign in, step by step. Never a secret, code, token, or claim value other than the subject.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInAttempt)]
pub(crate) struct AttemptResource {
    #[schema(value_type = String)]
    id: AttemptId,
    #[schema(value_type = String)]
    project_id: ProjectId,
    #[schema(value_type = String)]
    gateway_id: GatewayId,
    #[schema(value_type = Option<String>)]
    user_source_id: Option<UserSourceId>,
    /// The reference that the pages of this attempt showed.
    #[schema(value_type = Option<String>)]
    reference: Option<Reference>,
    /// The client, in the short form that tokens carry; empty if it is not known.
    client_id: String,
    /// The name reported by the client, unverified.
    client_name: String,
    /// `succeeded` once the app has its tokens; `abandoned` after more time without activity than any step takes.
    #[schema(schema_with = schema::attempt_outcome)]
    outcome: Outcome,
    /// The step that failed, or the last one before it was abandoned.
    #[schema(schema_with = schema::attempt_step_or_null)]
    failed_step: Option<Step>,
    /// The exact reason.
    reason: Option<String>,
    /// What to do about it.
    advice: Option<String>,
    /// Who signed in, if that is known and the user still exists.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// The user's subject.
    subject: Option<String>,
    /// The grant it led to, once the app has its tokens.
    #[schema(value_type = Option<String>)]
    grant_id: Option<GrantId>,
    /// Whether it is kept in the database. Before *Allow* it is only in the memory of one process, and is lost with it.
    stored: bool,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When its last activity was.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// In the order in which they began.
    steps: Vec<StepResource>,
}

/// One step of an attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInStep)]
pub(crate) struct StepResource {
    #[schema(schema_with = schema::attempt_step)]
    step: Step,
    /// `done` or `failed`.
    #[schema(schema_with = schema::step_outcome)]
    outcome: &'static str,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// How long it took, in milliseconds. For the consent: how long the person took.
    duration_ms: u64,
    /// Details.
    detail: Option<String>,
    /// The exact reason of a failure.
    reason: Option<String>,
    /// What to do about it.
    advice: Option<String>,
}

fn step(record: StepRecord) -> StepResource {
    let outcome = if record.failure.is_some() {
        "failed"
    } else {
        "done"
    };
    let (reason, advice) = record
        .failure
        .map(|failure| (failure.reason, failure.advice))
        .unzip();
    StepResource {
        step: record.step,
        outcome,
        at: record.at,
        duration_ms: record.duration_ms,
        detail: record.detail,
        reason,
        advice,
    }
}

fn resource(attempt: SignInAttempt, now: Timestamp) -> AttemptResource {
    let outcome = attempt.outcome(now);
    let (failed_step, failure) = attempt.failure(now).unzip();
    let (reason, advice) = failure.map(|failure| (failure.reason, failure.advice)).unzip();
    let SignInAttempt {
        part,
        subject,
        stored,
    } = attempt;
    let head = part.head;
    AttemptResource {
        id: head.id,
        project_id: head.project_id,
        gateway_id: head.gateway_id,
        user_source_id: head.user_source_id,
        reference: head.reference,
        client_id: head.client_id,
        client_name: head.client_name,
        outcome,
        failed_step,
        reason,
        advice,
        user_id: part.user_id,
        subject,
        grant_id: (part.progress == Progress::Succeeded).then(|| head.id.grant()),
        stored,
        started_at: head.started_at,
        updated_at: part.updated_at,
        steps: part.steps.into_iter().map(step).collect(),
    }
}

/// Which attempts to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AttemptQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only attempts at this gateway.
    #[param(value_type = Option<String>, pattern = "^gw_[0-9a-f]{32}$")]
    gateway_id: Option<GatewayId>,
    /// Only attempts through this User Source.
    #[param(value_type = Option<String>, pattern = "^src_[0-9a-f]{32}$")]
    user_source_id: Option<UserSourceId>,
    /// Only attempts of this user.
    #[param(value_type = Option<String>, pattern = "^usr_[0-9a-f]{32}$")]
    user_id: Option<UserId>,
    /// Only attempts whose pages showed this reference, in any case and with or without the hyphen.
    #[param(value_type = Option<String>, pattern = "^[0-9A-HJ-KM-NP-TV-Z]{4}-[0-9A-HJ-KM-NP-TV-Z]{4}$")]
    reference: Option<Reference>,
    /// Only attempts with this outcome.
    #[param(schema_with = schema::attempt_outcome)]
    outcome: Option<Outcome>,
}

/// List sign-in attempts, newest first
///
/// Steps before the person pressed *Allow* are only in the memory of the process that responds.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/sign-in-attempts",
    tag = "Sign-in attempts",
    params(AttemptQuery),
    responses((status = 200, body = List<AttemptResource>))
)]
pub(super) async fn list_sign_in_attempts(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(project): Ids<ProjectId>,
    Parameters(query): Parameters<AttemptQuery>,
) -> Result<List<AttemptResource>, Problem> {
    let page = Paging::request::<AttemptId>(query.limit, query.cursor)?;
    let filter = AttemptFilter {
        gateway_id: query.gateway_id,
        user_source_id: query.user_source_id,
        user_id: query.user_id,
        reference: query.reference,
        outcome: query.outcome,
    };
    let page = service::list(&app, &authority, project, &filter, &page).await?;
    let now = app.now();
    Ok(List::of(page, |attempt| resource(attempt, now)))
}

/// Read a sign-in attempt
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/sign-in-attempts/{sign_in_attempt}",
    tag = "Sign-in attempts",
    responses((status = 200, body = AttemptResource))
)]
pub(super) async fn get_sign_in_attempt(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids((project, attempt)): Ids<(ProjectId, AttemptId)>,
) -> Result<Json<AttemptResource>, Problem> {
    let attempt = service::find(&app, &authority, project, attempt).await?;
    Ok(Json(resource(attempt, app.now())))
}

/// A refusal on the way to a sign-in that cannot be assigned to a gateway.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInRefusal)]
pub(crate) struct RefusalResource {
    /// The reference that the page showed.
    #[schema(value_type = String)]
    reference: Reference,
    #[schema(schema_with = schema::attempt_step)]
    step: Step,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The exact reason.
    reason: String,
    /// What to do about it.
    advice: String,
}

fn refusal(stray: Stray) -> RefusalResource {
    let (reason, advice) = stray
        .record
        .failure
        .map(|failure| (failure.reason, failure.advice))
        .unwrap_or_default();
    RefusalResource {
        reference: stray.reference,
        step: stray.record.step,
        at: stray.record.at,
        reason,
        advice,
    }
}

/// The refusals the process remembers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInRefusals)]
pub(crate) struct Refusals {
    items: Vec<RefusalResource>,
}

/// List refusals that cannot be assigned to a gateway, newest first
///
/// Forged and late returns from identity providers, and requests for gateways that do not exist: the last two hundred,
/// from the memory of the process that responds.
#[utoipa::path(
    get,
    path = "/api/v1/sign-in-refusals",
    tag = "Instance",
    responses((status = 200, body = Refusals))
)]
pub(super) async fn list_sign_in_refusals(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
) -> Result<Json<Refusals>, Problem> {
    let strays = service::strays(&app, &authority)?;
    Ok(Json(Refusals {
        items: strays.into_iter().map(refusal).collect(),
    }))
}
