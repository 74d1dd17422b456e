//! What an answer says about itself, read while it passes in pieces and never kept: whether it is a result or an error, and
//! whether a tool says that it failed. JSON, a batch of it, or events.
//!
//! Only three levels are looked at: the message, its result, and an array around messages. Everything deeper is skipped, a
//! string at a time, so that a large answer costs little.

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A result.
    Result,
    /// The result of a tool that failed: `isError` (2026-07-28 server/tools, "Error Handling").
    ToolError,
    /// The server wants input first (2026-07-28 basic/patterns/mrtr).
    InputRequired,
    /// A JSON-RPC error.
    Error,
}

/// Bytes of a name or value that are looked at; longer ones are none of those that matter.
const TEXT_MAX: usize = 40;

/// Reads an answer.
#[derive(Debug)]
pub struct AnswerReader {
    framing: Framing,
    /// Open objects and arrays.
    depth: u32,
    /// The depth of the members of a message: one more within a batch.
    of_message: u32,
    string: InString,
    /// Whether a name comes next, at a level that is looked at.
    at_name: bool,
    /// The member whose value comes next.
    member: Member,
    /// Whether the members of a result are read.
    in_result: bool,
    text: [u8; TEXT_MAX],
    length: usize,
    message: Message,
    answered: Vec<Answered>,
}

/// A response that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The JSON text of its ID, as far as it is not too long.
    pub id: Box<[u8]>,
    /// What it says.
    pub verdict: Verdict,
}

/// How messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Json,
    /// Events: at the beginning of a line, of which so many bytes of `data:` have come.
    LineBegins(usize),
    /// In the data of an event.
    Data,
    /// In another line.
    OtherLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InString {
    No,
    Yes {
        keep: bool,
    },
    /// Behind a backslash.
    Escaped {
        keep: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Other,
    Id,
    Result,
    Error,
    IsError,
    ResultType,
}

/// What is known about the message that is being read.
#[derive(Debug, Default)]
struct Message {
    id: Vec<u8>,
    verdict: Option<Verdict>,
}

impl AnswerReader {
    /// A reader of JSON, or of events.
    pub const fn new(is_events: bool) -> Self {
        Self {
            framing: if is_events {
                Framing::LineBegins(0)
            } else {
                Framing::Json
            },
            depth: 0,
            of_message: 1,
            string: InString::No,
            at_name: false,
            member: Member::Other,
            in_result: false,
            text: [0; TEXT_MAX],
            length: 0,
            message: Message {
                id: Vec::new(),
                verdict: None,
            },
            answered: Vec::new(),
        }
    }

    /// The responses that were read, in their order.
    pub fn answered(&self) -> &[Answered] {
        &self.answered
    }

    /// What the last response says, if there was one.
    pub fn verdict(&self) -> Option<Verdict> {
        self.answered.last().map(|answered| answered.verdict)
    }

    /// Reads on.
    pub fn read(&mut self, piece: &[u8]) {
        if self.framing == Framing::Json {
            return self.json(piece);
        }
        let mut rest = piece;
        while let Some(first) = rest.first() {
            match self.framing {
                Framing::LineBegins(matched) => {
                    const DATA: &[u8] = b"data:";
                    rest = &rest[1..];
                    self.framing = match DATA.get(matched) {
                        Some(expected) if expected == first && matched + 1 == DATA.len() => Framing::Data,
                        Some(expected) if expected == first => Framing::LineBegins(matched + 1),
                        _ if is_line_end(*first) => {
                            if matched == 0 {
                                // An empty line ends an event.
                                self.begin_message();
                            }
                            Framing::LineBegins(0)
                        }
                        _ => Framing::OtherLine,
                    };
                }
                Framing::Data | Framing::OtherLine | Framing::Json => {
                    let end = memchr::memchr2(b'\r', b'\n', rest);
                    let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
                    if self.framing == Framing::Data {
                        self.json(line);
                    }
                    rest = behind;
                    if let Some(next) = rest.get(1..) {
                        self.framing = Framing::LineBegins(0);
                        rest = if rest.starts_with(b"\r\n") {
                            &next[1..]
                        } else {
                            next
                        };
                    }
                }
            }
        }
    }

    fn begin_message(&mut self) {
        self.depth = 0;
        self.of_message = 1;
        self.string = InString::No;
        self.at_name = false;
        self.in_result = false;
        self.message = Message::default();
    }

    fn json(&mut self, piece: &[u8]) {
        let mut at = 0;
        while at < piece.len() {
            match self.string {
                InString::Escaped { keep } => {
                    self.keep(&piece[at..=at], keep);
                    self.string = InString::Yes { keep };
                    at += 1;
                }
                InString::Yes { keep } => {
                    let end = memchr::memchr2(b'"', b'\\', &piece[at..]);
                    let end = end.map_or(piece.len(), |end| at + end);
                    self.keep(&piece[at..end], keep);
                    at = end;
                    match piece.get(at) {
                        Some(b'"') => self.string_ends(),
                        Some(_) => {
                            self.keep(b"\\", keep);
                            self.string = InString::Escaped { keep };
                        }
                        None => return,
                    }
                    at += 1;
                }
                InString::No => {
                    self.structure(piece[at]);
                    at += 1;
                }
            }
        }
    }

    /// Whether the members at this depth are looked at.
    const fn is_looked_at(&self) -> bool {
        self.depth == self.of_message || self.in_result && self.depth == self.of_message + 1
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'"' => {
                let is_wanted = matches!(self.member, Member::Id | Member::ResultType);
                let keep = self.is_looked_at() && (self.at_name || is_wanted);
                self.length = 0;
                self.string = InString::Yes { keep };
            }
            b'{' | b'[' => {
                let is_object = byte == b'{';
                if self.depth == 0 && !is_object {
                    self.of_message = 2;
                }
                self.in_result |= self.depth == self.of_message && self.member == Member::Result && is_object;
                self.depth += 1;
                self.at_name = is_object && self.is_looked_at();
                self.member = Member::Other;
            }
            b'}' | b']' => {
                if self.in_result && self.depth == self.of_message + 1 {
                    self.in_result = false;
                } else if self.depth == self.of_message && byte == b'}' {
                    self.message_ends();
                }
                self.depth = self.depth.saturating_sub(1);
                self.at_name = false;
                self.member = Member::Other;
            }
            b',' => {
                self.at_name = self.is_looked_at();
                self.member = Member::Other;
            }
            b':' => self.at_name = false,
            _ if !self.is_looked_at() => {}
            b't' if self.member == Member::IsError => self.message.verdict = Some(Verdict::ToolError),
            b'-' | b'0'..=b'9' | b'.' | b'e' | b'E'
                if self.member == Member::Id && self.message.id.len() < TEXT_MAX =>
            {
                self.message.id.push(byte);
            }
            _ => {}
        }
    }

    fn keep(&mut self, bytes: &[u8], keep: bool) {
        if keep {
            let room = &mut self.text[self.length.min(TEXT_MAX)..];
            let count = bytes.len().min(room.len());
            room[..count].copy_from_slice(&bytes[..count]);
            // One that is too long is as long as nothing that matters.
            self.length += bytes.len();
        }
    }

    fn string_ends(&mut self) {
        let InString::Yes { keep } = self.string else {
            return;
        };
        self.string = InString::No;
        if !keep {
            return;
        }
        let text = self.text.get(..self.length).unwrap_or_default();
        if self.at_name {
            self.member = match (text, self.in_result) {
                (b"isError", true) => Member::IsError,
                (b"resultType", true) => Member::ResultType,
                (b"id", false) => Member::Id,
                (b"result", false) => Member::Result,
                (b"error", false) => Member::Error,
                _ => Member::Other,
            };
            match self.member {
                Member::Result => self.message.verdict = Some(Verdict::Result),
                Member::Error => self.message.verdict = Some(Verdict::Error),
                _ => {}
            }
        } else if self.member == Member::ResultType && text == b"input_required" {
            self.message.verdict = Some(Verdict::InputRequired);
        } else if self.member == Member::Id {
            self.message.id = [b"\"", text, b"\""].concat();
        }
    }

    fn message_ends(&mut self) {
        let Message { id, verdict } = std::mem::take(&mut self.message);
        if let Some(verdict) = verdict {
            self.answered.push(Answered {
                id: id.into(),
                verdict,
            });
        }
    }
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests;
