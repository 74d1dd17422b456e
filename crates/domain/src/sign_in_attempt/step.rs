//! The steps of a sign-in, and their results.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Reasons and details are truncated to this length.
const TEXT_MAX: usize = 300;

/// The steps of a sign-in, from the app's registration to its first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The app identified itself: it registered, or its metadata document was read.
    Registration,
    /// The app sent the browser with its request.
    Authorize,
    /// The person was asked.
    Consent,
    /// The redirect to the provider.
    Redirect,
    /// The return from the provider.
    Callback,
    /// Reading the provider's discovery document.
    Discovery,
    /// Reading the provider's keys.
    Keys,
    /// Redeeming the provider's code.
    TokenRequest,
    /// Checking the ID token.
    IdToken,
    /// Reading the subject.
    Subject,
    /// Reading name and e-mail address.
    Profile,
    /// Storing the user and issuing the app's code.
    Code,
    /// The app exchanged the code for tokens.
    Token,
    /// The app's first request with its token.
    FirstCall,
    /// The app requested tokens again that it had already received, from another network than before.
    RefreshedElsewhere,
    /// The grant ended because one of its codes or tokens was used again.
    GrantEnded,
}

impl Step {
    /// All of them, in the order of a sign-in.
    pub const ALL: [Self; 16] = [
        Self::Registration,
        Self::Authorize,
        Self::Consent,
        Self::Redirect,
        Self::Callback,
        Self::Discovery,
        Self::Keys,
        Self::TokenRequest,
        Self::IdToken,
        Self::Subject,
        Self::Profile,
        Self::Code,
        Self::Token,
        Self::FirstCall,
        Self::RefreshedElsewhere,
        Self::GrantEnded,
    ];

    /// The name in logs and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::Redirect => "redirect",
            Self::Callback => "callback",
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::TokenRequest => "token_request",
            Self::IdToken => "id_token",
            Self::Subject => "subject",
            Self::Profile => "profile",
            Self::Code => "code",
            Self::Token => "token",
            Self::FirstCall => "first_call",
            Self::RefreshedElsewhere => "refreshed_elsewhere",
            Self::GrantEnded => "grant_ended",
        }
    }
}

/// The result of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Which step.
    pub step: Step,
    /// When it began, in milliseconds since the Unix epoch.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Details worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<StepFailure>,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// The exact reason.
    pub reason: String,
    /// What the administrator can do about it.
    pub advice: String,
}

impl StepRecord {
    /// A step that succeeded and took no measurable time.
    pub const fn done(step: Step, at: Timestamp) -> Self {
        Self {
            step,
            at,
            duration_ms: 0,
            detail: None,
            failure: None,
        }
    }

    /// The same with a detail.
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = Some(cut(detail));
        self
    }

    /// A detail, truncated.
    pub fn detail_of(text: &str) -> String {
        cut(text)
    }

    /// The same with its duration.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The same as failed.
    #[must_use]
    pub fn failed(mut self, reason: &str, advice: &str) -> Self {
        self.failure = Some(StepFailure {
            reason: cut(reason),
            advice: advice.to_owned(),
        });
        self
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// What it means if no step follows.
pub(super) fn given_up_after(step: Step) -> StepFailure {
    let (reason, advice) = match step {
        Step::Registration => (
            "the app registered and did not continue",
            "Usually nothing: some apps register when they are set up, and sign in later.",
        ),
        Step::Authorize | Step::Consent => (
            "no one chose Allow or Deny",
            "Usually nothing: the person closed the page. If it happens to everyone, check whether the page opens in their browser.",
        ),
        Step::Redirect => (
            "the browser did not come back from the identity provider",
            "Usually the person gave up there. If it happens to everyone, the provider shows its own error: check the client ID, and that the redirect URL registered there is exactly ours.",
        ),
        Step::Code => (
            "the user signed in, but the app did not fetch its tokens",
            "The app may have been closed, or its redirect URL did not open. If it happens to everyone with this app, check its log.",
        ),
        Step::Callback
        | Step::Discovery
        | Step::Keys
        | Step::TokenRequest
        | Step::IdToken
        | Step::Subject
        | Step::Profile
        | Step::Token
        | Step::FirstCall
        | Step::RefreshedElsewhere
        | Step::GrantEnded => (
            "nothing happened after this step",
            "The process may have been stopped at that moment. The user has to sign in again.",
        ),
    };
    StepFailure {
        reason: reason.to_owned(),
        advice: advice.to_owned(),
    }
}

/// Milliseconds: there are many steps, and an hour of text each would take most of the space.
mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}
