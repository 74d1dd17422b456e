//! Test sign-ins: the page on which one begins, and what is kept of how it ends. Between the two it is a sign-in like any
//! other, through the same callback.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::{
    Timestamp,
    audit::ActorKind,
    entropy,
    id::{ProjectId, TestSignInId, UserSourceId},
    sealed::{OpenError, Purpose},
    stored_secret::SealedText,
    test_sign_in::{TestProgress, TestSignIn},
    token_hash::TokenHash,
    user_source::UserSource,
};
use gatewright_store::{StoreError, Urgency, test_sign_in as rows, user_source};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::{
    failure::Failure,
    pending::{Aim, PendingSignIn},
    start::{self, Started},
};
pub use crate::page::{sentence, shown_value};
pub use crate::test_report::{Fit, Report, ReportedClaim, ReportedFailure};
use crate::{
    Gateways, account_sessions,
    authorization_server::{redirect, unavailable_page},
    page::{self, DonePage, ErrorPage, TestPage},
    request::RequestContext,
    same_origin::is_same_origin,
    session_cookie as cookie,
};

/// The route of the page.
pub(super) const PAGE_ROUTE: &str = "/oauth2/test-sign-in/{token}";

/// The address of the page that this token opens.
fn page_url(public_url: &str, token: &str) -> String {
    format!("{public_url}{}", PAGE_ROUTE.replace("{token}", token))
}

/// The life of a test: a sign-in with a password reset and a second factor fits, and claims are not kept for longer.
const LIFE: Duration = Duration::from_mins(10);

/// A test that is about to be stored, and the address of its page, which is shown this one time.
pub fn prepare(
    app: &Gateways,
    source: &UserSource,
    started_by: String,
    now: Timestamp,
) -> (TestSignIn, String) {
    let token = entropy::token(app.entropy.as_ref());
    let test = TestSignIn {
        id: TestSignInId::generate(app.clock.as_ref(), app.entropy.as_ref()),
        project_id: source.project_id,
        user_source_id: source.id,
        started_by,
        page_hash: TokenHash::of(&token),
        progress: TestProgress::Waiting,
        created_at: now,
        expires_at: now.plus(LIFE),
    };
    (test, page_url(app.config.public_url(), &token))
}

/// How a test ended, if it has.
pub fn report_of(app: &Gateways, test: &TestSignIn) -> Result<Option<Report>, OpenError> {
    match &test.progress {
        TestProgress::Waiting | TestProgress::AtProvider => Ok(None),
        TestProgress::Succeeded(sealed) | TestProgress::Failed(sealed) => {
            open(app, test.id, sealed).map(Some)
        }
    }
}

/// Why a test does not begin on its page.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error("no test has this page, or its ten minutes are over")]
    Gone,
    #[error("the test has succeeded already")]
    Over,
    #[error("the form was posted from another site")]
    CrossSite,
    #[error("too many sign-ins begin at the same time")]
    Limited(Box<Response>),
    #[error("{failure}")]
    Failed {
        failure: Failure,
        /// Where its starter reads it.
        home: Option<String>,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BeginError {
    fn into_response(self, app: &Gateways, context: &RequestContext) -> Response {
        tracing::info!(request = %context.id, reason = %self, "a test sign-in does not begin");
        let page = |status, title: &str, explanation: &str, advice: &str| {
            page::error(&ErrorPage {
                status,
                title: title.to_owned(),
                explanation: explanation.to_owned(),
                advice: advice.to_owned(),
                reference: context.id.reference(),
            })
        };
        match self {
            Self::Gone => page(
                StatusCode::NOT_FOUND,
                "This test is no longer open",
                "A test sign-in is kept for ten minutes. Then it is deleted together with its result.",
                "Start another one where you started this one.",
            ),
            Self::Over => page::done(&DonePage {
                title: "This test is over".to_owned(),
                explanation: "It succeeded. The result is shown only where the test was started.".to_owned(),
            }),
            Self::CrossSite => page(
                StatusCode::FORBIDDEN,
                "We did not accept this click",
                "It did not come from a page of ours, or your browser does not say where it came from. Nothing happened.",
                "Open the address of the test sign-in again and click there.",
            ),
            Self::Limited(response) => *response,
            Self::Failed { home: Some(path), .. } => redirect(&path, Vec::new()),
            Self::Failed { failure, home: None } => {
                let reported = failure.reported(Some(context.id.reference()));
                page::test_report(&Report::failed(reported, app.now()))
            }
            Self::Store(_) => unavailable_page(context.id.reference()),
        }
    }
}

/// GET of the page: says what will happen. It changes nothing and can be opened any number of times.
pub(super) async fn show(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(token): Path<String>,
) -> Response {
    let shown = find(&app, &token).await.map(|(_, source)| {
        let host = Url::parse(&source.issuer)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        page::test_sign_in(&TestPage {
            source_name: &source.name,
            issuer: &source.issuer,
            host: &host,
            redirect_url: &app.config.redirect_url(source.id, source.callback),
            action: &PAGE_ROUTE.replace("{token}", &token),
        })
    });
    shown.unwrap_or_else(|error| error.into_response(&app, &context))
}

/// POST of the page, the click: binds the browser and sends it to the provider. It can be repeated until the test has
/// succeeded; each click begins a separate sign-in, so that a double click does no harm.
pub(super) async fn begin(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match try_begin(&app, &token, &context, &headers).await {
        Ok(started) => redirect(&started.redirect, started.set_cookies),
        Err(error) => error.into_response(&app, &context),
    }
}

async fn try_begin(
    app: &Gateways,
    token: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Started, BeginError> {
    if let Some(refused) = app.authorization_server.refuse_begin(context, None) {
        return Err(BeginError::Limited(Box::new(refused)));
    }
    if !is_same_origin(headers, app.config.public_url()) {
        return Err(BeginError::CrossSite);
    }
    let (test, source) = find(app, token).await?;
    let until = app
        .now()
        .plus(app.config.sign_in.at_provider())
        .min(test.expires_at);
    let binding = app.providers.bind();
    let pending = start::pending(&binding, &source, Aim::Test(test.id), None, until);
    let started = match start::send(app, &source, &binding, &pending, headers).await {
        Ok(started) => started,
        Err(error) => {
            let failure = Failure::Discovery(error);
            let report = Report::failed(failure.reported(Some(context.id.reference())), app.now());
            note(app, test.project_id, test.id, &report).await?;
            let named = (test.project_id, test.user_source_id, test.id);
            let home = home_of(app, headers, named, &report).await;
            return Err(BeginError::Failed { failure, home });
        }
    };
    let mut tx = app.store.write().await?;
    let at_provider = TestProgress::AtProvider;
    if !rows::note(&mut tx, test.project_id, test.id, &at_provider, app.now()).await? {
        return Err(BeginError::Over);
    }
    tx.commit().await?;
    Ok(started)
}

/// Where in the dashboard the report of the test that a browser carries is read, as [`home_of`] says.
pub(super) async fn home(
    app: &Gateways,
    headers: &HeaderMap,
    pending: &PendingSignIn,
    report: &Report,
) -> Option<String> {
    let named = (pending.project_id, pending.user_source_id, pending.test_id()?);
    home_of(app, headers, named, report).await
}

/// Where in the dashboard the report of a test is read: `None` if it was not started there, or this browser is not its
/// starter's, or something else is kept of it. A browser that cannot be sent there gets the report as its own page.
async fn home_of(
    app: &Gateways,
    headers: &HeaderMap,
    (project, source, id): (ProjectId, UserSourceId, TestSignInId),
    report: &Report,
) -> Option<String> {
    let token = cookie::read(headers, app.config.public_url())?;
    let session = account_sessions::find(app, &token).await.ok()??;
    let mut tx = app.store.read().await.ok()?;
    let test = rows::find(&mut tx, project, source, id, app.now()).await.ok()??;
    let kept = match &test.progress {
        TestProgress::Succeeded(sealed) | TestProgress::Failed(sealed) => open(app, id, sealed).ok()?,
        TestProgress::Waiting | TestProgress::AtProvider => return None,
    };
    let is_starter = test.started_by == ActorKind::Account(session.account.id).to_string();
    let sees_it = is_starter && session.role_in(project).is_some() && kept == *report;
    sees_it.then(|| format!("/projects/{project}/user-sources/{source}/test-sign-ins/{id}"))
}

/// The test of a page and its source, whatever the state of that.
async fn find(app: &Gateways, token: &str) -> Result<(TestSignIn, UserSource), BeginError> {
    let mut tx = app.store.read().await?;
    let test = rows::find_by_page(&mut tx, TokenHash::of(token), app.now()).await?;
    let test = test.ok_or(BeginError::Gone)?;
    if let TestProgress::Succeeded(_) = test.progress {
        return Err(BeginError::Over);
    }
    let source = user_source::find(&mut tx, test.project_id, test.user_source_id).await?;
    Ok((test, source.ok_or(BeginError::Gone)?))
}

/// The state of a test that ended with this report, which is sealed.
pub(super) fn progress(app: &Gateways, id: TestSignInId, report: &Report) -> TestProgress {
    let sealed = seal(app, id, report);
    if report.failure.is_none() {
        TestProgress::Succeeded(sealed)
    } else {
        TestProgress::Failed(sealed)
    }
}

/// Stores a report with its test, unless that has ended or was deleted.
async fn note(
    app: &Gateways,
    project: ProjectId,
    id: TestSignInId,
    report: &Report,
) -> Result<(), StoreError> {
    let (ended, now) = (progress(app, id, report), app.now());
    app.store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move { rows::note(tx, project, id, &ended, now).await.map(drop) })
        })
        .await
}

/// Stores the report of a failure that ended nothing else. What is temporary or is only about a browser that came
/// twice is not kept.
pub(super) async fn note_failure(
    app: &Gateways,
    pending: &PendingSignIn,
    failure: &Failure,
    report: &Report,
) {
    let passes = matches!(
        failure,
        Failure::StillWorking | Failure::OtherCode | Failure::Expired | Failure::Store(_)
    );
    let Some(id) = pending.test_id() else {
        return;
    };
    if passes {
        return;
    }
    if let Err(error) = note(app, pending.project_id, id, report).await {
        tracing::warn!(%error, test_sign_in = %id, "the failure of a test could not be kept");
    }
}

/// Opens the report of a test.
fn open(app: &Gateways, id: TestSignInId, sealed: &SealedText) -> Result<Report, OpenError> {
    let plain = app.keyring.open(Purpose::SignIn, &context(id), sealed)?;
    serde_json::from_slice(&plain).map_err(|_| OpenError)
}

fn seal(app: &Gateways, id: TestSignInId, report: &Report) -> SealedText {
    let plain = serde_json::to_vec(report).expect("texts and JSON values always have a JSON form");
    app.keyring
        .seal(app.entropy.as_ref(), Purpose::SignIn, &context(id), &plain)
}

/// Table, column and row, so that a report cannot be moved to another test.
fn context(id: TestSignInId) -> String {
    format!("test_sign_ins/result/{id}")
}
