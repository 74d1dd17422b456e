//! What a test sign-in shows an administrator: what the provider said about the person, which of it could say who they are,
//! and what failed.

use gatewright_domain::{Timestamp, user_source::UserSource};
use gatewright_identity::{
    Email, Profile,
    check::Finding,
    subject::{self, EMAIL_CHANGES_HANDS, SubjectError, UNLESS_SURE},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Claims that are reported; the ID tokens with the most have some dozens.
const MAX_CLAIMS: usize = 100;

/// The longest value that is reported, in bytes of its JSON form: a list of all groups is not worth keeping.
const MAX_VALUE: usize = 2_000;

/// The longest name of a claim; namespaced ones are URLs.
const MAX_NAME: usize = 200;

/// Claims that describe the token and are the same for everyone who signs in.
const SAME_FOR_ALL: [&str; 8] = ["iss", "aud", "azp", "tid", "hd", "ver", "typ", "token_use"];

/// Claims that are different at the next sign-in of the same person.
const OF_THE_SIGN_IN: [&str; 18] = [
    "exp",
    "iat",
    "nbf",
    "auth_time",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "jti",
    "sid",
    "acr",
    "amr",
    "uti",
    "rh",
    "aio",
    "origin_jti",
    "event_id",
    "updated_at",
];

/// Claims that people change, or that several people share.
const CHANGEABLE: [&str; 19] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "username",
    "upn",
    "unique_name",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "idp",
    "ipaddr",
];

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When.
    pub finished_at: Timestamp,
    /// The claim that says who the person is; `None` if the sign-in failed before there were claims.
    pub subject_claim: Option<String>,
    /// Its value, which would identify the person.
    pub subject: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// The e-mail address, if the provider vouches for it.
    pub email: Option<String>,
    /// The claims of the verified ID token: the subject claim first, then what else could be, those of the token itself last.
    pub claims: Vec<ReportedClaim>,
    /// Warnings that are not failures.
    pub warnings: Vec<Finding>,
    /// Why it failed; `None` if it succeeded.
    pub failure: Option<ReportedFailure>,
}

/// A claim of the ID token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedClaim {
    /// Its name.
    pub name: String,
    /// Its value; `None` if it is too long to be reported.
    pub value: Option<Value>,
    /// Whether it is the subject claim.
    pub is_subject: bool,
    /// Whether it could be.
    pub fit: Fit,
    /// Why.
    pub detail: String,
}

/// Whether a claim can say who someone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It can.
    Usable,
    /// It can be chosen, and what it says may come to mean someone else.
    Discouraged,
    /// It cannot.
    Unusable,
}

/// Why a test failed, as an administrator reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedFailure {
    /// The step, in a word.
    pub step: String,
    /// The exact reason.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
    /// What finds the log entry.
    pub reference: Option<String>,
}

impl Report {
    /// The provider vouched for a person, and the subject claim says who it is.
    pub(crate) fn succeeded(
        source: &UserSource,
        claims: &Map<String, Value>,
        subject: &str,
        profile: &Profile,
        now: Timestamp,
    ) -> Self {
        Self {
            subject: Some(subject.to_owned()),
            ..Self::of_claims(source, claims, profile, now)
        }
    }

    /// The provider vouched for a person, and the subject claim does not say who it is: the claims are there to choose
    /// another from.
    pub(crate) fn without_subject(
        source: &UserSource,
        claims: &Map<String, Value>,
        failure: ReportedFailure,
        profile: &Profile,
        now: Timestamp,
    ) -> Self {
        Self {
            failure: Some(failure),
            ..Self::of_claims(source, claims, profile, now)
        }
    }

    /// It failed before there were claims.
    pub(crate) fn failed(failure: ReportedFailure, now: Timestamp) -> Self {
        Self {
            finished_at: now,
            subject_claim: None,
            subject: None,
            display_name: None,
            email: None,
            claims: Vec::new(),
            warnings: Vec::new(),
            failure: Some(failure),
        }
    }

    /// The same, if the provider refused the newest client secret.
    pub(crate) fn with_refused_secret(mut self) -> Self {
        self.warnings.insert(
            0,
            finding(
                "/client_secret",
                "The provider refused the newest client secret and accepted the one before it.",
                "Enter the secret that is registered at the provider now.",
            ),
        );
        self
    }

    fn of_claims(
        source: &UserSource,
        claims: &Map<String, Value>,
        profile: &Profile,
        now: Timestamp,
    ) -> Self {
        let mut warnings = Vec::new();
        if profile.email == Email::Unverified {
            warnings.push(finding(
                "/scopes",
                "The provider does not vouch for the e-mail address (`email_verified` is false), so none is kept.",
                "Have the address verified at the provider if your servers need it; sign-ins work all the same.",
            ));
        }
        if source.subject_claim == "email" {
            warnings.push(finding("/subject_claim", EMAIL_CHANGES_HANDS, UNLESS_SURE));
        }
        let asked = |scope: &str| source.scopes.iter().any(|item| item == scope);
        if asked("profile") && profile.name.is_none() {
            warnings.push(missing("name", "profile"));
        }
        if asked("email") && profile.email == Email::Unsaid {
            warnings.push(missing("e-mail address", "email"));
        }
        let mut reported: Vec<ReportedClaim> = claims
            .iter()
            .filter(|(name, _)| name.len() <= MAX_NAME)
            .map(|(name, value)| ReportedClaim::of(claims, name, value, &source.subject_claim))
            .collect();
        reported.sort_by_key(|claim| (!claim.is_subject, tells_of_the_token(&claim.name), claim.fit));
        reported.truncate(MAX_CLAIMS);
        if reported.len() < claims.len() {
            warnings.push(finding(
                "/subject_claim",
                "The ID token has more claims than are shown here.",
                "The subject claim is among those shown, where the ID token has it.",
            ));
        }
        Self {
            finished_at: now,
            subject_claim: Some(source.subject_claim.clone()),
            subject: None,
            display_name: profile.name.clone(),
            email: profile.email.address().map(str::to_owned),
            claims: reported,
            warnings,
            failure: None,
        }
    }
}

impl ReportedClaim {
    fn of(claims: &Map<String, Value>, name: &str, value: &Value, subject_claim: &str) -> Self {
        let (fit, detail) = fit(claims, name);
        let is_short = value.to_string().len() <= MAX_VALUE;
        Self {
            name: name.to_owned(),
            value: is_short.then(|| value.clone()),
            is_subject: name == subject_claim,
            fit,
            detail,
        }
    }
}

/// Whether a claim could be the subject claim, and why.
fn fit(claims: &Map<String, Value>, name: &str) -> (Fit, String) {
    if SAME_FOR_ALL.contains(&name) {
        return (Fit::Unusable, "It is the same for everyone.".to_owned());
    }
    if OF_THE_SIGN_IN.contains(&name) {
        return (Fit::Unusable, "It changes with every sign-in.".to_owned());
    }
    if let Err(error) = subject::read(claims, name) {
        return (Fit::Unusable, unusable(&error).to_owned());
    }
    if name == "sub" {
        return (
            Fit::Usable,
            "The provider's own ID of the person, which it never assigns to anyone else.".to_owned(),
        );
    }
    if name == "email" {
        return (Fit::Discouraged, format!("{EMAIL_CHANGES_HANDS} {UNLESS_SURE}"));
    }
    if CHANGEABLE.contains(&name) {
        return (
            Fit::Discouraged,
            "It can change, and someone else can get the same one.".to_owned(),
        );
    }
    (
        Fit::Usable,
        "Choose it only if the provider never changes it and never assigns it to anyone else.".to_owned(),
    )
}

const fn unusable(error: &SubjectError) -> &'static str {
    match error {
        SubjectError::Missing(_) => "The ID token does not have it.",
        SubjectError::Kind { .. } => "It is not text or a whole number.",
        SubjectError::Empty(_) => "It is empty.",
        SubjectError::TooLong(_) => "It is longer than 255 characters.",
        SubjectError::ControlCharacter(_) => "It contains a control character.",
        SubjectError::UnverifiedEmail => "The provider does not vouch for the address.",
    }
}

fn tells_of_the_token(name: &str) -> bool {
    SAME_FOR_ALL.contains(&name) || OF_THE_SIGN_IN.contains(&name)
}

fn missing(what: &str, scope: &str) -> Finding {
    finding(
        "/scopes",
        format!("The provider sent no {what}, although the scope `{scope}` is asked for."),
        "Have the provider send it, or leave it: it is for display, and sign-ins work all the same.",
    )
}

fn finding(pointer: &str, found: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        pointer: pointer.to_owned(),
        found: found.into(),
        remedy: remedy.to_owned(),
    }
}
