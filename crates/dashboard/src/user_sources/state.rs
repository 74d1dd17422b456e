//! The state of a source in words: what works, what needs attention, and what to do about it.

use gatewright_domain::{
    Timestamp,
    registration::{SecretMethod, SecretSlot},
    user_source::{UserSource, UserSourceStatus},
};

use crate::{
    list::{ACTIVE, Badge, INACTIVE},
    moment::Moment,
};

/// Something about a source that someone should know.
pub(super) struct Notice {
    /// Whether sign-ins suffer, or may.
    pub(super) is_warning: bool,
    pub(super) title: &'static str,
    pub(super) since: Option<Moment>,
    pub(super) text: &'static str,
    /// What to do about it.
    pub(super) way: Option<Way>,
}

/// A way out of what a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Type another client secret.
    Rotate,
    /// Test the connection.
    Test,
}

/// The state of a source as the list shows it, in a few words.
pub(super) fn badges(source: &UserSource, now: Timestamp) -> Vec<Badge> {
    let secret = &source.client_secret;
    let mut badges = vec![match source.status {
        UserSourceStatus::Active => ACTIVE,
        UserSourceStatus::Inactive => INACTIVE,
    }];
    if secret.needs_attention() {
        badges.push(Badge {
            look: "bad",
            text: "Secret refused",
        });
    }
    match secret.in_use(now) {
        SecretSlot::Previous => badges.push(Badge {
            look: "warn",
            text: "Previous secret in use",
        }),
        SecretSlot::Current if secret.on_trial_until().is_some() => badges.push(Badge {
            look: "accent",
            text: "New secret on trial",
        }),
        SecretSlot::Current => {}
    }
    if source.verified_at.is_none() {
        badges.push(Badge {
            look: "warn",
            text: "Unverified",
        });
    }
    badges
}

/// What someone should know, the gravest first.
pub(super) fn notices(source: &UserSource, now: Timestamp) -> Vec<Notice> {
    let secret = &source.client_secret;
    let mut notices = Vec::new();
    let seen = |at| Some(Moment::new(at, now));
    let trial = secret.on_trial_until();
    match (secret.refused_at, secret.previous.is_some()) {
        (Some(since), true) => notices.push(Notice {
            is_warning: true,
            title: "The provider refuses the newest client secret",
            since: seen(since),
            text: "Sign-ins use the previous secret. Copy the right one at the provider and enter it here.",
            way: Some(Way::Rotate),
        }),
        (Some(since), false) => notices.push(Notice {
            is_warning: true,
            title: "The provider refuses the client secret",
            since: seen(since),
            text: "No one can sign in until this is fixed. Copy the secret at the provider, or create a new one there, and enter \
                   it here.",
            way: Some(Way::Rotate),
        }),
        (None, _) if secret.in_use(now) == SecretSlot::Previous => notices.push(Notice {
            is_warning: true,
            title: "The new client secret has not worked within a day",
            since: seen(secret.changed_at),
            text: "Sign-ins try the previous secret first again. Test the connection, or enter the right secret.",
            way: Some(Way::Rotate),
        }),
        (None, _) if trial.is_some() => notices.push(Notice {
            is_warning: false,
            title: "A new client secret is on trial",
            since: seen(secret.changed_at),
            text: "Every sign-in tries it first. The previous secret remains a fallback until the new one has worked once. If \
                   that takes more than a day, the previous one is tried first again.",
            way: None,
        }),
        (None, _) => {}
    }
    if source.subject_claim == "email" {
        notices.push(Notice {
            is_warning: true,
            title: "People are known by their e-mail address",
            since: None,
            text: "An address can pass to someone else, who then becomes that person here. Unless the provider never reuses an \
                   address, choose another subject claim. A test sign-in shows the available claims.",
            way: None,
        });
    }
    if source.verified_at.is_none() {
        let (title, text) = if source.last_test.is_some() {
            (
                "Unverified: the last test failed",
                "The test says what is wrong and how to fix it. Then test again.",
            )
        } else {
            (
                "Unverified: saved without checking",
                "Sign-ins may or may not work. Test the connection to find out.",
            )
        };
        notices.push(Notice {
            is_warning: true,
            title,
            since: None,
            text,
            way: Some(Way::Test),
        });
    }
    notices
}

/// How the client secret is presented, in words.
pub(super) fn authentication_in_words(source: &UserSource) -> &'static str {
    let authentication = source.client_authentication;
    match (authentication.choice.fixed(), authentication.worked) {
        (Some(method), _) => method.label(),
        (None, Some(SecretMethod::Basic)) => "Automatic: the Authorization header was accepted last",
        (None, Some(SecretMethod::Post)) => "Automatic: the body was accepted last",
        (None, None) => "Automatic",
    }
}

/// What sign-ins rest on, in words. Nothing of the secret itself.
pub(super) fn secret_in_words(source: &UserSource, now: Timestamp) -> &'static str {
    let secret = &source.client_secret;
    match secret.in_use(now) {
        SecretSlot::Previous => "The previous secret is in use",
        SecretSlot::Current if secret.on_trial_until().is_some() => {
            "The new secret is in use, the previous one is the fallback"
        }
        SecretSlot::Current if secret.needs_attention() => "Refused by the provider",
        SecretSlot::Current if secret.confirmed_at.is_some() => "In use, accepted by the provider",
        SecretSlot::Current => "Stored, not tried in a sign-in yet",
    }
}
