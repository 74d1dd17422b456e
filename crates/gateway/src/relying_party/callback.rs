//! `GET /oauth2/intermediate_callback`: the return from any identity provider, or from that of one source at
//! `/oauth2/intermediate_callback/{source}`. A sign-in ends at the one it began for.
//!
//! It needs the state and the cookie that carries the sign-in, and is idempotent for its browser: the first arrival claims
//! the sign-in and redeems the provider's code once; the same state, code and cookie get the same answer until the cookie
//! expires. A sign-in commits three times: that the code was brought back, the claim, and the answer with the result of it.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, RawQuery, State},
    response::Response,
};
use gatewright_domain::{
    authorization::ClaimedSignIn,
    id::{GatewayId, UserSourceId},
    reference::Reference,
    sign_in_attempt::Step,
    token_hash::TokenHash,
    user_source::{Callback, UserSource, UserSourceStatus},
};
use gatewright_identity::{Budget, Malformed, Outcome, Returned};
use gatewright_oauth::{ErrorCode, parameters::Parameters};
use gatewright_store::{StoreError, Tx, Urgency, authorization_code, claimed_sign_in, user_source};
use http::HeaderMap;
use tracing::Instrument as _;

use super::{
    answer::{self, Answer, Known},
    brought::{self, Brought},
    completion::{Claimed, Goal},
    failure::Failure,
    pending::{self, Aim, PendingSignIn},
    test_sign_in,
};
use crate::{
    Gateways,
    authorization_server::{AuthorizationServer, Carried, code, form},
    directory::GatewayEntry,
    jose::key_cache::KeysWanted,
    request::RequestContext,
};

/// How often a second arrival checks whether the first is done. It may be another replica's, so the store is asked.
const POLL: Duration = Duration::from_millis(150);

/// A claim older than this belongs to an arrival that was cut off: the budget of a request and the store's patience.
const INTERRUPTED_AFTER: Duration = Duration::from_secs(20);

/// One arrival of a browser at the callback, with the sign-in it carries.
struct Arrival {
    app: Arc<Gateways>,
    reference: Reference,
    budget: Budget,
    known: Known,
    at: At,
}

/// The handler of the callback that sources share.
pub(super) async fn shared(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    receive(app, context, &headers, query.as_deref(), At::Shared).await
}

/// The handler of the callback of one source.
pub(super) async fn own(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    Path(source): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let at = At::Own(source.parse().ok());
    receive(app, context, &headers, query.as_deref(), at).await
}

/// Where a browser came back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Shared,
    /// The callback of a source, if it is one.
    Own(Option<UserSourceId>),
}

impl At {
    /// Whether a sign-in began for this place.
    fn is_of(self, pending: &PendingSignIn) -> bool {
        self == match pending.callback {
            Callback::Shared => Self::Shared,
            Callback::Own => Self::Own(Some(pending.user_source_id)),
        }
    }
}

async fn receive(
    app: Arc<Gateways>,
    context: RequestContext,
    headers: &HeaderMap,
    query: Option<&str>,
    at: At,
) -> Response {
    let parameters = Parameters::parse(query.unwrap_or_default());
    let state = brought::state(&parameters);
    let carried = pending::of_browser(&app, headers, state);
    if let Ok(pending) = &carried {
        pending.name_in(context.record());
    }
    // What can finish nothing any more counts as if it carried nothing.
    let good = carried
        .as_ref()
        .ok()
        .filter(|pending| pending.expires_at > app.now() && read(&parameters).is_ok())
        .map(|pending| Carried {
            state,
            gateway: pending.gateway_id(),
        });
    // Anyone who carries a sign-in goes before a browser that can finish nothing.
    let urgency = if good.is_some() {
        Urgency::Person
    } else {
        Urgency::Program
    };
    if let Some(refused) = app.authorization_server.refuse_return(&context, good) {
        return refused;
    }
    let place = match app.admission.enter(urgency).await {
        Ok(place) => place,
        Err(overloaded) => return AuthorizationServer::overloaded_page(overloaded, &context),
    };
    let reference = context.id.reference();
    let brought = brought::bring(&app, &parameters, state).await;
    // What follows waits for the provider. It is not stopped on its way, because its code may be redeemed already.
    drop(place);
    let pending = match carried {
        Ok(pending) => pending,
        Err(failure) => {
            let failure = astray(&parameters, brought.err(), failure);
            return answer::respond(&answer::failed(&app, &failure, reference, None));
        }
    };
    let budget = Budget::start(Some(pending.project_id));
    let arrival = Arrival {
        known: Known::new(&app, state, pending),
        at,
        app,
        reference,
        budget,
    };
    let answer = match brought {
        Ok(brought) => arrival.answer(&parameters, brought).await,
        Err(error) => arrival.failed(&error.into()),
    };
    if let Answer::Tested(report) = &answer
        && let Some(path) = test_sign_in::home(&arrival.app, headers, &arrival.known.pending, report).await
    {
        return answer::redirect(&path);
    }
    answer::respond(&answer)
}

/// `POST`: a provider that has its answer posted, although it was asked for an answer in the address. Another site's form
/// comes without our cookie, so it ends with a page; the code in it has been brought back all the same.
pub(super) async fn posted(
    State(app): State<Arc<Gateways>>,
    Extension(context): Extension<RequestContext>,
    body: Body,
) -> Response {
    if let Some(refused) = app.authorization_server.refuse_return(&context, None) {
        return refused;
    }
    let form = form(body).await.unwrap_or_default();
    let parameters = Parameters::parse(&form);
    let place = match app.admission.enter(Urgency::Program).await {
        Ok(place) => place,
        Err(overloaded) => return AuthorizationServer::overloaded_page(overloaded, &context),
    };
    let brought = brought::bring(&app, &parameters, brought::state(&parameters)).await;
    drop(place);
    let failure = brought.err().map_or(Failure::FormPost, Failure::from);
    answer::respond(&answer::failed(&app, &failure, context.id.reference(), None))
}

/// Reads the parameters of a callback.
fn read(parameters: &Parameters) -> Result<(Returned, Outcome), Failure> {
    let returned = Returned::read(parameters)?;
    match returned.outcome()? {
        outcome if returned.state.is_some() => Ok((returned, outcome)),
        // Some providers leave `state` out when they refuse; their reason is still worth a log line.
        Outcome::Error(error) => Err(Failure::ProviderAnswer(error)),
        Outcome::Code(_) => Err(Malformed::NoState.into()),
    }
}

/// Why an arrival of a browser fails that carries no sign-in of this state. A provider's error is worth more than that: some
/// leave `state` out when they refuse.
fn astray(parameters: &Parameters, store: Option<StoreError>, failure: Failure) -> Failure {
    match (store, read(parameters)) {
        (Some(error), _) => error.into(),
        (None, Err(malformed)) => malformed,
        (None, Ok(_)) => failure,
    }
}

impl Arrival {
    async fn answer(&self, parameters: &Parameters, brought: Brought) -> Answer {
        match self.try_answer(parameters, brought).await {
            Ok(answer) => answer,
            Err(failure) => {
                let answer = self.failed(&failure);
                if let Answer::Tested(report) = &answer {
                    test_sign_in::note_failure(&self.app, &self.known.pending, &failure, report).await;
                }
                answer
            }
        }
    }

    fn failed(&self, failure: &Failure) -> Answer {
        answer::failed(&self.app, failure, self.reference, Some(&self.known))
    }

    async fn try_answer(&self, parameters: &Parameters, brought: Brought) -> Result<Answer, Failure> {
        let (returned, outcome) = read(parameters)?;
        if brought == Brought::Elsewhere {
            return Err(Failure::CodeOfAnother);
        }
        if !self.at.is_of(&self.known.pending) {
            return Err(Failure::OtherRedirectUrl);
        }
        if self.known.pending.expires_at <= self.app.now() {
            return Err(Failure::Expired);
        }
        let state = self.known.state;
        let claimed: Result<_, StoreError> = self
            .app
            .store
            .look(move |tx| Box::pin(claimed_sign_in::find(tx, state)))
            .await;
        match (claimed?, outcome) {
            (None, outcome) => {
                self.known.trace.enter(Step::Callback);
                self.proceed(outcome, &returned).await
            }
            (Some(_), Outcome::Code(code)) => self.repeat(&code).await,
            (Some(_), Outcome::Error(_)) => Err(Failure::OtherCode),
        }
    }

    /// The first arrival, as far as is known. Nothing is claimed before all that can be checked without the code
    /// has been, so that a reload helps when the provider was only away for a moment.
    async fn proceed(&self, outcome: Outcome, returned: &Returned) -> Result<Answer, Failure> {
        let app = &self.app;
        let Known { pending, trace, .. } = &self.known;
        let (goal, source) = self.still_good(pending).await?;
        if let Some(difference) = returned.issuer_difference(&source.issuer) {
            return Err(Failure::IssuerParameter(difference));
        }
        trace.enter(Step::Discovery);
        let provider = app.providers.provider(&source.issuer, self.budget).await;
        if provider
            .as_ref()
            .is_ok_and(|provider| returned.lacks_issuer(provider))
        {
            return Err(Failure::IssuerParameterMissing);
        }
        let code = match outcome {
            Outcome::Code(code) => code,
            // The person said no. That takes nothing, so the sign-in stays open and the answer is the same each time.
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
            .providers
            .keys(&provider, KeysWanted::Any, self.budget)
            .await
            .map_err(|error| {
                if error.is_of_provider() {
                    app.providers.forget(&source.issuer);
                }
                Failure::Keys(error)
            })?;
        trace.leave();
        let claimed = Claimed {
            app: Arc::clone(app),
            goal,
            source,
            provider,
            keys,
            known: self.known.clone(),
            code: code.clone(),
            budget: self.budget,
        };
        // A browser that reloads closes this connection, which would drop the work in the middle: it runs on its own,
        // and the reload finds its answer.
        match tokio::spawn(work(claimed, self.reference).in_current_span()).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => self.repeat(&code).await,
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::Internal),
        }
    }

    /// What a sign-in is for and its source, where both are still what they were at the click. The transaction
    /// that issues the code checks it again. A test takes any source as it is stored, an inactive one too.
    async fn still_good(&self, pending: &PendingSignIn) -> Result<(Goal, Arc<UserSource>), Failure> {
        let (goal, source) = match &pending.aim {
            Aim::Client(request) => {
                let (entry, source) = self.gateway(request.gateway_id)?;
                let request = request.clone();
                (Goal::Client { entry, request }, source)
            }
            Aim::Connections(id) => {
                let (entry, source) = self.gateway(*id)?;
                (Goal::Connections { entry }, source)
            }
            Aim::Test(id) => {
                let mut tx = self.app.store.read().await?;
                let source = user_source::find(&mut tx, pending.project_id, pending.user_source_id).await?;
                (Goal::Test(*id), Arc::new(source.ok_or(Failure::SourceGone)?))
            }
        };
        if source.identity_epoch != pending.identity_epoch {
            return Err(Failure::SourceChanged);
        }
        Ok((goal, source))
    }

    /// The gateway that someone signs in to, where it still has the source that was asked, and that source is active.
    fn gateway(&self, id: GatewayId) -> Result<(Arc<GatewayEntry>, Arc<UserSource>), Failure> {
        let directory = self.app.directory.current()?;
        let entry = directory.gateway_by_id(id).ok_or(Failure::GatewayGone)?;
        let asked = self.known.pending.user_source_id;
        let source = entry
            .source
            .as_ref()
            .filter(|source| source.id == asked && source.status == UserSourceStatus::Active);
        let source = source.ok_or(Failure::GatewayGone)?;
        Ok((Arc::clone(entry), Arc::clone(source)))
    }

    /// A later arrival: the kept answer, waited for while the first arrival is at work. A redirect whose code the client
    /// has redeemed is not repeated: the client would present the code again, which looks like theft and ends the grant.
    async fn repeat(&self, code: &str) -> Result<Answer, Failure> {
        loop {
            let mut tx = self.app.store.read().await?;
            let claimed = claimed_sign_in::find(&mut tx, self.known.state).await?;
            let claimed = claimed.ok_or(Failure::Expired)?;
            if !claimed.code_hash.matches(code) {
                return Err(Failure::OtherCode);
            }
            if let Some(sealed) = &claimed.answer {
                let answer =
                    answer::open(&self.app, self.known.state, sealed).map_err(|_| Failure::Unreadable)?;
                return Ok(if is_redeemed(&mut tx, &answer).await? {
                    Answer::SignedIn
                } else {
                    answer
                });
            }
            if self.app.now().since(claimed.claimed_at) > INTERRUPTED_AFTER {
                return Err(Failure::Interrupted);
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

/// The part that continues if the browser disconnects: claims the sign-in and completes it; `None` when another arrival has
/// claimed it.
async fn work(claimed: Claimed, reference: Reference) -> Result<Option<Answer>, Failure> {
    let (app, known) = (Arc::clone(&claimed.app), claimed.known.clone());
    let row = ClaimedSignIn {
        state_hash: known.state,
        code_hash: TokenHash::of(&claimed.code),
        claimed_at: app.now(),
        expires_at: known.pending.expires_at,
        answer: None,
    };
    let is_first: Result<_, StoreError> = app
        .store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move { claimed_sign_in::claim(tx, &row).await })
        })
        .await;
    if !is_first? {
        return Ok(None);
    }
    let page = |failure: &Failure| answer::failed(&app, failure, reference, Some(&known));
    claimed.complete(page).await.map(Some)
}
