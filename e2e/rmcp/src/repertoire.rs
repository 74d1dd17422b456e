//! What every server offers and every client answers, as `e2e/sdks/repertoire.mjs` has it.

/// The resource whose changes are announced.
pub(crate) const WATCHED: &str = "memo://watched";

/// Everything else, as JSON.
pub(crate) const REPERTOIRE: &str = include_str!("repertoire.json");
