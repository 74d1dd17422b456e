//! What the fuzz targets share.

use std::ops::Range;

use gatewright_domain::{
    entropy::SeededEntropy,
    sealed::{Keyring, MasterKey},
};

/// The first line of an input, if it is text, and everything after it: inputs of two parts stay readable files.
pub fn first_line(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    Some((std::str::from_utf8(line).ok()?, rest.get(1..).unwrap_or_default()))
}

/// A keyring that is the same in every run.
pub fn keyring() -> Keyring {
    Keyring::new(vec![MasterKey::generate(&SeededEntropy::new(1))]).expect("one key is enough")
}

/// Cuts a body into pieces whose lengths `cuts` says, over and over; whole where it says nothing.
pub fn pieces<'a>(body: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = body;
    let mut lengths = cuts.iter().map(|cut| usize::from(cut % 16) + 1).cycle();
    while let Some(length) = lengths.next().filter(|length| *length < rest.len()) {
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Whether a body is JSON for another reader, as far as that one can tell: it stops at fewer levels than ours, and
/// then nothing is said.
pub fn is_json(body: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(body).ok()?;
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Some(true),
        Err(error) if error.to_string().contains("recursion limit") => None,
        Err(_) => Some(false),
    }
}

/// The bytes outside a range.
pub fn around(body: &[u8], range: Range<usize>) -> (&[u8], &[u8]) {
    (&body[..range.start], &body[range.end..])
}
