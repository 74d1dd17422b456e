//! Splicing an answer while it streams: the `id` a shared upstream session needed becomes the client's again, and
//! `resultType` is added for clients of the stateless era. Every other byte passes as it came, and nothing is held back
//! but the few bytes of a member name or an `id`.

use bytes::{Bytes, BytesMut};

use crate::bridge::same_id;

/// Bytes of a member name or `id` that are kept while it is incomplete; ids we gave out are far shorter.
const HELD_MAX: usize = 64;

/// What a streamed answer needs changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The id we gave the request, as JSON text, and the one the client knows it by.
    pub id: Option<(Bytes, Bytes)>,
    /// Whether a `result` object gets `"resultType":"complete"` as its first member. Session-based servers know no such
    /// member, so there is none to collide with.
    pub result_type: bool,
}

impl Changes {
    /// Whether the answer may pass as it is.
    pub const fn is_empty(&self) -> bool {
        self.id.is_none() && !self.result_type
    }
}

/// Why an answer cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// It is not a JSON object, or its `id` is no id.
    #[error("the answer is not a JSON-RPC response")]
    Malformed,
    /// It answers another request.
    #[error("the answer belongs to another request")]
    ForeignId,
    /// It ended in the middle.
    #[error("the answer ended before its JSON did")]
    Truncated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the opening brace.
    Start,
    /// Between members of the envelope, where a name may begin.
    BetweenMembers,
    /// Inside the name of a member of the envelope.
    Name,
    /// After a name, before its value.
    BeforeValue,
    /// Inside the value of `id`, which is swallowed.
    Id,
    /// Inside any other value, which passes.
    Value,
    /// After the closing brace.
    End,
}

/// Splices one JSON-RPC response given in pieces.
#[derive(Debug)]
pub struct Splicer {
    changes: Changes,
    state: State,
    /// Nesting below the envelope: 1 directly inside its braces.
    depth: u32,
    in_string: bool,
    escaped: bool,
    name: Vec<u8>,
    held: Vec<u8>,
    /// Just inside the braces of `result`: whether a comma is needed depends on what follows.
    at_result: bool,
}

impl Splicer {
    /// For one answer.
    pub const fn new(changes: Changes) -> Self {
        Self {
            changes,
            state: State::Start,
            depth: 0,
            in_string: false,
            escaped: false,
            name: Vec::new(),
            held: Vec::new(),
            at_result: false,
        }
    }

    /// Gives what can be passed on after this piece.
    pub fn push(&mut self, piece: Bytes) -> Result<Bytes, SpliceError> {
        if self.changes.is_empty() {
            return Ok(piece);
        }
        // Where the last byte not yet passed on lies; only what is spliced forces a copy.
        let mut out: Option<BytesMut> = None;
        let mut from = 0;
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            match self.state {
                State::Start => match byte {
                    b'{' => {
                        self.depth = 1;
                        self.state = State::BetweenMembers;
                    }
                    b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ => return Err(SpliceError::Malformed),
                },
                State::BetweenMembers => match byte {
                    b'"' => {
                        self.name.clear();
                        self.state = State::Name;
                    }
                    b'}' => self.state = State::End,
                    b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ => return Err(SpliceError::Malformed),
                },
                State::Name => self.name_byte(byte),
                State::BeforeValue => match byte {
                    b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
                    _ => {
                        if self.begin_value(byte) {
                            let out = out.get_or_insert_with(|| BytesMut::with_capacity(piece.len() + 64));
                            out.extend_from_slice(&piece[from..at]);
                            from = at;
                        }
                        // The first byte of a value is looked at again as part of it.
                        continue;
                    }
                },
                State::Id => {
                    if self.id_byte(byte) {
                        let replacement = self.close_id()?;
                        let out = out.get_or_insert_with(|| BytesMut::with_capacity(piece.len() + 64));
                        out.extend_from_slice(&replacement);
                        from = at;
                        continue;
                    }
                    if self.held.len() > HELD_MAX {
                        return Err(SpliceError::Malformed);
                    }
                }
                State::Value => {
                    if self.at_result && !byte.is_ascii_whitespace() {
                        self.at_result = false;
                        let out = out.get_or_insert_with(|| BytesMut::with_capacity(piece.len() + 64));
                        out.extend_from_slice(&piece[from..at]);
                        from = at;
                        out.extend_from_slice(b"\"resultType\":\"complete\"");
                        if byte != b'}' {
                            out.extend_from_slice(b",");
                        }
                    }
                    at = self.value_byte(&piece, at);
                    continue;
                }
                State::End => {
                    if !byte.is_ascii_whitespace() {
                        return Err(SpliceError::Malformed);
                    }
                }
            }
            at += 1;
        }
        if self.state == State::Id {
            from = piece.len();
        }
        match out {
            None if self.state == State::Id => Ok(Bytes::new()),
            None => Ok(piece),
            Some(mut out) => {
                out.extend_from_slice(&piece[from..]);
                Ok(out.freeze())
            }
        }
    }

    /// Whether the answer came to its end.
    pub fn finish(&self) -> Result<(), SpliceError> {
        if self.changes.is_empty() || self.state == State::End {
            Ok(())
        } else {
            Err(SpliceError::Truncated)
        }
    }

    fn name_byte(&mut self, byte: u8) {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.state = State::BeforeValue;
            return;
        }
        // A longer or escaped name is none of those we look for.
        if self.name.len() < HELD_MAX {
            self.name.push(byte);
        }
    }

    /// Decides what the value after the last name is; `true` when it is an `id` to be swallowed from here.
    fn begin_value(&mut self, byte: u8) -> bool {
        if self.name == b"id" && self.changes.id.is_some() {
            self.state = State::Id;
            self.held.clear();
            return true;
        }
        self.state = State::Value;
        self.at_result = false;
        if self.name == b"result" && byte == b'{' && self.changes.result_type {
            // `value_byte` sees the brace first; the member goes right behind it.
            self.name.clear();
            self.name.extend_from_slice(b"{");
        } else {
            self.name.clear();
        }
        false
    }

    /// Takes one byte of the `id`; `true` when the value has ended before it.
    fn id_byte(&mut self, byte: u8) -> bool {
        if self.in_string {
            self.held.push(byte);
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.in_string = false;
            }
            return false;
        }
        match byte {
            b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n' => true,
            b'"' if self.held.is_empty() => {
                self.in_string = true;
                self.held.push(byte);
                false
            }
            _ => {
                self.held.push(byte);
                false
            }
        }
    }

    fn close_id(&mut self) -> Result<Bytes, SpliceError> {
        self.state = State::BetweenMembers;
        let (ours, theirs) = self.changes.id.as_ref().ok_or(SpliceError::Malformed)?;
        // An error that could not name its request answers it all the same: the HTTP exchange says which it was.
        let held = std::str::from_utf8(&self.held).map_err(|_| SpliceError::Malformed)?;
        if held == "null" || same_id(held, ours) {
            Ok(theirs.clone())
        } else {
            Err(SpliceError::ForeignId)
        }
    }

    /// Passes bytes of a value; gives where to go on.
    fn value_byte(&mut self, piece: &[u8], at: usize) -> usize {
        if self.in_string {
            return self.string_bytes(piece, at);
        }
        match piece[at] {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth == 2 && self.name == b"{" {
                    self.name.clear();
                    self.at_result = true;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.state = State::End;
                }
            }
            b',' if self.depth == 1 => self.state = State::BetweenMembers,
            _ => {}
        }
        at + 1
    }

    /// Skips to the end of a string or of the piece: most bytes of a large answer lie in strings.
    fn string_bytes(&mut self, piece: &[u8], at: usize) -> usize {
        if self.escaped {
            self.escaped = false;
            return at + 1;
        }
        match memchr::memchr2(b'"', b'\\', &piece[at..]) {
            None => piece.len(),
            Some(offset) => {
                if piece[at + offset] == b'"' {
                    self.in_string = false;
                } else {
                    self.escaped = true;
                }
                at + offset + 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Changes {
        Changes {
            id: Some((Bytes::from_static(b"17"), Bytes::from_static(b"\"client\""))),
            result_type: false,
        }
    }

    fn splice(changes: Changes, input: &str, size: usize) -> Result<String, SpliceError> {
        let mut splicer = Splicer::new(changes);
        let mut out = Vec::new();
        for piece in input.as_bytes().chunks(size) {
            out.extend_from_slice(&splicer.push(Bytes::copy_from_slice(piece))?);
        }
        splicer.finish()?;
        Ok(String::from_utf8(out).unwrap())
    }

    const ANSWERS: [(&str, &str); 5] = [
        (
            r#"{"jsonrpc":"2.0","id":17,"result":{"a":1.0e5,"id":17}}"#,
            r#"{"jsonrpc":"2.0","id":"client","result":{"a":1.0e5,"id":17}}"#,
        ),
        (
            r#"{"result":{"t":"\"id\":17,}\\","x":[{"id":17}]},"jsonrpc":"2.0", "id" : 17 }"#,
            r#"{"result":{"t":"\"id\":17,}\\","x":[{"id":17}]},"jsonrpc":"2.0", "id" : "client" }"#,
        ),
        (
            r#"{"id":null,"error":{"code":-1,"message":"é"}}"#,
            r#"{"id":"client","error":{"code":-1,"message":"é"}}"#,
        ),
        (r#"{"id":17,"result":[]}"#, r#"{"id":"client","result":[]}"#),
        (r#"{"id":17.0,"result":[]}"#, r#"{"id":"client","result":[]}"#),
    ];

    #[test]
    fn only_the_envelope_id_changes_wherever_the_pieces_end() {
        for (input, expected) in ANSWERS {
            for size in 1..=input.len() {
                assert_eq!(
                    splice(changes(), input, size).unwrap(),
                    expected,
                    "pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn an_answer_to_another_request_is_refused() {
        let other = r#"{"jsonrpc":"2.0","id":18,"result":{}}"#;
        assert_eq!(splice(changes(), other, 7), Err(SpliceError::ForeignId));
        let text = r#"{"jsonrpc":"2.0","id":"17","result":{}}"#;
        assert_eq!(splice(changes(), text, 7), Err(SpliceError::ForeignId));
    }

    #[test]
    fn what_is_not_an_object_or_breaks_off_is_refused() {
        assert_eq!(splice(changes(), "[1]", 1), Err(SpliceError::Malformed));
        assert_eq!(
            splice(changes(), r#"{"id":17} x"#, 2),
            Err(SpliceError::Malformed)
        );
        assert_eq!(
            splice(changes(), r#"{"id":17,"result":{}"#, 2),
            Err(SpliceError::Truncated)
        );
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(100));
        assert_eq!(splice(changes(), &long, 8), Err(SpliceError::Malformed));
    }

    #[test]
    fn a_result_gets_its_type() {
        let typed = Changes {
            id: None,
            result_type: true,
        };
        for (input, expected) in [
            (
                r#"{"id":1,"result":{"content":[{"result":{}}]}}"#,
                r#"{"id":1,"result":{"resultType":"complete","content":[{"result":{}}]}}"#,
            ),
            (
                r#"{"result": { },"id":1}"#,
                r#"{"result": { "resultType":"complete"},"id":1}"#,
            ),
            (r#"{"id":1,"error":{"code":1}}"#, r#"{"id":1,"error":{"code":1}}"#),
        ] {
            for size in 1..=input.len() {
                assert_eq!(
                    splice(typed.clone(), input, size).unwrap(),
                    expected,
                    "pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn nothing_to_change_passes_the_very_bytes() {
        let none = Changes {
            id: None,
            result_type: false,
        };
        assert_eq!(splice(none, "not even JSON", 4).unwrap(), "not even JSON");
    }

    proptest::proptest! {
        #[test]
        fn any_pieces_of_any_text_never_panic(text in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,80}", size in 1_usize..9) {
            let both = Changes { result_type: true, ..changes() };
            let _ = splice(both, &text, size);
        }
    }
}
