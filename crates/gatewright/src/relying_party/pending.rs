//! What is remembered of a sign-in between *Allow* and its answer, and how it is sealed.

use gatewright_domain::{
    authorization::ConsentedRequest,
    id::TestSignInId,
    reference::Reference,
    sealed::{OpenError, Purpose},
    sign_in_attempt::AttemptHead,
    stored_secret::SealedText,
    token_hash::TokenHash,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::test_sign_in::Report;
use crate::app::App;

/// What a sign-in is for, in full. The row says the same in short, and both must agree: a test never ends in a code, nor
/// does a client's sign-in in a report.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Aim {
    /// A code for a client: its request.
    Client(ConsentedRequest),
    /// A report for an administrator.
    Test(TestSignInId),
}

/// What the click on a page of ours seals into the row.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SealedRequest {
    /// What the sign-in is for.
    pub(super) aim: Aim,
    /// The nonce sent to the provider.
    pub(super) nonce: String,
    /// The PKCE verifier.
    pub(super) verifier: String,
    /// What the trace of a client's sign-in begins with; a test has its report.
    pub(super) attempt: Option<AttemptHead>,
}

/// What the browser got, kept so that it gets the same again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// A redirect to the client.
    Redirect {
        /// Where to.
        location: String,
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
    /// same test may have signed in as somebody else.
    Tested(Box<Report>),
}

/// Seals the request for the row of `state`.
pub(super) fn seal_request(app: &App, state: TokenHash, request: &SealedRequest) -> SealedText {
    seal(app, &context("request", state), request)
}

/// Opens what [`seal_request`] made for the same state.
pub(super) fn open_request(
    app: &App,
    state: TokenHash,
    sealed: &SealedText,
) -> Result<SealedRequest, OpenError> {
    open(app, &context("request", state), sealed)
}

/// Seals the answer for the row of `state`.
pub(super) fn seal_answer(app: &App, state: TokenHash, answer: &Answer) -> SealedText {
    seal(app, &context("answer", state), answer)
}

/// Opens what [`seal_answer`] made for the same state.
pub(super) fn open_answer(app: &App, state: TokenHash, sealed: &SealedText) -> Result<Answer, OpenError> {
    open(app, &context("answer", state), sealed)
}

/// Table, column and row, so that a value cannot be moved to another sign-in.
fn context(column: &str, state: TokenHash) -> String {
    format!("pending_sign_ins/{column}/{}", state.to_text())
}

fn seal(app: &App, context: &str, value: &impl Serialize) -> SealedText {
    let plain = serde_json::to_vec(value).expect("texts and numbers always have a JSON form");
    app.keyring
        .seal(app.entropy.as_ref(), Purpose::SignIn, context, &plain)
}

fn open<T: DeserializeOwned>(app: &App, context: &str, sealed: &SealedText) -> Result<T, OpenError> {
    let plain = app.keyring.open(Purpose::SignIn, context, sealed)?;
    serde_json::from_slice(&plain).map_err(|_| OpenError)
}
