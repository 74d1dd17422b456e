//! What the value of a header can contain.

/// The maximum length of a header value, in bytes: servers commonly refuse header lines beyond 8 kB.
pub(crate) const MAX_VALUE: usize = 4_096;

/// Whether a text can be a header value: visible ASCII with spaces and tabs inside (RFC 9110 section 5.5).
pub fn is_header_text(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}
