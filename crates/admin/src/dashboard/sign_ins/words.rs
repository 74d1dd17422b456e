//! How attempts and their steps are told to people.

use gatewright_domain::sign_in_attempt::{Outcome, Step};

use crate::dashboard::list::Badge;

/// Outcomes to filter by, with what they are called.
pub(super) const OUTCOMES: [(&str, &str); 4] = [
    ("failed", "Failed"),
    ("succeeded", "Signed in"),
    ("in_progress", "Under way"),
    ("abandoned", "Given up"),
];

/// The outcome of this word in an address.
pub(super) fn outcome_of_word(word: &str) -> Option<Outcome> {
    match word {
        "failed" => Some(Outcome::Failed),
        "succeeded" => Some(Outcome::Succeeded),
        "in_progress" => Some(Outcome::InProgress),
        "abandoned" => Some(Outcome::Abandoned),
        _ => None,
    }
}

/// How an attempt stands.
pub(super) const fn badge(outcome: Outcome) -> Badge {
    match outcome {
        Outcome::Succeeded => Badge {
            look: "good",
            text: "Signed in",
        },
        Outcome::Failed => Badge {
            look: "bad",
            text: "Failed",
        },
        Outcome::InProgress => Badge {
            look: "accent",
            text: "Under way",
        },
        Outcome::Abandoned => Badge {
            look: "",
            text: "Given up",
        },
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
        Step::Subject => "Found out who it is",
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

/// A reason as a sentence of its own.
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

/// A time in milliseconds as people read it; nothing for what took none.
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

    #[test]
    fn every_word_of_the_filter_is_understood() {
        for (word, label) in OUTCOMES {
            let outcome = outcome_of_word(word).unwrap();
            assert_eq!(badge(outcome).text, label);
        }
        assert_eq!(outcome_of_word("lost"), None);
    }
}
