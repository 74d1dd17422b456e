//! Attempts and their steps in words.

use gatewright_domain::sign_in_attempt::{Outcome, Step};

use crate::list::Badge;

/// The state of an attempt.
pub(super) const fn badge(outcome: Outcome) -> Badge {
    Badge {
        look: match outcome {
            Outcome::Succeeded => "good",
            Outcome::Failed => "bad",
            Outcome::InProgress => "accent",
            Outcome::Abandoned => "",
        },
        text: outcome.label(),
    }
}

/// What happens in a step.
pub(super) const fn step(step: Step) -> &'static str {
    match step {
        Step::Registration => "The app introduced itself",
        Step::Authorize => "The app asked for access",
        Step::Consent => "The person was asked",
        Step::Redirect => "Off to the identity provider",
        Step::Callback => "Back from the identity provider",
        Step::Discovery => "Read the provider's configuration",
        Step::Keys => "Read the provider's keys",
        Step::TokenRequest => "Redeemed the provider's code",
        Step::IdToken => "Checked the ID token",
        Step::Subject => "Identified the person",
        Step::Profile => "Read name and e-mail address",
        Step::Code => "Gave the app its code",
        Step::Token => "The app fetched its tokens",
        Step::FirstCall => "The app's first request",
        Step::RefreshedElsewhere => "The app refreshed again, from another network",
        Step::GrantEnded => "The session was ended for safety",
    }
}

/// Where what failed in a step can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the source.
    Source,
    /// At the gateway.
    Gateway,
}

/// Where to look when a step failed.
pub(super) const fn place_of(step: Step) -> Place {
    match step {
        Step::Redirect
        | Step::Callback
        | Step::Discovery
        | Step::Keys
        | Step::TokenRequest
        | Step::IdToken
        | Step::Subject
        | Step::Profile => Place::Source,
        Step::Registration
        | Step::Authorize
        | Step::Consent
        | Step::Code
        | Step::Token
        | Step::FirstCall
        | Step::RefreshedElsewhere
        | Step::GrantEnded => Place::Gateway,
    }
}

/// A reason as its own sentence.
pub(super) fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut sentence: String = first.to_uppercase().chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?', '…']) {
        sentence.push('.');
    }
    sentence
}

/// A time in milliseconds as people read it; `None` for what took none.
pub(super) fn lasting(milliseconds: u64) -> Option<String> {
    let seconds = milliseconds / 1_000;
    match milliseconds {
        0 => None,
        1..1_000 => Some(format!("{milliseconds} ms")),
        1_000..10_000 => Some(format!("{seconds}.{} s", milliseconds % 1_000 / 100)),
        10_000..120_000 => Some(format!("{seconds} s")),
        _ => Some(format!("{} min", seconds / 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sentences_and_times_are_short() {
        assert_eq!(sentence("the audience is another"), "The audience is another.");
        assert_eq!(sentence("Ähm?"), "Ähm?");
        assert_eq!(sentence(""), "");
        let told = [0, 7, 1_250, 59_999, 600_000].map(lasting);
        let told: Vec<_> = told.iter().map(Option::as_deref).collect();
        assert_eq!(
            told,
            [None, Some("7 ms"), Some("1.2 s"), Some("59 s"), Some("10 min")]
        );
    }
}
