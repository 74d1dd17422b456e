//! What seals the state that a stateless server sends its client for the next round of a request (2026-07-28
//! basic/patterns/mrtr).

/// Seals a state.
pub trait Seal {
    /// The state as the client gets it.
    fn seal(&self, state: &str) -> String;
}

/// Seals nothing: no answer has a state.
#[derive(Debug, Clone, Copy)]
pub struct Unsealed;

impl Seal for Unsealed {
    fn seal(&self, state: &str) -> String {
        state.to_owned()
    }
}
