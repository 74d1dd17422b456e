//! Deciding on a value of an answer that is held until it is known whole.

use super::{
    HELD_MAX, Judged, SpliceError, Splicer, State,
    piece::{Piece, Quotes},
    seal::Seal,
};
use crate::wire::{id::same_id, json::json_string, scan::decode_string};

/// A character of an ID can be written as an escape of this many bytes.
const ESCAPE: usize = 6;
/// The maximum size of a server's state that is sealed, in bytes of JSON text.
const STATE_MAX: usize = 256 * 1024;

impl<S: Seal> Splicer<S> {
    /// Takes one byte of a value that is judged whole.
    pub(super) fn judged_byte(
        &mut self,
        what: Judged,
        byte: u8,
        at: usize,
        piece: &mut Piece<'_>,
    ) -> Result<usize, SpliceError> {
        let ends = matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
        if ends && self.quotes == Quotes::Outside {
            self.judge(what, at, piece)?;
            self.nested = 0;
            self.state = State::Value;
            return Ok(at);
        }
        self.quotes = self.quotes.after(byte);
        let most = match (what, &self.changes.id) {
            (Judged::Id, Some((ours, _))) => HELD_MAX.max(ours.len() * ESCAPE),
            (Judged::State, _) => STATE_MAX,
            _ => HELD_MAX,
        };
        if piece.held_until(at + 1) > most {
            match what {
                Judged::Id => return Err(SpliceError::Malformed),
                Judged::State => return Err(SpliceError::StateTooLong),
                Judged::Null | Judged::Type | Judged::Complete => {}
            }
            self.keep(piece);
            self.nested = 0;
            self.state = State::Value;
        }
        Ok(at + 1)
    }

    /// Decides on a value that ends before `at`.
    fn judge(&mut self, what: Judged, at: usize, piece: &mut Piece<'_>) -> Result<(), SpliceError> {
        let held = piece.held_text(at);
        let value = held.get(self.value_at..).unwrap_or_default();
        match what {
            Judged::Id => {
                let (ours, theirs) = self.changes.id.as_ref().ok_or(SpliceError::Malformed)?;
                // An error that could not name its request answers it all the same: the HTTP exchange says which it was.
                let value = std::str::from_utf8(value).map_err(|_| SpliceError::Malformed)?;
                if value != "null" && !same_id(value, ours) {
                    return Err(SpliceError::ForeignId);
                }
                if ours == theirs {
                    piece.release();
                } else {
                    piece.remove(at, false);
                    piece.insert(at, theirs);
                }
            }
            Judged::Type if value == b"\"input_required\"" => return Err(SpliceError::InputRequired),
            Judged::Complete => {
                if value == b"\"complete\"" {
                    self.seal = None;
                }
                self.keep(piece);
            }
            Judged::State => {
                let state = decode_string(value).ok_or(SpliceError::Malformed)?;
                let sealed = self.seal.as_ref().map(|seal| seal.seal(&state));
                piece.remove(at, false);
                let sealed = sealed.as_deref().unwrap_or(&state);
                piece.insert(at, json_string(sealed).as_bytes());
            }
            Judged::Null if value != b"null" => self.keep(piece),
            Judged::Null | Judged::Type => piece.remove(at, self.changes.is_empty()),
        }
        Ok(())
    }
}
