//! How a server is, in words.

use gatewright_domain::Timestamp;

use crate::{moment::Moment, relying_party::check::Finding, service::server_checks::Known};

/// How a server is, for a badge.
pub(super) struct State {
    pub(super) look: &'static str,
    pub(super) word: &'static str,
    /// When that was seen.
    pub(super) at: Option<Moment>,
    /// What happened and what to do, when it does not answer.
    pub(super) why: Option<Finding>,
}

/// What is known about a server.
pub(super) fn of(known: Known, now: Timestamp) -> State {
    match known {
        Known::Nothing => State {
            look: "",
            word: "Not asked yet",
            at: None,
            why: None,
        },
        Known::Answers(at) => State {
            look: "good",
            word: "Answers",
            at: at.map(|at| Moment::new(at, now)),
            why: None,
        },
        Known::Fails { at, why } => State {
            look: "bad",
            word: "Does not answer",
            at: Some(Moment::new(at, now)),
            why: Some(why),
        },
    }
}
