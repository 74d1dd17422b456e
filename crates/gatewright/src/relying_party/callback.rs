//! `GET /oauth2/intermediate_callback`: the return from any identity provider.
//!
//! It needs state, row and cookie, and is idempotent for its browser: the first arrival claims the row and redeems the
//! provider's code once; the same state, code and cookie get the same answer again for ten minutes.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{RawQuery, State},
    response::{IntoResponse as _, Response},
};
use gatewright_domain::{
    authorization::{PendingSignIn, SignInProgress, SignInPurpose},
    reference::Reference,
    sealed::OpenError,
    sign_in_attempt::Step,
    token_hash::TokenHash,
    user_source::{UserSource, UserSourceStatus},
};
use gatewright_oauth::{ErrorCode, parameters::Parameters};
use gatewright_store::{Tx, authorization_code, pending_sign_in, user_source};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tracing::Instrument as _;

use super::{
    brought::{self, Brought},
    budget::Budget,
    completion::{Claimed, Goal},
    cookie::CookieStyle,
    failure::Failure,
    id_token::IssuerDifference,
    pending::{self, Aim, Answer, SealedRequest},
    provider::KeysWanted,
    returned::{Outcome, Returned},
    test_sign_in::{self, Report},
};
use crate::{
    app::App,
    authorization_server::{code, retry_later},
    page::{self, DonePage, ErrorPage},
    request::RequestContext,
    sign_in_trace::{Trace, before_allow},
};

/// How often a second arrival looks whether the first is done. It may be another replica's, so the store is asked.
const POLL: Duration = Duration::from_millis(150);

/// A claim older than this belongs to an arrival that was cut off: the budget of a request and the store's patience.
const INTERRUPTED_AFTER: Duration = Duration::from_secs(20);

/// One arrival of a browser at the callback.
struct Arrival {
    app: Arc<App>,
    headers: HeaderMap,
    reference: Reference,
    budget: Budget,
}

/// A sign-in that an arrival belongs to, and its trace: a silent one of a test, or where the row cannot be opened.
struct Known {
    pending: PendingSignIn,
    trace: Trace,
}

/// The handler.
pub(super) async fn callback(
    State(app): State<Arc<App>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if let Some(refused) = app.authorization_server.refuse_return(&context) {
        return refused;
    }
    let arrival = Arrival {
        app,
        headers,
        reference: context.id.reference(),
        budget: Budget::start(),
    };
    let parameters = Parameters::parse(query.as_deref().unwrap_or_default());
    let state = brought::state(&parameters);
    let answer = match brought::bring(&arrival.app, &parameters, state).await {
        Ok(brought) => match Returned::read(&parameters) {
            Ok(returned) => arrival.answer(returned, brought).await,
            Err(failure) => Err(failure),
        },
        Err(error) => Err(error.into()),
    };
    let answer = answer.unwrap_or_else(|failure| arrival.failed(&failure, None));
    if let Answer::Tested(report) = &answer
        && let Some(path) = test_sign_in::home(&arrival.app, &arrival.headers, state, report).await
    {
        return redirect(&path);
    }
    respond(&answer)
}

impl Arrival {
    async fn answer(&self, returned: Returned, brought: Brought) -> Result<Answer, Failure> {
        let state = TokenHash::of(&returned.state);
        let cookie = CookieStyle::of(self.app.config.public_url()).read(&self.headers, state);
        let has_cookie = cookie.is_some();
        let pending = self.find(state).await?;
        let request = pending::open_request(&self.app, state, &pending.request);
        let attempt = request.as_ref().ok().and_then(|request| request.attempt.clone());
        let trace = self.app.sign_in_trace.resume(attempt);
        let known = Known { pending, trace };
        let pending = &known.pending;
        let Some(cookie) = cookie.filter(|cookie| pending.cookie_hash.matches(cookie)) else {
            let failure = if has_cookie {
                Failure::ForeignCookie
            } else {
                Failure::NoCookie
            };
            // Only the browser of a test sees its report.
            return if known.trace.is_silent() {
                Err(failure)
            } else {
                Ok(self.failed(&failure, Some(&known)))
            };
        };
        let outcome = match &pending.progress {
            _ if brought == Brought::Elsewhere => Err(Failure::CodeOfAnother),
            SignInProgress::Open => {
                known.trace.enter(Step::Callback);
                self.proceed(&known, request, returned, TokenHash::of(&cookie))
                    .await
            }
            SignInProgress::Claimed { .. } | SignInProgress::Answered { .. } => match returned.outcome {
                Outcome::Code(code) => self.repeat(state, &code).await,
                Outcome::Error(_) => Err(Failure::OtherCode),
            },
        };
        match outcome {
            Ok(answer) => Ok(answer),
            Err(failure) => {
                let answer = self.failed(&failure, Some(&known));
                if let Answer::Tested(report) = &answer {
                    test_sign_in::note_failure(&self.app, pending, &failure, report).await;
                }
                Ok(answer)
            }
        }
    }

    fn failed(&self, failure: &Failure, known: Option<&Known>) -> Answer {
        failed(&self.app, failure, self.reference, known)
    }

    async fn find(&self, state: TokenHash) -> Result<PendingSignIn, Failure> {
        let mut tx = self.app.store.read().await?;
        pending_sign_in::find(&mut tx, state, self.app.now())
            .await?
            .ok_or(Failure::UnknownState)
    }

    /// The first arrival, so far as one can tell. Nothing is claimed before all that can be checked without the code
    /// has been, so that a reload helps when the provider was only away for a moment.
    async fn proceed(
        &self,
        known: &Known,
        request: Result<SealedRequest, OpenError>,
        returned: Returned,
        cookie: TokenHash,
    ) -> Result<Answer, Failure> {
        let app = &self.app;
        let Known { pending, trace } = known;
        let request = request.map_err(|_| Failure::Unreadable)?;
        let (goal, source) = self.still_good(pending, request.aim).await?;
        if let Some(issuer) = &returned.issuer
            && let Some(difference) = IssuerDifference::between(&source.issuer, Some(issuer))
        {
            return Err(Failure::IssuerParameter(difference));
        }
        trace.enter(Step::Discovery);
        let provider = app.relying_party.provider(app, &source.issuer, self.budget).await;
        if returned.issuer.is_none() && provider.as_ref().is_ok_and(|provider| provider.sends_issuer) {
            return Err(Failure::IssuerParameterMissing);
        }
        let code = match returned.outcome {
            Outcome::Code(code) => code,
            // The person said no. That takes nothing, so the row stays open and the answer is the same each time.
            Outcome::Error(error)
                if error == "access_denied"
                    && let Goal::Client { entry, request } = &goal =>
            {
                Failure::ProviderAnswer(error).tell(trace);
                app.telemetry.count_sign_in("refused");
                return Ok(Answer::Redirect {
                    location: code::error_redirect(
                        entry,
                        request,
                        ErrorCode::AccessDenied,
                        "The sign-in was refused at the identity provider.",
                    ),
                });
            }
            Outcome::Error(error) => return Err(Failure::ProviderAnswer(error)),
        };
        let provider = provider.map_err(Failure::Discovery)?;
        trace.enter(Step::Keys);
        let keys = app
            .relying_party
            .keys(app, &provider, KeysWanted::Any, self.budget)
            .await
            .map_err(|error| {
                app.relying_party.forget(&source.issuer);
                Failure::Keys(error)
            })?;
        let work = Work {
            app: Arc::clone(app),
            reference: self.reference,
            cookie,
        };
        trace.leave();
        let claimed = Claimed {
            app: Arc::clone(app),
            goal,
            source,
            provider,
            keys,
            pending: pending.clone(),
            trace: trace.clone(),
            nonce: request.nonce,
            verifier: request.verifier,
            code: code.clone(),
            budget: self.budget,
        };
        // A browser that reloads closes this connection, which would drop the work in the middle: it runs on its own,
        // and the reload finds its answer.
        match tokio::spawn(work.run(claimed).in_current_span()).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => self.repeat(pending.state_hash, &code).await,
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::Internal),
        }
    }

    /// What a pending sign-in is for and its source, where both are still what they were at the click. The transaction
    /// that issues the code checks it again. A test takes any source as it is stored, an inactive one too.
    async fn still_good(
        &self,
        pending: &PendingSignIn,
        aim: Aim,
    ) -> Result<(Goal, Arc<UserSource>), Failure> {
        let (goal, source) = match (pending.purpose, aim) {
            (SignInPurpose::Client(id), Aim::Client(request)) if request.gateway_id == id => {
                let directory = self.app.directory.current()?;
                let entry = directory.gateway_by_id(id).ok_or(Failure::GatewayGone)?;
                let source = entry.source.as_ref().filter(|source| {
                    source.id == pending.user_source_id && source.status == UserSourceStatus::Active
                });
                let source = Arc::clone(source.ok_or(Failure::GatewayGone)?);
                let entry = Arc::clone(entry);
                (Goal::Client { entry, request }, source)
            }
            (SignInPurpose::Test(id), Aim::Test(sealed)) if sealed == id => {
                let mut tx = self.app.store.read().await?;
                let source = user_source::find(&mut tx, pending.project_id, pending.user_source_id).await?;
                (Goal::Test(id), Arc::new(source.ok_or(Failure::SourceGone)?))
            }
            (SignInPurpose::Client(_) | SignInPurpose::Test(_), _) => return Err(Failure::Unreadable),
        };
        if source.identity_epoch != pending.identity_epoch {
            return Err(Failure::SourceChanged);
        }
        Ok((goal, source))
    }

    /// A later arrival: the kept answer, waited for while the first arrival is at work. A redirect whose code the client
    /// has redeemed is not repeated: the client would present the code again, which looks like theft and ends the grant.
    async fn repeat(&self, state: TokenHash, code: &str) -> Result<Answer, Failure> {
        loop {
            let mut tx = self.app.store.read().await?;
            let pending = pending_sign_in::find(&mut tx, state, self.app.now()).await?;
            match pending.ok_or(Failure::UnknownState)?.progress {
                SignInProgress::Answered { code_hash, answer } if code_hash.matches(code) => {
                    let answer =
                        pending::open_answer(&self.app, state, &answer).map_err(|_| Failure::Unreadable)?;
                    return Ok(if is_redeemed(&mut tx, &answer).await? {
                        Answer::SignedIn
                    } else {
                        answer
                    });
                }
                SignInProgress::Claimed { code_hash, at } if code_hash.matches(code) => {
                    if self.app.now().since(at) > INTERRUPTED_AFTER {
                        return Err(Failure::Interrupted);
                    }
                }
                // The claim was refused although the row is open.
                SignInProgress::Open => return Err(Failure::CodeOfAnother),
                SignInProgress::Answered { .. } | SignInProgress::Claimed { .. } => {
                    return Err(Failure::OtherCode);
                }
            }
            drop(tx);
            if self.budget.remaining() <= POLL {
                return Err(Failure::StillWorking);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Whether the client has redeemed the code of an answer.
async fn is_redeemed(tx: &mut Tx, answer: &Answer) -> Result<bool, Failure> {
    let Answer::Redirect { location } = answer else {
        return Ok(false);
    };
    let Some(code) = code::of_redirect(location) else {
        return Ok(false);
    };
    let found = authorization_code::find(tx, code).await?;
    Ok(found.is_some_and(|(_, redeemed_at)| redeemed_at.is_some()))
}

/// The part that goes on when the browser goes away.
struct Work {
    app: Arc<App>,
    reference: Reference,
    cookie: TokenHash,
}

impl Work {
    /// Claims the row and completes the sign-in; `None` when another arrival has claimed it.
    async fn run(self, claimed: Claimed) -> Result<Option<Answer>, Failure> {
        let state = claimed.pending.state_hash;
        let code = TokenHash::of(&claimed.code);
        let mut tx = self.app.store.write().await?;
        let row = pending_sign_in::claim(&mut tx, state, self.cookie, code, self.app.now()).await?;
        if row.is_none() {
            return Ok(None);
        }
        tx.commit().await?;
        let known = Known {
            pending: claimed.pending.clone(),
            trace: claimed.trace.clone(),
        };
        let page = |failure: &Failure| failed(&self.app, failure, self.reference, Some(&known));
        claimed.complete(page).await.map(Some)
    }
}

/// Writes a failure with its exact reason into log and trace, once, and makes the page for it. `request` is its
/// reference where it belongs to no sign-in that is known.
fn failed(app: &App, failure: &Failure, request: Reference, known: Option<&Known>) -> Answer {
    let pending = known.map(|known| &known.pending);
    let trace = known.map(|known| &known.trace);
    let reference = trace.and_then(Trace::reference).unwrap_or(request);
    let (gateway, test) = match pending.map(|pending| pending.purpose) {
        Some(SignInPurpose::Test(id)) => (None, Some(id)),
        Some(SignInPurpose::Client(id)) => (Some(id), None),
        None => (None, None),
    };
    if test.is_none() {
        app.telemetry.count_sign_in("failed");
        if let Some(trace) = trace.filter(|trace| !trace.is_silent()) {
            failure.tell(trace);
        } else {
            let reason = failure.to_string();
            before_allow::note_stray(app, reference, failure.step(), &reason, failure.advice());
        }
    }
    tracing::warn!(
        %reference,
        step = failure.step().as_str(),
        gateway = gateway.map(tracing::field::display),
        test_sign_in = test.map(tracing::field::display),
        user_source = pending.map(|pending| tracing::field::display(pending.user_source_id)),
        reason = %failure,
        advice = failure.advice(),
        "a sign-in failed"
    );
    if test.is_some() {
        return Answer::Tested(Box::new(Report::failed(
            failure,
            &reference.to_string(),
            app.now(),
        )));
    }
    let told = failure.told();
    Answer::Page {
        status: told.status.as_u16(),
        title: told.title.to_owned(),
        explanation: told.explanation.to_owned(),
        advice: told.advice.to_owned(),
        reference,
    }
}

fn respond(answer: &Answer) -> Response {
    match answer {
        Answer::Redirect { location } => redirect(location),
        Answer::SignedIn => page::done(&DonePage {
            title: "You are signed in".to_owned(),
            explanation: "The app has what it needs. Go back to it.".to_owned(),
        }),
        Answer::Page {
            status,
            title,
            explanation,
            advice,
            reference,
        } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
            let page = page::error(&ErrorPage {
                status,
                title: title.clone(),
                explanation: explanation.clone(),
                advice: advice.clone(),
                reference: *reference,
            });
            if status == StatusCode::TOO_MANY_REQUESTS {
                retry_later(page, Duration::from_mins(1))
            } else {
                page
            }
        }
        Answer::Tested(report) => page::test_report(report),
    }
}

fn redirect(location: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        tracing::error!("a redirect to a client cannot be written into a header");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
