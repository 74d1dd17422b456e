//! One piece of an answer: what of it passes, what is held back, and what is put in. Only what is spliced forces a copy.

use bytes::{Bytes, BytesMut};

/// The place of a byte relative to the quotes of JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    Outside,
    Inside,
    /// Inside, after a backslash.
    Escaped,
}

impl Quotes {
    /// The place of the next byte.
    pub(super) const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Inside, b'\\') => Self::Escaped,
            (Self::Inside, b'"') => Self::Outside,
            (Self::Outside, b'"') | (Self::Inside | Self::Escaped, _) => Self::Inside,
            (Self::Outside, _) => Self::Outside,
        }
    }
}

/// A piece on its way. Places are those of its own bytes.
pub(super) struct Piece<'a> {
    bytes: &'a Bytes,
    /// What earlier pieces left of the bytes that are held; then all before `hold` have passed.
    held: Vec<u8>,
    /// Where the bytes that are held begin, or continue.
    hold: Option<usize>,
    /// What has been passed on already, if that is a copy.
    spliced: Option<BytesMut>,
    /// Where the bytes begin that have not.
    from: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn new(bytes: &'a Bytes, held: Vec<u8>) -> Self {
        Self {
            bytes,
            hold: (!held.is_empty()).then_some(0),
            held,
            spliced: None,
            from: 0,
        }
    }

    pub(super) const fn holds(&self) -> bool {
        self.hold.is_some()
    }

    /// Holds the bytes from `at` on, unless some are held already.
    pub(super) fn hold(&mut self, at: usize) {
        if self.hold.is_none() {
            self.hold = Some(at);
        }
    }

    /// How many bytes before `at` are held.
    pub(super) fn held_until(&self, at: usize) -> usize {
        self.hold.map_or(0, |hold| self.held.len() + at - hold)
    }

    /// The bytes before `at` that are held.
    pub(super) fn held_text(&self, at: usize) -> Vec<u8> {
        let here = self.hold.map(|hold| &self.bytes[hold..at]).unwrap_or_default();
        [&self.held[..], here].concat()
    }

    /// Passes on what is held.
    pub(super) fn release(&mut self) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.splice(0, &held);
        }
        self.hold = None;
    }

    /// Takes out what is held before `at`, or makes it spaces.
    pub(super) fn remove(&mut self, at: usize, becomes_spaces: bool) {
        let length = self.held_until(at);
        let hold = self.hold.take().unwrap_or(at);
        self.held.clear();
        self.splice(hold, &[]);
        if becomes_spaces && let Some(spliced) = &mut self.spliced {
            spliced.resize(spliced.len() + length, b' ');
        }
        self.from = at;
    }

    /// Inserts bytes at `at`, where nothing is held.
    pub(super) fn insert(&mut self, at: usize, with: &[u8]) {
        self.splice(at, with);
    }

    /// Puts bytes in before those that are held.
    pub(super) fn insert_before_held(&mut self, with: &[u8]) {
        self.splice(self.hold.unwrap_or(self.from), with);
    }

    /// What passes, and what stays held.
    pub(super) fn finish(mut self) -> (Bytes, Vec<u8>) {
        let end = self.hold.unwrap_or(self.bytes.len());
        if let Some(hold) = self.hold {
            self.held.extend_from_slice(&self.bytes[hold..]);
        }
        let passed = match self.spliced {
            None => self.bytes.slice(self.from..end),
            Some(mut spliced) => {
                spliced.extend_from_slice(&self.bytes[self.from..end]);
                spliced.freeze()
            }
        };
        (passed, self.held)
    }

    /// Passes on the bytes before `until`, and then `with`.
    fn splice(&mut self, until: usize, with: &[u8]) {
        let bytes = self.bytes;
        let before = &bytes[self.from..until];
        let spliced = self
            .spliced
            .get_or_insert_with(|| BytesMut::with_capacity(bytes.len() + 64));
        spliced.extend_from_slice(before);
        spliced.extend_from_slice(with);
        self.from = until;
    }
}
