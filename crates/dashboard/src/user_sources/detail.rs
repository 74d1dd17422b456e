//! `/projects/{project}/user-sources/{source}`: one source, what it rests on and what rests on it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    gateway::GatewayStatus,
    id::UserSourceId,
    registration::CredentialsVerdict,
    user_source::{Callback, ConnectionTest, TestOutcome, UserSource, UserSourceStatus},
};

use super::{
    fields,
    state::{self, Notice, Way},
};
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::Form,
    icon::Icon,
    incidents::{self, IncidentRow},
    list::{Badge, GatewayLink},
    managed::Managed,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::{effects::AffectedGateway, user_sources as service},
    session::InProject,
};

/// Gateways that are named; of more the number is shown.
const NAMED: usize = 20;

/// A line of what a test of the connection brought.
struct CheckRow {
    title: &'static str,
    detail: String,
    /// `good`, `warn`, `bad` or nothing.
    look: &'static str,
    word: &'static str,
    icon: Icon,
}

struct TestResult {
    at: Moment,
    /// What it comes to.
    verdict: &'static str,
    look: &'static str,
    rows: Vec<CheckRow>,
}

#[derive(Template)]
#[template(path = "dashboard/user_sources/detail.html")]
struct DetailPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    /// What an action met that forbids it.
    form: Form,
    source: UserSource,
    path: String,
    is_active: bool,
    badges: Vec<Badge>,
    notices: Vec<Notice>,
    secret: &'static str,
    authentication: &'static str,
    secret_changed: Moment,
    secret_expires: Option<String>,
    verified: Option<Moment>,
    created: Moment,
    updated: Moment,
    test: Option<TestResult>,
    gateways: Vec<GatewayLink>,
    incidents: Vec<IncidentRow>,
    managed: Option<Managed>,
    gateway_count: usize,
    active_gateways: usize,
    users: i64,
    /// Those under an earlier issuer or subject claim.
    former_users: i64,
    sessions: i64,
    /// Sessions that sleep because a gateway or the source is inactive.
    asleep: i64,
    callback: String,
    has_own_callback: bool,
}

impl DetailPage {
    fn leads_to_secret(&self, notice: &Notice) -> bool {
        self.may_change && notice.way == Some(Way::Rotate)
    }

    fn leads_to_test(&self, notice: &Notice) -> bool {
        self.may_change && notice.way == Some(Way::Test)
    }

    fn more_gateways(&self) -> usize {
        self.gateway_count - self.gateways.len()
    }
}

/// GET `/projects/{project}/user-sources/{source}`.
pub(super) async fn show(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let id = place.id("source", "User Source")?;
    render(&app, &place, id, Form::default()).await
}

/// POST `/projects/{project}/user-sources/{source}/test-connection`. It takes as long as the provider does, some twenty seconds
/// at most.
pub(super) async fn test_connection(
    State(app): State<Arc<Admin>>,
    place: InProject,
) -> Result<Response, PageError> {
    let id: UserSourceId = place.id("source", "User Source")?;
    service::test_connection(&app, &place.visit.authority, place.project.id, id).await?;
    let path = place.path(&format!("/user-sources/{id}"));
    Ok(page::done(&path, Flash::ConnectionTested))
}

/// The page, with what an action met that forbids it.
pub(super) async fn render(
    app: &Admin,
    place: &InProject,
    id: UserSourceId,
    form: Form,
) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let source = service::find(app, authority, project, id).await?;
    let usage = service::usage(app, authority, project, id).await?;
    let now = app.now();
    let seen = |at| Moment::new(at, now);
    Ok(page::show_with(
        form.status(),
        &DetailPage {
            frame: place.frame(Section::UserSources),
            project: place.project.clone(),
            may_change: place.may_change(),
            form,
            path: place.path(&format!("/user-sources/{id}")),
            is_active: source.status == UserSourceStatus::Active,
            incidents: incidents::of(app, place, id.to_string()).await?,
            managed: Managed::of(app, place, id, Some(source.updated_at)).await?,
            badges: state::badges(&source, now),
            notices: state::notices(&source, now),
            secret: state::secret_in_words(&source, now),
            authentication: state::authentication_in_words(&source),
            secret_changed: seen(source.client_secret.changed_at),
            secret_expires: source.client_secret_expires_at.map(fields::day),
            verified: source.verified_at.map(seen),
            created: seen(source.created_at),
            updated: seen(source.updated_at),
            test: source.last_test.as_ref().map(|test| result(test, now)),
            gateway_count: usage.gateways.len(),
            active_gateways: count_active(&usage.gateways),
            gateways: links(place, &usage.gateways),
            users: usage.users,
            former_users: usage.former_users,
            sessions: usage.live_grants,
            asleep: usage.sleeping_grants,
            callback: app.config.redirect_url(source.id, source.callback),
            has_own_callback: source.callback == Callback::Own,
            source,
        },
    ))
}

/// The first of some gateways, to go to.
pub(super) fn links(place: &InProject, gateways: &[AffectedGateway]) -> Vec<GatewayLink> {
    let link =
        |gateway: &AffectedGateway| GatewayLink::new(place, gateway.id, gateway.name.clone(), gateway.status);
    gateways.iter().take(NAMED).map(link).collect()
}

/// How many of some gateways are active.
pub(super) fn count_active(gateways: &[AffectedGateway]) -> usize {
    let is_active = |gateway: &&AffectedGateway| gateway.status == GatewayStatus::Active;
    gateways.iter().filter(is_active).count()
}

fn result(test: &ConnectionTest, now: Timestamp) -> TestResult {
    let mut rows: Vec<CheckRow> = test
        .checks
        .iter()
        .map(|check| {
            let (look, icon) = look_of(check.outcome);
            CheckRow {
                title: title(&check.name),
                detail: check.detail.clone(),
                look,
                word: check.outcome.label(),
                icon,
            }
        })
        .collect();
    let verdict = test.credentials.verdict;
    let (look, icon) = match verdict {
        CredentialsVerdict::Right => ("good", Icon::Check),
        CredentialsVerdict::Wrong => ("bad", Icon::Problem),
        CredentialsVerdict::CannotTell => ("warn", Icon::Warning),
    };
    rows.push(CheckRow {
        title: "Client ID and secret",
        detail: test.credentials.detail.clone(),
        look,
        word: verdict.label(),
        icon,
    });
    let has = |look: &str| rows.iter().any(|row| row.look == look);
    let (verdict, look) = if has("bad") {
        ("Sign-ins would fail", "bad")
    } else if has("warn") {
        ("Passed with warnings", "good")
    } else {
        ("All checks passed", "good")
    };
    TestResult {
        at: Moment::new(test.tested_at, now),
        verdict,
        look,
        rows,
    }
}

const fn look_of(outcome: TestOutcome) -> (&'static str, Icon) {
    match outcome {
        TestOutcome::Passed => ("good", Icon::Check),
        TestOutcome::Warning => ("warn", Icon::Warning),
        TestOutcome::Failed => ("bad", Icon::Problem),
        TestOutcome::Skipped => ("", Icon::Info),
    }
}

/// The name of a check. The words are those of the last test, which another version may have run.
fn title(name: &str) -> &'static str {
    match name {
        "issuer_url" => "Issuer URL",
        "discovery" => "Discovery document",
        "issuer" => "Issuer",
        "endpoints" => "Endpoints",
        "code_flow" => "Authorization code flow",
        "pkce" => "PKCE",
        "client_authentication" => "Client authentication",
        "signature_algorithm" => "ID token signature",
        "keys" => "Keys",
        "scopes" => "Scopes",
        "issuer_parameter" => "Issuer in answers",
        "subject_claim" => "Subject Claim",
        _ => "Another check",
    }
}
