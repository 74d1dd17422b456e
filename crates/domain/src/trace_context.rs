//! Which trace a request belongs to, as its headers or its message say (W3C Trace Context, level 2).

use std::{fmt, sync::Arc};

/// Characters of a `tracestate` that are passed on at most (section 3.3.1.5).
const STATE_MAX: usize = 512;
/// Members of a `tracestate` (section 3.3.1.1).
const MEMBERS_MAX: usize = 32;
/// Characters of the key and of the value of a member (section 3.3.1.3).
const PART_MAX: usize = 256;
/// The flag that says that the caller may have recorded its span (section 3.2.2.5.1).
const SAMPLED: u8 = 1;
/// The flags that this program knows: `sampled` and `random`. Others are not passed on (section 3.2.2.5).
const KNOWN_FLAGS: u8 = SAMPLED | 2;

/// The ID of a trace: 32 lower-case hexadecimal digits, not all zero (section 3.2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The ID of its text form.
    pub fn parse(text: &str) -> Option<Self> {
        let number = is_lower_hex(text.as_bytes(), 32).then(|| u128::from_str_radix(text, 16).ok())??;
        (number != 0).then(|| Self::of_number(number))
    }

    /// The ID of this number. Zero, which is not an ID, becomes one.
    pub const fn of_number(number: u128) -> Self {
        Self(if number == 0 { 1_u128 } else { number }.to_be_bytes())
    }

    /// The ID as bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The lower half, which is random in traces that set the flag `random` and in UUIDs of version 7.
    pub const fn lower_half(self) -> u64 {
        let [_, _, _, _, _, _, _, _, lower @ ..] = self.0;
        u64::from_be_bytes(lower)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The ID of a span: 16 lower-case hexadecimal digits, not all zero (section 3.2.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl SpanId {
    /// The ID of this number. Zero, which is not an ID, becomes one.
    pub const fn of_number(number: u64) -> Self {
        Self(if number == 0 { 1 } else { number })
    }

    /// The ID of its text form.
    pub fn parse(text: &str) -> Option<Self> {
        let number = is_lower_hex(text.as_bytes(), 16).then(|| u64::from_str_radix(text, 16).ok())??;
        (number != 0).then_some(Self(number))
    }

    /// The ID as bytes.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A trace and the span in it that is the parent of what follows. Its text form is a `traceparent` of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// The flags that are known here.
    flags: u8,
}

impl TraceContext {
    /// A context whose trace has random IDs.
    pub const fn new(trace: TraceId, span: SpanId, is_sampled: bool) -> Self {
        Self {
            trace,
            span,
            flags: if is_sampled {
                KNOWN_FLAGS
            } else {
                KNOWN_FLAGS & !SAMPLED
            },
        }
    }

    /// Reads a `traceparent`; nothing if it is not valid (section 3.2.2).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (version, rest) = text.split_at_checked(3)?;
        let (trace, rest) = rest.split_at_checked(32)?;
        let (span, flags) = rest.split_at_checked(18)?;
        // Later versions may add parts behind the flags.
        let (flags, more) = flags.split_at_checked(2)?;
        let ends = more.is_empty() || (&version[..2] != b"00" && more[0] == b'-');
        let valid = ends
            && is_lower_hex(&version[..2], 2)
            && &version[..2] != b"ff"
            && version[2] == b'-'
            && span[0] == b'-'
            && span[17] == b'-'
            && is_lower_hex(flags, 2);
        if !valid {
            return None;
        }
        let text = |part| std::str::from_utf8(part).ok();
        Some(Self {
            trace: TraceId::parse(text(trace)?)?,
            span: SpanId::parse(text(&span[1..17])?)?,
            flags: u8::from_str_radix(text(flags)?, 16).ok()? & KNOWN_FLAGS,
        })
    }

    /// Whether the caller may have recorded its span, and wants the same of others.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The same with another span as the parent.
    #[must_use]
    pub const fn within(self, span: SpanId) -> Self {
        Self { span, ..self }
    }

    /// The flags, for exporters.
    pub const fn flags(self) -> u8 {
        self.flags
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// A trace as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTrace {
    /// The trace, and the span of the caller.
    pub context: TraceContext,
    /// What tracing systems of callers note about it (`tracestate`).
    pub state: Option<Arc<str>>,
}

/// The `tracestate` of several header lines as one; nothing if it is empty, not valid or too long (section 3.3.1).
pub fn trace_state<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Arc<str>> {
    let mut state = String::new();
    for line in lines {
        let line = std::str::from_utf8(line).ok()?;
        if !state.is_empty() {
            state.push(',');
        }
        state.push_str(line.trim_matches([' ', '\t']));
    }
    let members = || {
        state
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty())
    };
    let valid = state.len() <= STATE_MAX
        && (1..=MEMBERS_MAX).contains(&members().count())
        && members().all(is_member);
    valid.then(|| state.into())
}

/// Whether this is a key, `=` and a value (section 3.3.1.3).
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    let begins = key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_of_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let is_of_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    begins
        && key.len() <= PART_MAX
        && key.bytes().all(is_of_key)
        && key.matches('@').count() <= 1
        && (1..=PART_MAX).contains(&value.len())
        && value.bytes().all(is_of_value)
}

fn is_lower_hex(text: &[u8], length: usize) -> bool {
    text.len() == length && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_traceparent_is_read_and_written_again() {
        let read = |text: &str| TraceContext::parse(text.as_bytes()).map(|context| context.to_string());
        let whole = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(read(&whole).as_deref(), Some(&*whole));
        let later = format!("01-{TRACE}-00f067aa0ba902b7-ff-more");
        let known = format!("00-{TRACE}-00f067aa0ba902b7-03");
        assert_eq!(read(&later).as_deref(), Some(&*known));
        let context = TraceContext::parse(whole.as_bytes()).unwrap();
        assert!(context.is_sampled());
        let child = context.within(SpanId::of_number(7)).to_string();
        assert_eq!(child, format!("00-{TRACE}-0000000000000007-01"));
        let unsampled = format!("00-{TRACE}-00f067aa0ba902b7-02");
        assert!(!TraceContext::parse(unsampled.as_bytes()).unwrap().is_sampled());
    }

    #[test]
    fn what_is_not_a_traceparent_is_nothing() {
        for wrong in [
            String::new(),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("01-{TRACE}-00f067aa0ba902b7-01more"),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-0G"),
            format!("00-{TRACE}-00F067AA0BA902B7-01"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00_{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!(" 00-{TRACE}-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(TraceContext::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_tracestate_is_joined_and_checked() {
        let joined = |lines: &[&str]| trace_state(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(
            joined(&["a=1, b@c=2 ", "d=x y"]).as_deref(),
            Some("a=1, b@c=2,d=x y")
        );
        assert_eq!(
            joined(&["rojo=00f067aa0ba902b7,,"]).as_deref(),
            Some("rojo=00f067aa0ba902b7,,")
        );
        let long = format!("a={}", "x".repeat(257));
        let many = vec!["a=1"; 33];
        for wrong in [
            &[][..],
            &[""],
            &["a"],
            &["A=1"],
            &["=1"],
            &["a="],
            &["a=b=c"],
            &["a@b@c=1"],
            &["a=\u{e9}"],
            &[&long],
            &many,
        ] {
            assert_eq!(joined(wrong), None, "{wrong:?}");
        }
        let half = format!("a={}", "x".repeat(254));
        assert_eq!(joined(&[&half, &half]), None);
    }
}
