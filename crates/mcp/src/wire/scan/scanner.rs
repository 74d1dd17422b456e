//! The reader itself: RFC 8259, one byte after the other.

use super::{Kind, MAX_DEPTH, ScanError, Span};

/// The position of the reader in some bytes.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    /// A reader of a whole body, which must be UTF-8. `max_depth` counts no further than [`MAX_DEPTH`].
    pub fn new(body: &'a [u8], max_depth: usize) -> Result<Self, ScanError> {
        match std::str::from_utf8(body) {
            Ok(_) => Ok(Self {
                bytes: body,
                at: 0,
                depth: 0,
                max_depth: max_depth.min(MAX_DEPTH),
            }),
            Err(error) => Err(ScanError::Utf8(error.valid_up_to())),
        }
    }

    /// A reader of one value in a body that was found to be UTF-8 before.
    pub fn within(body: &'a [u8], span: Span) -> Self {
        let end = span.end.min(body.len());
        Self {
            bytes: &body[..end],
            at: span.start.min(end),
            depth: 0,
            max_depth: MAX_DEPTH,
        }
    }

    /// What the next value is.
    pub fn peek(&mut self) -> Result<Kind, ScanError> {
        self.whitespace();
        match self.bytes.get(self.at) {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.syntax()),
        }
    }

    /// Enters an object or array, and returns where it starts.
    pub fn enter(&mut self, kind: Kind) -> Result<usize, ScanError> {
        if self.peek()? != kind {
            return Err(self.syntax());
        }
        let start = self.at;
        self.open()?;
        Ok(start)
    }

    /// The name of the next member of the object entered, or `None` past its last; then [`Self::position`] is its end.
    /// The value must be read before the next call.
    pub fn next_member(&mut self, first: &mut bool) -> Result<Option<Span>, ScanError> {
        if self.is_last(first, b'}')? {
            return Ok(None);
        }
        self.whitespace();
        self.name().map(Some)
    }

    /// Whether the array entered has a next element, which must be read before the next call.
    pub fn next_element(&mut self, first: &mut bool) -> Result<bool, ScanError> {
        Ok(!self.is_last(first, b']')?)
    }

    /// Reads one value to its end.
    pub fn skip(&mut self) -> Result<(Span, Kind), ScanError> {
        let kind = self.peek()?;
        let start = self.at;
        match kind {
            Kind::Object | Kind::Array => self.container()?,
            scalar => self.scalar(scalar)?,
        }
        Ok((Span::new(start, self.at), kind))
    }

    /// How far it has read.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Checks that only white space follows.
    pub fn finish(mut self) -> Result<(), ScanError> {
        self.whitespace();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    /// Reads an object or array without recursion: one bit per open level says which of the two it is.
    fn container(&mut self) -> Result<(), ScanError> {
        let mut objects = 0_u128;
        let mut levels = 0_usize;
        loop {
            let kind = self.peek()?;
            let mut closed = true;
            if matches!(kind, Kind::Object | Kind::Array) {
                let is_object = kind == Kind::Object;
                self.open()?;
                self.whitespace();
                if self.eat(if is_object { b'}' } else { b']' }) {
                    self.depth -= 1;
                } else {
                    objects = objects << 1 | u128::from(is_object);
                    levels += 1;
                    if is_object {
                        self.name()?;
                    }
                    closed = false;
                }
            } else {
                self.scalar(kind)?;
            }
            // A value has ended: close levels until one continues.
            while closed {
                if levels == 0 {
                    return Ok(());
                }
                let is_object = objects & 1 == 1;
                self.whitespace();
                if self.eat(b',') {
                    if is_object {
                        self.whitespace();
                        self.name()?;
                    }
                    closed = false;
                } else if self.eat(if is_object { b'}' } else { b']' }) {
                    objects >>= 1;
                    levels -= 1;
                    self.depth -= 1;
                } else {
                    return Err(self.syntax());
                }
            }
        }
    }

    fn scalar(&mut self, kind: Kind) -> Result<(), ScanError> {
        match kind {
            Kind::String => self.string(),
            Kind::Number => self.number(),
            Kind::Boolean if self.bytes[self.at] == b't' => self.literal(b"true"),
            Kind::Boolean => self.literal(b"false"),
            Kind::Null | Kind::Object | Kind::Array => self.literal(b"null"),
        }
    }

    /// A name and its colon; then the reader is before the value.
    fn name(&mut self) -> Result<Span, ScanError> {
        let start = self.at;
        if self.bytes.get(start) != Some(&b'"') {
            return Err(self.syntax());
        }
        self.string()?;
        let name = Span::new(start, self.at);
        self.whitespace();
        if self.eat(b':') {
            Ok(name)
        } else {
            Err(self.syntax())
        }
    }

    fn is_last(&mut self, first: &mut bool, close: u8) -> Result<bool, ScanError> {
        self.whitespace();
        if self.eat(close) {
            self.depth = self.depth.saturating_sub(1);
            return Ok(true);
        }
        if std::mem::take(first) || self.eat(b',') {
            Ok(false)
        } else {
            Err(self.syntax())
        }
    }

    fn open(&mut self) -> Result<(), ScanError> {
        if self.depth >= self.max_depth {
            return Err(ScanError::TooDeep(self.max_depth));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), ScanError> {
        self.at += 1;
        loop {
            self.plain_run();
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.syntax()),
            }
        }
    }

    /// Skips bytes that are not special, eight at a time if possible.
    fn plain_run(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGHS: u64 = ONES << 7;
        while let Some(chunk) = self.bytes[self.at..].first_chunk::<8>() {
            let word = u64::from_ne_bytes(*chunk);
            let quote = word ^ (ONES * u64::from(b'"'));
            let backslash = word ^ (ONES * u64::from(b'\\'));
            // A high bit is set if a byte is below 0x20, or zero after the exclusive or; a borrow may set more,
            // which costs a look at each byte and no more.
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let quote = quote.wrapping_sub(ONES) & !quote;
            let backslash = backslash.wrapping_sub(ONES) & !backslash;
            if (control | quote | backslash) & HIGHS != 0 {
                break;
            }
            self.at += 8;
        }
        while self.bytes.get(self.at).is_some_and(|&byte| is_plain(byte)) {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        self.at += 1;
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                        return Err(self.syntax());
                    }
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(self.syntax()),
        }
    }

    fn number(&mut self) -> Result<(), ScanError> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.syntax())
        } else {
            Ok(())
        }
    }

    fn literal(&mut self, text: &[u8]) -> Result<(), ScanError> {
        if self.bytes[self.at..].starts_with(text) {
            self.at += text.len();
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    fn whitespace(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    const fn syntax(&self) -> ScanError {
        ScanError::Syntax(self.at)
    }
}

/// Whether a byte is not special inside a string.
pub(super) const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}
