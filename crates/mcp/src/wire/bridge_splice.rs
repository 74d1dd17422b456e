//! Splicing an answer while it streams: the `id` a shared upstream session needed becomes the client's again, a `null`
//! that means no error is taken out, and `resultType` becomes what the client's era has. Every other byte passes unchanged,
//! and only the few bytes of a member that may be changed are held back.

mod changes;
mod judging;
mod piece;
mod seal;

use std::borrow::Cow;

use bytes::Bytes;

pub use self::changes::{Changes, ResultType};
use self::piece::{Piece, Quotes};
pub use self::seal::{Seal, Unsealed};
use super::scan::decode_string;

/// Bytes of a member that are held while it is incomplete; IDs that we issued are far shorter.
const HELD_MAX: usize = 64;

/// Why an answer cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// It is not a JSON object, it has neither a result nor an error, or its `id` is not an id.
    #[error("the answer is not a JSON-RPC response")]
    Malformed,
    /// It answers another request.
    #[error("the answer belongs to another request")]
    ForeignId,
    /// It ended in the middle.
    #[error("the answer ended before its JSON did")]
    Truncated,
    /// It asks for what is not possible within a session.
    #[error("the tool asks for further input in a way that its session has no room for")]
    InputRequired,
    /// Its `requestState` is too long to be sealed.
    #[error("the `requestState` of the answer is too long")]
    StateTooLong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the opening brace.
    Start,
    /// Where a member of the envelope or of the result may begin.
    BetweenMembers,
    /// Inside its name.
    Name,
    /// After its name, before its value.
    BeforeValue,
    /// Inside a value that is held until it is known whole.
    Judged(Judged),
    /// Inside any other value, which passes, or after a value.
    Value,
    /// After the closing brace.
    End,
    /// What came is not a response, and passes because nothing had to be changed in it.
    Passing,
}

/// A value that is looked at whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// The `id`, which is replaced.
    Id,
    /// An `error` or `result` that is taken out when it is `null`.
    Null,
    /// The `resultType`, or another member of the result that is taken out.
    Type,
    /// The `resultType` of a result whose state would be sealed: one that is complete has none.
    Complete,
    /// The `requestState`, which is sealed.
    State,
}

/// Splices one JSON-RPC response that arrives in pieces.
#[derive(Debug)]
pub struct Splicer<S = Unsealed> {
    changes: Changes,
    /// Seals the `requestState` of the result, as long as there may be one.
    seal: Option<S>,
    state: State,
    /// Whether the members are those of the result, and not of the envelope.
    in_result: bool,
    /// Nesting within the value that passes.
    nested: u32,
    quotes: Quotes,
    name: Vec<u8>,
    /// What earlier pieces left of the bytes that are held.
    held: Vec<u8>,
    /// How many bytes are held before the value that is judged.
    value_at: usize,
    before: Before,
    /// Whether the member in progress can still be taken out, with the comma before it.
    removable: bool,
    /// Whether there is a result or an error.
    answers: bool,
}

/// What comes before the member in progress, and so whether a comma goes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Member,
    /// A member that was put in front of the first, which does not have its own comma.
    Inserted,
}

impl Splicer {
    /// For one answer.
    pub const fn new(changes: Changes) -> Self {
        Self::with(changes, None)
    }
}

impl<S: Seal> Splicer<S> {
    /// For one answer, whose `requestState` is sealed if there is something to seal it with.
    pub const fn with(changes: Changes, seal: Option<S>) -> Self {
        Self {
            changes,
            seal,
            state: State::Start,
            in_result: false,
            nested: 0,
            quotes: Quotes::Outside,
            name: Vec::new(),
            held: Vec::new(),
            value_at: 0,
            before: Before::Nothing,
            removable: false,
            answers: false,
        }
    }

    /// Whether an answer that has come as a whole needs no change for sure, which is seen without reading its members.
    pub fn leaves(&self, whole: &[u8]) -> bool {
        self.state == State::Start
            && self.changes.id.is_none()
            && self.changes.is_empty()
            && memchr::memmem::find(whole, b"\"error\"").is_none()
    }

    /// How many bytes are still to come of a body with `left` bytes left, if that is known: what is taken out of an
    /// answer that needs no other change becomes spaces.
    pub fn length(&self, left: u64) -> Option<u64> {
        let is_known = self.changes.is_empty() && self.seal.is_none();
        is_known.then(|| left + self.held.len() as u64)
    }

    /// Returns what can be passed on after this piece.
    pub fn push(&mut self, piece: Bytes) -> Result<Bytes, SpliceError> {
        if self.state == State::Passing {
            return Ok(piece);
        }
        if self.changes.id.is_some() || !self.changes.is_empty() {
            return self.splice(&piece);
        }
        let held = self.held.clone();
        let spliced = self.splice(&piece);
        // Nothing has to be changed or checked, so what it is stays for the client to judge.
        Ok(spliced.unwrap_or_else(|_| {
            self.state = State::Passing;
            if held.is_empty() {
                piece
            } else {
                [&held[..], &piece[..]].concat().into()
            }
        }))
    }

    /// Whether the answer came to its end, and was one: with a result or an error.
    pub fn finish(&self) -> Result<(), SpliceError> {
        match self.state {
            State::End if self.changes.id.is_some() && !self.answers => Err(SpliceError::Malformed),
            State::End | State::Passing => Ok(()),
            State::Start if self.changes.id.is_none() && self.changes.is_empty() => Ok(()),
            _ => Err(SpliceError::Truncated),
        }
    }

    fn splice(&mut self, bytes: &Bytes) -> Result<Bytes, SpliceError> {
        let mut piece = Piece::new(bytes, std::mem::take(&mut self.held));
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at = match self.state {
                State::Start => self.start_byte(byte, at)?,
                State::BetweenMembers => self.between_byte(byte, at, &mut piece)?,
                State::Name => self.name_byte(byte, at, &mut piece),
                State::BeforeValue => self.before_value_byte(byte, at, &mut piece)?,
                State::Judged(what) => self.judged_byte(what, byte, at, &mut piece)?,
                State::Value => self.value_bytes(bytes, at, &mut piece)?,
                State::End if byte.is_ascii_whitespace() => at + 1,
                State::End => return Err(SpliceError::Malformed),
                State::Passing => bytes.len(),
            };
        }
        let (passed, held) = piece.finish();
        self.held = held;
        Ok(passed)
    }

    fn start_byte(&mut self, byte: u8, at: usize) -> Result<usize, SpliceError> {
        match byte {
            b'{' => {
                self.state = State::BetweenMembers;
                self.removable = true;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => return Err(SpliceError::Malformed),
        }
        Ok(at + 1)
    }

    fn between_byte(&mut self, byte: u8, at: usize, piece: &mut Piece<'_>) -> Result<usize, SpliceError> {
        match byte {
            b'"' => {
                if self.removable {
                    piece.hold(at);
                }
                self.name.clear();
                self.quotes = Quotes::Inside;
                self.state = State::Name;
            }
            b'}' => {
                piece.release();
                self.close();
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => return Err(SpliceError::Malformed),
        }
        self.bound(at + 1, piece);
        Ok(at + 1)
    }

    fn name_byte(&mut self, byte: u8, at: usize, piece: &mut Piece<'_>) -> usize {
        self.quotes = self.quotes.after(byte);
        if self.quotes == Quotes::Outside {
            self.state = State::BeforeValue;
        } else if self.name.len() < HELD_MAX {
            // A longer name is none of those we look for.
            self.name.push(byte);
        }
        self.bound(at + 1, piece);
        at + 1
    }

    fn before_value_byte(
        &mut self,
        byte: u8,
        at: usize,
        piece: &mut Piece<'_>,
    ) -> Result<usize, SpliceError> {
        if matches!(byte, b':' | b' ' | b'\t' | b'\r' | b'\n') {
            self.bound(at + 1, piece);
            return Ok(at + 1);
        }
        let changes_type = self.changes.result_type != ResultType::Keep;
        let name = std::mem::take(&mut self.name);
        let name = plain(&name);
        if !self.in_result && byte != b'n' && matches!(&*name, b"error" | b"result") {
            self.answers = true;
        }
        match (&*name, self.in_result) {
            // A request or notification in the place of the answer.
            (b"method", false) if self.changes.id.is_some() => return Err(SpliceError::Malformed),
            (b"id", false) if self.changes.id.is_some() => {
                self.keep(piece);
                piece.hold(at);
                self.value_at = 0;
                self.state = State::Judged(Judged::Id);
            }
            (b"error" | b"result", false) if byte == b'n' && piece.holds() => {
                self.value_at = piece.held_until(at);
                self.state = State::Judged(Judged::Null);
            }
            (name, true)
                if self.changes.result_type.replaces(name)
                    && !matches!(byte, b'{' | b'[')
                    && piece.holds() =>
            {
                self.value_at = piece.held_until(at);
                self.state = State::Judged(Judged::Type);
            }
            (b"resultType", true) if self.seal.is_some() && piece.holds() => {
                self.value_at = piece.held_until(at);
                self.state = State::Judged(Judged::Complete);
            }
            (b"requestState", true) if byte == b'"' && self.seal.is_some() => {
                self.keep(piece);
                piece.hold(at);
                self.value_at = 0;
                self.state = State::Judged(Judged::State);
            }
            (b"result", false) if byte == b'{' && (changes_type || self.seal.is_some()) => {
                self.keep(piece);
                self.open_result(at + 1, piece);
                return Ok(at + 1);
            }
            _ => {
                self.keep(piece);
                self.nested = 0;
                self.state = State::Value;
            }
        }
        // The first byte of a value is looked at again as part of it.
        Ok(at)
    }

    /// Behind the opening brace of the result.
    fn open_result(&mut self, at: usize, piece: &mut Piece<'_>) {
        self.state = State::BetweenMembers;
        self.in_result = true;
        self.before = Before::Nothing;
        self.removable = true;
        if let Some(first) = self.changes.result_type.first_members() {
            piece.insert(at, first);
            self.before = Before::Inserted;
        }
    }

    /// The member in progress stays.
    fn keep(&mut self, piece: &mut Piece<'_>) {
        if self.before == Before::Inserted {
            piece.insert_before_held(b",");
        }
        self.before = Before::Member;
        self.removable = false;
        piece.release();
    }

    /// A member with such a long name, or so much space in it, is not one of those that are taken out.
    fn bound(&mut self, at: usize, piece: &mut Piece<'_>) {
        if piece.held_until(at) > HELD_MAX {
            self.keep(piece);
        }
    }

    /// Passes bytes of a value; returns where to continue.
    fn value_bytes(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        piece: &mut Piece<'_>,
    ) -> Result<usize, SpliceError> {
        while let Some(&byte) = bytes.get(at) {
            if self.quotes != Quotes::Outside {
                at = self.string_bytes(bytes, at);
                continue;
            }
            at += 1;
            match byte {
                b'"' => self.quotes = Quotes::Inside,
                b'{' | b'[' => self.nested = self.nested.saturating_add(1),
                b'}' | b']' if self.nested > 0 => self.nested -= 1,
                b']' => return Err(SpliceError::Malformed),
                b'}' => {
                    self.close();
                    break;
                }
                b',' if self.nested == 0 => {
                    self.comma(at - 1, piece);
                    break;
                }
                _ => {}
            }
        }
        Ok(at)
    }

    /// A comma between members. It belongs to the member after it; there is none before the first member that stays.
    fn comma(&mut self, at: usize, piece: &mut Piece<'_>) {
        self.state = State::BetweenMembers;
        self.removable = true;
        piece.hold(at);
        match self.before {
            Before::Nothing => piece.remove(at + 1, self.changes.is_empty()),
            Before::Member | Before::Inserted => self.before = Before::Member,
        }
    }

    /// The end of the result, or of the envelope.
    fn close(&mut self) {
        if std::mem::take(&mut self.in_result) {
            self.state = State::Value;
            self.nested = 0;
            self.before = Before::Member;
        } else {
            self.state = State::End;
        }
    }

    /// Skips to the end of a string or of the piece: most bytes of a large answer are in strings.
    fn string_bytes(&mut self, bytes: &[u8], at: usize) -> usize {
        if self.quotes == Quotes::Escaped {
            self.quotes = Quotes::Inside;
            return at + 1;
        }
        match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
            None => bytes.len(),
            Some(offset) => {
                self.quotes = self.quotes.after(bytes[at + offset]);
                at + offset + 1
            }
        }
    }
}

/// The text of a member's name, which can be written with escapes.
fn plain(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'\\') {
        return Cow::Borrowed(name);
    }
    let quoted = [&b"\""[..], name, b"\""].concat();
    let decoded = decode_string(&quoted).map(|text| text.into_owned().into_bytes());
    decoded.map_or(Cow::Borrowed(name), Cow::Owned)
}

#[cfg(test)]
mod tests;
