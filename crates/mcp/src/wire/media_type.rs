//! What kind of body a message comes in.

use http::{HeaderMap, header::CONTENT_TYPE};

/// What kind of body an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json`
    Json,
    /// `text/event-stream`
    EventStream,
    /// Anything else, or nothing.
    Other,
}

/// The kind of body the headers announce; parameters such as a charset do not matter.
pub(crate) fn media_type(headers: &HeaderMap) -> MediaType {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return MediaType::Other;
    };
    let bytes = value.as_bytes();
    let end = memchr::memchr(b';', bytes).unwrap_or(bytes.len());
    let essence = bytes[..end].trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        MediaType::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        MediaType::EventStream
    } else {
        MediaType::Other
    }
}
