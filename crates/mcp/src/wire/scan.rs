//! A strict JSON reader that never recurses and never allocates while it reads: it bounds depth, checks syntax
//! (RFC 8259), and returns where values are. Everything that must not change a byte is built on spans.

mod scanner;

use std::borrow::Cow;

pub use scanner::Scanner;
use scanner::is_plain;

/// Nesting deeper than this is refused: more than any schema or argument needs, and what most JSON readers behind us
/// stop at too. Also the most the reader can keep track of.
pub const MAX_DEPTH: usize = 128;

/// A range of bytes in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// A span from `start` up to `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// How many bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes it names in `body`; empty if it is outside.
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }

    /// The same range counted from `origin`, for a slice of the body that starts there.
    #[must_use]
    pub const fn relative_to(self, origin: usize) -> Self {
        Self {
            start: self.start.saturating_sub(origin),
            end: self.end.saturating_sub(origin),
        }
    }
}

/// Why bytes were not accepted as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not UTF-8 from this byte on.
    #[error("the body is not UTF-8 at byte {0}")]
    Utf8(usize),
    /// Not JSON at this byte.
    #[error("the body is not JSON at byte {0}")]
    Syntax(usize),
    /// Nested deeper than allowed.
    #[error("the body is nested deeper than {0} levels")]
    TooDeep(usize),
}

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number, of whatever shape.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`
    Null,
}

/// A member of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name, with quotes and escapes as written.
    pub name: Span,
    /// Its value.
    pub value: Span,
    /// What the value is.
    pub kind: Kind,
}

/// The members of the object at `object` in `body`, in their order, read on demand: an object of millions
/// costs no memory. Ends after an error.
pub fn each_member(body: &[u8], object: Span) -> Members<'_> {
    Members(Inside::new(body, object, Kind::Object))
}

/// The elements of the array at `array` in `body`, likewise.
pub fn each_element(body: &[u8], array: Span) -> Elements<'_> {
    Elements(Inside::new(body, array, Kind::Array))
}

/// All members of the object at `object` in `body`. For objects that are known to be small.
pub fn members(body: &[u8], object: Span) -> Result<Vec<Member>, ScanError> {
    each_member(body, object).collect()
}

/// All elements of the array at `array` in `body`. For arrays that are known to be small.
pub fn elements(body: &[u8], array: Span) -> Result<Vec<(Span, Kind)>, ScanError> {
    each_element(body, array).collect()
}

/// The members of these names in the object at `object`; `None` for one that is missing or there more than once.
pub fn pick<const N: usize>(
    body: &[u8],
    object: Span,
    names: [&str; N],
) -> Result<[Option<Member>; N], ScanError> {
    let mut found = [None; N];
    let mut count = [0_usize; N];
    for member in each_member(body, object) {
        let member = member?;
        let Some(name) = decode_string(member.name.of(body)) else {
            continue;
        };
        if let Some(index) = names.iter().position(|wanted| *wanted == name) {
            count[index] += 1;
            found[index] = Some(member).filter(|_| count[index] == 1);
        }
    }
    Ok(found)
}

/// See [`each_member`].
#[derive(Debug, Clone)]
pub struct Members<'a>(Inside<'a>);

impl Iterator for Members<'_> {
    type Item = Result<Member, ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.step(|scanner, first| {
            let Some(name) = scanner.next_member(first)? else {
                return Ok(None);
            };
            let (value, kind) = scanner.skip()?;
            Ok(Some(Member { name, value, kind }))
        })
    }
}

/// See [`each_element`].
#[derive(Debug, Clone)]
pub struct Elements<'a>(Inside<'a>);

impl Iterator for Elements<'_> {
    type Item = Result<(Span, Kind), ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.step(|scanner, first| {
            if scanner.next_element(first)? {
                scanner.skip().map(Some)
            } else {
                Ok(None)
            }
        })
    }
}

/// A reader inside an object or array.
#[derive(Debug, Clone)]
struct Inside<'a> {
    scanner: Scanner<'a>,
    kind: Kind,
    is_entered: bool,
    is_done: bool,
    first: bool,
}

impl<'a> Inside<'a> {
    fn new(body: &'a [u8], span: Span, kind: Kind) -> Self {
        Self {
            scanner: Scanner::within(body, span),
            kind,
            is_entered: false,
            is_done: false,
            first: true,
        }
    }

    fn step<T>(
        &mut self,
        read: impl FnOnce(&mut Scanner<'a>, &mut bool) -> Result<Option<T>, ScanError>,
    ) -> Option<Result<T, ScanError>> {
        if self.is_done {
            return None;
        }
        let entered = if self.is_entered {
            Ok(())
        } else {
            self.is_entered = true;
            self.scanner.enter(self.kind).map(|_| ())
        };
        let item = entered.and_then(|()| read(&mut self.scanner, &mut self.first));
        match item {
            Ok(Some(item)) => Some(Ok(item)),
            Ok(None) => {
                self.is_done = true;
                self.scanner.clone().finish().err().map(Err)
            }
            Err(error) => {
                self.is_done = true;
                Some(Err(error))
            }
        }
    }
}

/// The text of a JSON string with quotes; `None` when it is not one or escapes half of a surrogate pair.
pub fn decode_string(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.iter().all(|&byte| is_plain(byte)) {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(quoted).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
