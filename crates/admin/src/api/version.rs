//! Versions of objects: `ETag` in answers, `If-Match` in requests (RFC 9110 sections 8.8.3 and 13.1.1).

use std::convert::Infallible;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::service::{IfMatch, Version};

/// The versions that a change can start from.
pub(super) struct Precondition(pub(super) IfMatch);

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values: Vec<_> = parts.headers.get_all(header::IF_MATCH).iter().collect();
        Ok(Self(if_match(&values)))
    }
}

fn if_match(values: &[&HeaderValue]) -> IfMatch {
    if values.is_empty() {
        return IfMatch::Any;
    }
    let texts: Vec<&str> = values
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .collect();
    if texts.contains(&"*") {
        return IfMatch::Any;
    }
    // A weak tag, or one without quotes, is a version that never was, so nothing matches it.
    IfMatch::OneOf(texts.into_iter().filter_map(version_of).collect())
}

fn version_of(tag: &str) -> Option<Version> {
    let version = tag.strip_prefix('"')?.strip_suffix('"')?;
    Some(Version(version.to_owned()))
}

fn tag_of(version: &Version) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", version.0)).expect("a version in quotes is a header value")
}

/// An object with its version.
pub(super) struct Versioned<T> {
    pub(super) resource: T,
    pub(super) version: Version,
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        ([(header::ETAG, tag_of(&self.version))], Json(self.resource)).into_response()
    }
}

/// A new object: 201 with its path.
pub(super) struct Created<T> {
    pub(super) location: String,
    pub(super) content: T,
}

impl<T: IntoResponse> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let location = HeaderValue::from_str(&self.location).expect("paths of ids are header values");
        (StatusCode::CREATED, [(header::LOCATION, location)], self.content).into_response()
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::Timestamp;

    use super::*;

    fn read(values: &[&'static str]) -> IfMatch {
        let values: Vec<_> = values
            .iter()
            .map(|value| HeaderValue::from_static(value))
            .collect();
        if_match(&values.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_tag_reads_back_as_its_version() {
        let at = Timestamp::from_millis(1_772_366_400_123);
        assert_eq!(if_match(&[&tag_of(&at.into())]), IfMatch::OneOf(vec![at.into()]));
        let version = |text: &str| Version(text.to_owned());
        assert_eq!(
            read(&[r#""5", "7a""#]),
            IfMatch::OneOf(vec![version("5"), version("7a")])
        );
        let state = Version::of(&("name", 1));
        assert_eq!(if_match(&[&tag_of(&state)]), IfMatch::OneOf(vec![state.clone()]));
        assert_ne!(state, Version::of(&("name", 2)));
    }

    #[test]
    fn weak_and_broken_tags_match_nothing() {
        assert_eq!(read(&[r#"W/"5""#]), IfMatch::OneOf(vec![]));
        assert_eq!(read(&["5", "\""]), IfMatch::OneOf(vec![]));
        assert_eq!(read(&["*"]), IfMatch::Any);
        assert_eq!(read(&[]), IfMatch::Any);
    }
}
