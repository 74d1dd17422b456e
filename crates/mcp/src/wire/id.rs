//! Ids of requests and progress tokens: as they were written, and as values.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

use super::{
    json::{json_string, safe_integer},
    scan::{Span, decode_string},
};

/// An id or progress token as it was written: a string or an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawId<'a> {
    /// Where it is.
    pub span: Span,
    /// Its JSON text.
    pub raw: &'a str,
}

impl RawId<'_> {
    /// A copy that outlives the body.
    pub fn to_owned(self) -> RequestId {
        RequestId::from_json(self.raw).expect("only integers and strings that decode become a RawId")
    }
}

/// An id or progress token that outlives its body. Equal when the values are equal, however they were written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestId {
    /// An integer.
    Integer(i64),
    /// A string.
    String(Box<str>),
}

impl RequestId {
    /// The id in this JSON text: a string, or an integer of at most 64 bits. `1.0` and `1e0` are the integer 1, as far as
    /// JavaScript keeps such numbers exact: servers exist that write every number with a fraction.
    pub fn from_json(raw: &str) -> Option<Self> {
        if raw.starts_with('"') {
            return decode_string(raw.as_bytes()).map(|text| Self::String(text.into()));
        }
        let digits = raw.strip_prefix('-').unwrap_or(raw);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return safe_integer(raw).map(Self::Integer);
        }
        raw.parse().ok().map(Self::Integer)
    }

    /// Its JSON text.
    pub fn to_json(&self) -> Cow<'static, str> {
        Cow::Owned(match self {
            Self::Integer(value) => value.to_string(),
            Self::String(text) => json_string(text),
        })
    }
}

impl From<i64> for RequestId {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for RequestId {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_json())
    }
}

/// Whether two ids are the same value, however they are written: `1` and `1.0`, or a string with and without escapes.
pub(crate) fn same_id(theirs: &str, ours: &[u8]) -> bool {
    if theirs.as_bytes() == ours {
        return true;
    }
    let ours = std::str::from_utf8(ours).ok().and_then(RequestId::from_json);
    ours.is_some() && ours == RequestId::from_json(theirs)
}

/// Our own ID as JSON text.
pub(crate) fn number(id: u64) -> Bytes {
    RequestId::Integer(i64::try_from(id).unwrap_or(i64::MAX))
        .to_json()
        .into_owned()
        .into()
}
