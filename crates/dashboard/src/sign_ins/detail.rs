//! One attempt to sign in, step by step.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    id::AttemptId,
    sign_in_attempt::{Outcome, SignInAttempt, Step, StepRecord},
    user::UserStatus,
};

use super::{
    row::{self, Names},
    words::{self, Place, lasting, sentence},
};
use crate::{
    Admin,
    error::PageError,
    list::Badge,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{sign_in_attempts as service, users},
    session::InProject,
};

struct StepRow {
    title: &'static str,
    /// Since the beginning.
    after: String,
    took: Option<String>,
    detail: Option<String>,
    reason: Option<String>,
    advice: Option<String>,
}

/// Why it did not succeed, and where that can be changed.
struct Cause {
    reason: String,
    advice: String,
    way: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "dashboard/sign_ins/detail.html")]
struct SignInPage {
    frame: Frame,
    project: ProjectLink,
    title: &'static str,
    badge: Badge,
    is_under_way: bool,
    cause: Option<Cause>,
    at: Moment,
    exact: String,
    person: Option<(String, String)>,
    subject: Option<String>,
    client: String,
    client_id: String,
    gateway: String,
    gateway_path: String,
    source: Option<(String, String)>,
    reference: String,
    is_stored: bool,
    steps: Vec<StepRow>,
    path: String,
}

/// GET `/projects/{project}/sign-ins/{attempt}`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id: AttemptId = place.id("attempt", "sign-in")?;
    let attempt = service::find(&app, &place.visit.authority, place.project.id, id).await?;
    let attempts = [attempt];
    let names = Names::of(&app, &place, &attempts).await?;
    let [attempt] = attempts;
    let now = app.now();
    let outcome = attempt.outcome(now);
    let cause = match attempt.failure(now) {
        Some((step, failure)) => Some(Cause {
            reason: sentence(&failure.reason),
            advice: failure.advice,
            way: way(&app, &place, &attempt, step, &names).await?,
        }),
        None => None,
    };
    let head = &attempt.part.head;
    let exact = head.started_at.to_rfc3339();
    Ok(page::show(&SignInPage {
        frame: place.frame(Section::SignIns),
        project: place.project.clone(),
        title: match outcome {
            Outcome::Succeeded => "Signed in",
            Outcome::Failed => "The sign-in failed",
            Outcome::InProgress => "The sign-in is under way",
            Outcome::Abandoned => "The sign-in was given up",
        },
        badge: words::badge(outcome),
        is_under_way: outcome == Outcome::InProgress,
        cause,
        at: Moment::new(head.started_at, now),
        exact: exact.get(..19).unwrap_or(&exact).replace('T', " "),
        person: names.person(&place, &attempt),
        subject: attempt.subject.clone(),
        client: row::client(&attempt),
        client_id: head.client_id.clone(),
        gateway: names.gateway(&attempt),
        gateway_path: gateway_path(&place, &attempt),
        source: names.source_link(&place, &attempt),
        reference: row::reference(&attempt),
        is_stored: attempt.stored,
        steps: attempt
            .part
            .steps
            .iter()
            .map(|record| step_row(record, head.started_at))
            .collect(),
        path: place.path(&format!("/sign-ins/{id}")),
    }))
}

/// Where what went wrong can be changed, and what the link says. A blocked person is unblocked on their own page, whatever
/// the step was.
async fn way(
    app: &Admin,
    place: &InProject,
    attempt: &SignInAttempt,
    step: Step,
    names: &Names,
) -> Result<Option<(String, String)>, PageError> {
    if let Some(id) = attempt.part.user_id
        && let Some((name, path)) = names.person(place, attempt)
    {
        let user = users::find(app, &place.visit.authority, place.project.id, id).await?;
        if user.status == UserStatus::Blocked {
            return Ok(Some((path, format!("Open the user {name}"))));
        }
    }
    let way = match words::place_of(step) {
        Place::Source => names
            .source_link(place, attempt)
            .map(|(name, path)| (path, format!("Open the User Source {name}"))),
        Place::Gateway => {
            let name = names.gateway(attempt);
            Some((gateway_path(place, attempt), format!("Open the gateway {name}")))
        }
    };
    Ok(way)
}

fn gateway_path(place: &InProject, attempt: &SignInAttempt) -> String {
    place.path(&format!("/gateways/{}", attempt.part.head.gateway_id))
}

fn step_row(record: &StepRecord, began: Timestamp) -> StepRow {
    let after = record.at.since(began).as_millis();
    let after = u64::try_from(after).unwrap_or(u64::MAX);
    let (reason, advice) = record
        .failure
        .as_ref()
        .map(|failure| (sentence(&failure.reason), failure.advice.clone()))
        .unzip();
    StepRow {
        title: words::step(record.step),
        after: lasting(after).map_or_else(|| "0 s".to_owned(), |after| format!("+{after}")),
        took: lasting(record.duration_ms),
        detail: record.detail.as_deref().map(sentence),
        reason,
        advice,
    }
}
