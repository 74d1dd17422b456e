//! Why a sign-in failed: one enum that every step funnels into, mapped to the page for the person, the words for the
//! log, and the advice for the administrator.

mod advice;

use std::borrow::Cow;

use gatewright_domain::{reference::Reference, sign_in_attempt::Step};
use gatewright_identity::{
    IdTokenError, IssuerDifference, Malformed, ProviderError, TokenError, VerifyError, subject::SubjectError,
};
use gatewright_store::StoreError;
use http::StatusCode;

use crate::{directory::Stale, sign_in_trace::Trace, test_report::ReportedFailure};

/// Why a sign-in failed. Display is for the log: exact, and without secret, code, token or claim value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The callback's parameters cannot be read.
    #[error("the callback is malformed: {0}")]
    Malformed(String),
    /// The provider had the browser post its answer (OAuth 2.0 Form Post Response Mode), which was not requested.
    #[error("the provider sent its answer as a posted form, and only answers in the address are read")]
    FormPost,
    /// The browser came back after the time for the visit to the provider.
    #[error("the person was at the provider for longer than a sign-in may take")]
    Expired,
    /// The browser has no cookie of this sign-in.
    #[error(
        "the browser that came back has no cookie of this sign-in: it began in another browser or not here, has expired, or the browser keeps no cookies"
    )]
    NoCookie,
    /// The browser's cookie does not open for this sign-in.
    #[error("the browser that came back has another cookie than the one that began this sign-in")]
    ForeignCookie,
    /// The sign-in was done with another provider code.
    #[error("the callback came again with another code than the first time")]
    OtherCode,
    /// The provider's code came back for another sign-in before: a hostile provider may pass on what it received.
    #[error(
        "this provider code was brought back before, for another sign-in; a provider connected here may have handed it on"
    )]
    CodeOfAnother,
    /// An earlier arrival claimed the sign-in and never finished.
    #[error("an earlier arrival of this callback was interrupted")]
    Interrupted,
    /// An earlier arrival is at work for longer than this one may wait.
    #[error("an earlier arrival of this callback is still being handled")]
    StillWorking,
    /// `iss` of the callback is not the source's issuer (RFC 9207 section 2.4).
    #[error("`iss` of the callback is not the configured issuer: {0}")]
    IssuerParameter(IssuerDifference),
    /// The provider says it sends `iss`, and the callback has none.
    #[error("the provider announces `iss` in its answers, and the callback has none")]
    IssuerParameterMissing,
    /// The provider sent the browser back with an error.
    #[error("the provider answered with the error `{0}`")]
    ProviderAnswer(String),
    /// The browser came back to another redirect URL than the one that was sent to the provider.
    #[error("the browser came back to another redirect URL than the one this sign-in began with")]
    OtherRedirectUrl,
    /// The gateway is no longer there or no longer uses the source.
    #[error("the gateway was deleted or deactivated, or uses another User Source now")]
    GatewayGone,
    /// The source of a test was deleted during it.
    #[error("the User Source was deleted during the test")]
    SourceGone,
    /// A test was finished in another window.
    #[error("this test sign-in has succeeded already, in another window, or its ten minutes are over")]
    TestOver,
    /// Issuer, client id or subject claim changed since *Allow*.
    #[error("issuer, client id or subject claim of the User Source changed during the sign-in")]
    SourceChanged,
    /// The kept answer does not open.
    #[error("the answer of this sign-in cannot be opened with the master key of this instance")]
    Unreadable,
    /// The discovery document cannot be used.
    #[error("{0}")]
    Discovery(ProviderError),
    /// The keys cannot be used.
    #[error("{0}")]
    Keys(ProviderError),
    /// The code could not be redeemed.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The ID token is not acceptable.
    #[error("{0}")]
    IdToken(#[from] IdTokenError),
    /// The subject claim does not identify anyone.
    #[error("{0}")]
    Subject(#[from] SubjectError),
    /// An administrator blocked the user.
    #[error("the user is blocked")]
    Blocked,
    /// The user signed in too often within a minute.
    #[error("the user signed in too often within a minute; no code was issued")]
    TooMany,
    /// The consent page was used too often.
    #[error("the consent page was used too often; no code was issued")]
    ConsentUsedUp,
    /// Gateway, source or user changed while the sign-in was completed.
    #[error("gateway, User Source or user changed while the sign-in was completed; no code was issued")]
    Overtaken,
    /// The configuration could not be confirmed for too long.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sign-in broke off inside this process.
    #[error("the sign-in broke off inside this process")]
    Internal,
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.to_string())
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token(error) => Self::IdToken(error),
            VerifyError::Keys(error) => Self::Keys(error),
        }
    }
}

/// What a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// What happened.
    pub(super) title: &'static str,
    /// Why.
    pub(super) explanation: Cow<'static, str>,
    /// What to do next.
    pub(super) advice: &'static str,
}

impl Told {
    /// The same for someone who signs in to see their connections, and so came from no application.
    pub(super) fn on_connections_page(self) -> Self {
        let advice = if self.advice == AGAIN {
            AGAIN_ON_PAGE
        } else {
            self.advice
        };
        Self { advice, ..self }
    }
}

const AGAIN: &str = "Go back to your application and connect again.";
const AGAIN_ON_PAGE: &str = "Open the page of your connected apps again, and sign in there.";
const TELL_ADMIN: &str = "Tell the person who administers this gateway, and give them the reference below; it leads them to the cause.";

impl Failure {
    /// Writes itself into the trace of its sign-in.
    pub(super) fn tell(&self, trace: &Trace) {
        trace.fail(self.step(), &self.to_string(), self.advice());
    }

    /// How the report of a test says it, with the reference that finds the log entry.
    pub(super) fn reported(&self, reference: Option<Reference>) -> ReportedFailure {
        ReportedFailure {
            step: self.step().as_str().to_owned(),
            reason: self.to_string(),
            advice: self.advice().to_owned(),
            reference: reference.map(|reference| reference.to_string()),
        }
    }

    /// The step that failed.
    pub(crate) fn step(&self) -> Step {
        match self {
            Self::Malformed(_)
            | Self::FormPost
            | Self::Expired
            | Self::NoCookie
            | Self::ForeignCookie
            | Self::OtherCode
            | Self::CodeOfAnother
            | Self::OtherRedirectUrl
            | Self::Interrupted
            | Self::StillWorking
            | Self::IssuerParameter(_)
            | Self::IssuerParameterMissing
            | Self::ProviderAnswer(_)
            | Self::GatewayGone
            | Self::SourceGone
            | Self::SourceChanged
            | Self::Unreadable
            | Self::Stale(_) => Step::Callback,
            Self::Discovery(_) => Step::Discovery,
            Self::Keys(_) => Step::Keys,
            Self::Token(_) => Step::TokenRequest,
            Self::IdToken(_) => Step::IdToken,
            Self::Subject(_) => Step::Subject,
            Self::Blocked
            | Self::TooMany
            | Self::ConsentUsedUp
            | Self::Overtaken
            | Self::TestOver
            | Self::Store(_)
            | Self::Internal => Step::Code,
        }
    }

    /// What the person at the browser reads, who can take this many `minutes` at the provider.
    pub(super) fn told(&self, minutes: u32) -> Told {
        let (status, title, explanation, advice) = self.words();
        let explanation: Cow<'static, str> = if let Self::Expired = self {
            let plural = if minutes == 1 { "" } else { "s" };
            format!("You have {minutes} minute{plural} to sign in at your identity provider.").into()
        } else {
            explanation.into()
        };
        Told {
            status,
            title,
            explanation,
            advice,
        }
    }

    /// Status, title, explanation and advice. A provider's fault is a 400 and not a 502: some proxies put their own page
    /// in place of a 502, and the reference would be lost.
    #[expect(
        clippy::too_many_lines,
        reason = "a table: the words for each failure, side by side"
    )]
    fn words(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::Malformed(_) => (
                StatusCode::BAD_REQUEST,
                "This address is not complete",
                "Part of the identity provider's answer is missing.",
                AGAIN,
            ),
            Self::FormPost => (
                StatusCode::BAD_REQUEST,
                "Your identity provider answered in the wrong way",
                "It sent its answer as a form, which this gateway does not read. You are not signed in.",
                TELL_ADMIN,
            ),
            // How long it may take is said in place of the explanation.
            Self::Expired => (StatusCode::BAD_REQUEST, "This sign-in took too long", "", AGAIN),
            Self::OtherCode
            | Self::CodeOfAnother
            | Self::OtherRedirectUrl
            | Self::Interrupted
            | Self::TestOver => (
                StatusCode::BAD_REQUEST,
                "This sign-in is no longer open",
                "It was already finished or interrupted, or the answer belongs to another sign-in.",
                AGAIN,
            ),
            Self::NoCookie | Self::ForeignCookie => (
                StatusCode::FORBIDDEN,
                "This sign-in did not begin in this browser",
                "For your safety, a sign-in can only be finished in the browser in which it began, and only for some minutes. If you did not begin it yourself, someone may have sent you the link.",
                "Close this page. To sign in, connect again from your own application, in a browser that keeps cookies.",
            ),
            Self::StillWorking => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Your sign-in is not finished yet",
                "The identity provider is slow to answer.",
                "Wait a moment and reload this page.",
            ),
            Self::ProviderAnswer(error) if error == "temporarily_unavailable" => (
                StatusCode::BAD_REQUEST,
                "Your identity provider is not available right now",
                "It says that it cannot sign anyone in at the moment.",
                "Try again in a few minutes. If it keeps happening, tell the person who administers this gateway and give them the reference below.",
            ),
            Self::ProviderAnswer(_) => (
                StatusCode::BAD_REQUEST,
                "Your identity provider did not sign you in",
                "It sent you back with an error instead of an answer.",
                TELL_ADMIN,
            ),
            Self::GatewayGone | Self::SourceGone | Self::SourceChanged | Self::Overtaken => (
                StatusCode::BAD_REQUEST,
                "This gateway has just been changed",
                "Its settings changed while you were signing in, so this sign-in cannot be finished.",
                AGAIN,
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "You signed in too often",
                "Your account signed in to apps many times within the last minute.",
                "Wait a minute, then connect again from your application. If you did not do this, quit the application.",
            ),
            Self::ConsentUsedUp => (
                StatusCode::BAD_REQUEST,
                "This page was used too often",
                "You allowed this request several times already.",
                AGAIN,
            ),
            Self::Discovery(_) | Self::Keys(_) | Self::Token(TokenError::Provider(_)) => (
                StatusCode::BAD_REQUEST,
                "Your identity provider cannot be reached",
                "It did not answer as it should, so you could not be signed in.",
                "Try again in a few minutes. If it keeps happening, tell the person who administers this gateway and give them the reference below.",
            ),
            Self::IssuerParameter(_)
            | Self::IssuerParameterMissing
            | Self::Token(
                TokenError::ClientRefused { .. }
                | TokenError::CodeRefused
                | TokenError::Refused { .. }
                | TokenError::NoIdToken
                | TokenError::SecretUnreadable,
            )
            | Self::IdToken(_) => (
                StatusCode::BAD_REQUEST,
                "You could not be signed in",
                "The identity provider's answer did not pass the checks of this gateway.",
                TELL_ADMIN,
            ),
            Self::Subject(_) => (
                StatusCode::BAD_REQUEST,
                "This gateway cannot tell who you are",
                "The identity provider signed you in, but did not send what this gateway needs to recognise you.",
                TELL_ADMIN,
            ),
            Self::Blocked => (
                StatusCode::FORBIDDEN,
                "You may not use this gateway",
                "An administrator has blocked your access.",
                "If you think this is a mistake, talk to the person who administers this gateway.",
            ),
            Self::Stale(_) | Self::Store(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Sign-in is not possible at the moment",
                "This gateway cannot reach its database.",
                "Wait a moment and reload this page.",
            ),
            Self::Unreadable | Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                "Your sign-in could not be finished because of a fault in this gateway.",
                TELL_ADMIN,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_foreign_browser_and_a_blocked_user_are_forbidden() {
        assert_eq!(Failure::NoCookie.told(10).status, StatusCode::FORBIDDEN);
        assert_eq!(Failure::ForeignCookie.told(10).status, StatusCode::FORBIDDEN);
        assert_eq!(Failure::Blocked.told(10).status, StatusCode::FORBIDDEN);
        assert_eq!(Failure::Expired.told(10).status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn the_page_says_how_long_a_sign_in_can_take() {
        assert!(Failure::Expired.told(25).explanation.contains("25 minutes "));
        assert!(Failure::Expired.told(1).explanation.contains("1 minute "));
    }

    #[test]
    fn the_page_never_repeats_what_the_provider_sent() {
        let failure = Failure::ProviderAnswer("evil<script>".to_owned());
        let told = failure.told(10);
        for text in [told.title, &told.explanation, told.advice] {
            assert!(!text.contains("evil"));
        }
        assert!(failure.to_string().contains("evil"));
    }

    #[test]
    fn a_slash_in_the_issuer_is_named_in_the_advice() {
        let failure = Failure::from(IdTokenError::Issuer(IssuerDifference::ProviderHasSlash));
        assert_eq!(failure.step(), Step::IdToken);
        assert!(failure.advice().contains("slash"));
        let other = Failure::from(IdTokenError::Issuer(IssuerDifference::Other));
        assert!(!other.advice().contains("slash"));
    }
}
