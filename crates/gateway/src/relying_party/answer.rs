//! What a browser gets that came back from its provider: how it is made, kept sealed, and sent.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use gatewright_domain::{
    reference::Reference,
    sealed::{OpenError, Purpose},
    stored_secret::SealedText,
    token_hash::TokenHash,
};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{
    failure::Failure,
    pending::{Aim, PendingSignIn},
    test_sign_in::Report,
};
use crate::{
    Gateways,
    authorization_server::retry_later,
    page::{self, DonePage, ErrorPage},
    sign_in_trace::Trace,
};

/// When a page that says to wait a moment is worth reloading.
const RELOAD_AFTER: Duration = Duration::from_secs(5);

/// What the browser got, kept so that it gets the same again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// A redirect to the client.
    Redirect {
        /// Where to.
        location: String,
    },
    /// The connections page, with the cookie of the session that opens it.
    Connections {
        /// Where to.
        location: String,
        /// `Set-Cookie`.
        cookie: Hidden,
    },
    /// A page that says it is done; shown instead of a redirect that has served, and never kept.
    SignedIn,
    /// A page that says why not.
    Page {
        /// The HTTP status.
        status: u16,
        /// What happened.
        title: String,
        /// Why.
        explanation: String,
        /// What to do next.
        advice: String,
        /// What finds the trace and the log entry, which have the reason.
        reference: Reference,
    },
    /// The report of a test, whether it succeeded or failed. It is this browser's own: another one that went through the
    /// same test may have signed in as someone else.
    Tested(Box<Report>),
}

/// A text that no log shows. It has a JSON form, because answers are sealed in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hidden(pub(super) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A sign-in that an arrival belongs to, and its trace: a silent one of a test.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// SHA-256 of the state.
    pub(super) state: TokenHash,
    pub(super) pending: PendingSignIn,
    pub(super) trace: Trace,
}

/// Seals the answer for the row of `state`.
pub(super) fn seal(app: &Gateways, state: TokenHash, answer: &Answer) -> SealedText {
    let plain = serde_json::to_vec(answer).expect("texts and numbers always have a JSON form");
    app.keyring
        .seal(app.entropy.as_ref(), Purpose::SignIn, &context(state), &plain)
}

/// Opens what [`seal`] made for the same state.
pub(super) fn open(app: &Gateways, state: TokenHash, sealed: &SealedText) -> Result<Answer, OpenError> {
    let plain = app.keyring.open(Purpose::SignIn, &context(state), sealed)?;
    serde_json::from_slice(&plain).map_err(|_| OpenError)
}

/// Table, column and row, so that a value cannot be moved to another sign-in.
fn context(state: TokenHash) -> String {
    format!("claimed_sign_ins/answer/{}", state.to_text())
}

/// Writes a failure with its exact reason into log and trace, once, and makes the page for it. `request` is its
/// reference if it does not belong to a known sign-in.
pub(super) fn failed(app: &Gateways, failure: &Failure, request: Reference, known: Option<&Known>) -> Answer {
    let pending = known.map(|known| &known.pending);
    let trace = known.map(|known| &known.trace);
    let reference = trace.and_then(Trace::reference).unwrap_or(request);
    let test = pending.and_then(PendingSignIn::test_id);
    if test.is_none() {
        app.telemetry.count_sign_in("failed");
        if let Some(trace) = trace.filter(|trace| !trace.is_silent()) {
            failure.tell(trace);
        } else {
            let reason = failure.to_string();
            app.sign_in_trace
                .note_stray(reference, failure.step(), &reason, failure.advice());
        }
    }
    tracing::warn!(
        %reference,
        step = failure.step().as_str(),
        gateway = pending.and_then(PendingSignIn::gateway_id).map(tracing::field::display),
        test_sign_in = test.map(tracing::field::display),
        user_source = pending.map(|pending| tracing::field::display(pending.user_source_id)),
        reason = %failure,
        advice = failure.advice(),
        "a sign-in failed"
    );
    if test.is_some() {
        let report = Report::failed(failure.reported(Some(reference)), app.now());
        return Answer::Tested(Box::new(report));
    }
    let mut told = failure.told(app.config.sign_in.minutes_at_provider);
    if matches!(pending.map(|pending| &pending.aim), Some(Aim::Connections(_))) {
        told = told.on_connections_page();
    }
    Answer::Page {
        status: told.status.as_u16(),
        title: told.title.to_owned(),
        explanation: told.explanation.into_owned(),
        advice: told.advice.to_owned(),
        reference,
    }
}

/// The answer as a response.
pub(super) fn respond(answer: &Answer) -> Response {
    match answer {
        Answer::Redirect { location } => redirect(location),
        Answer::Connections { location, cookie } => {
            let mut response = redirect(location);
            if let Ok(mut cookie) = HeaderValue::try_from(&cookie.0) {
                cookie.set_sensitive(true);
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
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
            match status {
                StatusCode::TOO_MANY_REQUESTS => retry_later(page, Duration::from_mins(1)),
                StatusCode::SERVICE_UNAVAILABLE => retry_later(page, RELOAD_AFTER),
                _ => page,
            }
        }
        Answer::Tested(report) => page::test_report(report),
    }
}

/// A redirect that nothing keeps and whose target learns nothing of this address.
pub(super) fn redirect(location: &str) -> Response {
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

impl Known {
    /// The sign-in that a browser carries.
    pub(super) fn new(app: &Gateways, state: TokenHash, pending: PendingSignIn) -> Self {
        let trace = app.sign_in_trace.resume(pending.attempt());
        Self {
            state,
            pending,
            trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestId;

    #[test]
    fn a_page_that_says_to_wait_says_for_how_long() {
        let page = |status: StatusCode| {
            let answer = Answer::Page {
                status: status.as_u16(),
                title: "Not now".to_owned(),
                explanation: "The database is busy.".to_owned(),
                advice: "Wait a moment and reload this page.".to_owned(),
                reference: RequestId::next().reference(),
            };
            respond(&answer)
                .headers()
                .get(header::RETRY_AFTER)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(page(StatusCode::SERVICE_UNAVAILABLE).as_deref(), Some("5"));
        assert_eq!(page(StatusCode::TOO_MANY_REQUESTS).as_deref(), Some("60"));
        assert_eq!(page(StatusCode::BAD_REQUEST), None);
    }
}
