//! What comes in: ids in the path, JSON in the body. Everything that is wrong is reported together, each with its place.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{header, request::Parts},
};
use bytes::Bytes;
use gatewright_domain::Invalid;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::{MAX_BODY, problem::Problem, strict_json};
use crate::{
    Admin,
    request::{BodyError, read_body},
};

/// A body within [`MAX_BODY`] arrives over any connection in this time; a connection is not held longer for one.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// More violations than this for one body are not useful.
const MAX_COMPLAINTS: usize = 50;
/// How similar two names must be for one to be suggested for the other (Jaro-Winkler).
const ALIKE: f64 = 0.75;

/// The IDs in the path. A text that is not an ID does not exist.
pub(super) struct Ids<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Admin>> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Admin>) -> Result<Self, Problem> {
        Path::<T>::from_request_parts(parts, app)
            .await
            .map(|Path(ids)| Self(ids))
            .map_err(|_| {
                Problem::not_found("The path contains an ID that this instance did not issue: check it.")
            })
    }
}

/// The body, a JSON object.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Admin>> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Admin>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        if is_packed(request.headers()) {
            return Err(Problem::unsupported_encoding());
        }
        let body = read_whole(request.into_body()).await?;
        let (value, repeated) = strict_json::read(&body).map_err(|error| {
            Problem::malformed(format!(
                "The body is not JSON: the error is in line {}, column {}.",
                error.line(),
                error.column()
            ))
        })?;
        repeated
            .into_result()
            .map_err(|invalid| Problem::invalid(&invalid))?;
        let Value::Object(members) = value else {
            return Err(Problem::invalid(&Invalid::one(
                "",
                "The body must be a JSON object.",
            )));
        };
        read(members)
            .map(Self)
            .map_err(|invalid| Problem::invalid(&invalid))
    }
}

/// Reads a body to its end.
pub(super) async fn read_whole(body: Body) -> Result<Bytes, Problem> {
    read_body(body, MAX_BODY, BODY_DEADLINE)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge => Problem::too_large(MAX_BODY),
            BodyError::Timeout => Problem::too_slow(BODY_DEADLINE),
            BodyError::Broken => Problem::malformed("The body is incomplete: send it again."),
        })
}

/// Whether a body is compressed (RFC 9110 section 8.4); `identity` says that it is not.
fn is_packed(headers: &axum::http::HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_json(headers: &axum::http::HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads the members into a type. A member that is wrong is reported and left out for the next try, until all that is
/// wrong is known.
fn read<T: DeserializeOwned>(mut members: Map<String, Value>) -> Result<T, Invalid> {
    members.values_mut().for_each(make_whole);
    let mut invalid = Invalid::default();
    loop {
        let error = match serde_path_to_error::deserialize(Value::Object(members.clone())) {
            Ok(value) => {
                invalid.into_result()?;
                return Ok(value);
            }
            Err(error) => error,
        };
        let (mut pointer, mut first) = place(&error);
        let message = error.into_inner().to_string();
        let detail = match unknown_member(&message) {
            Some((name, detail)) => {
                if last_of(&pointer) != name {
                    pointer = format!("{pointer}/{}", escaped(name));
                }
                first = first.or_else(|| Some(name.to_owned()));
                detail
            }
            None => remedy(&message),
        };
        invalid.add(pointer, detail);
        let left_out = first.and_then(|name| members.remove(&name)).is_some();
        if !left_out || invalid.violations().len() >= MAX_COMPLAINTS {
            return Err(invalid);
        }
    }
}

/// `3.0` is the same number as `3` to JSON (RFC 8259 section 6) and to JSON Schema, so a whole number can be written like this.
fn make_whole(value: &mut Value) {
    // Beyond this, neighbouring whole numbers are the same to a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() < EXACT);
            if let Some(whole) = float.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The place of an error as a JSON pointer, and the outermost member it is in.
fn place(error: &serde_path_to_error::Error<serde_json::Error>) -> (String, Option<String>) {
    let mut pointer = String::new();
    let mut first = None;
    for segment in error.path() {
        let name = match segment {
            Segment::Map { key } => key.clone(),
            Segment::Seq { index } => index.to_string(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&escaped(&name));
        first.get_or_insert(name);
    }
    (pointer, first)
}

fn last_of(pointer: &str) -> String {
    let last = pointer.rsplit('/').next().unwrap_or_default();
    last.replace("~1", "/").replace("~0", "~")
}

pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name in serde's error about an unknown member, and what to say about it.
fn unknown_member(message: &str) -> Option<(&str, String)> {
    let (name, nearest) = unknown(message)?;
    let detail = match nearest {
        Some(nearest) => format!("There is no such member. Did you mean `{nearest}`?"),
        None => "There is no such member: leave it out.".to_owned(),
    };
    Some((name, detail))
}

/// The name in serde's error about an unknown field, and the one that was probably meant.
pub(super) fn unknown(message: &str) -> Option<(&str, Option<&str>)> {
    let (name, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    let nearest = known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    Some((name, nearest.map(|(_, nearest)| nearest)))
}

/// What to say about a value of the wrong form. Only what serde expected is repeated, never what it found, which may be a
/// secret in the wrong place.
fn remedy(message: &str) -> String {
    match message.rsplit_once("expected ") {
        Some((_, expected)) => {
            let expected = match expected.split(" at line ").next().unwrap_or(expected) {
                "u8" => "a whole number from 0 to 255",
                "u32" => "a whole number from 0 to 4294967295",
                other => other,
            };
            format!("The value is of the wrong kind: send {expected}.")
        }
        None => {
            "The value does not have the form that `/api/openapi.json` describes for this member: correct it."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, response::IntoResponse as _};
    use gatewright_domain::server::CustomHeader;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default)]
        issuer: String,
        #[serde(default)]
        scopes: Vec<String>,
        #[serde(default)]
        headers: Vec<CustomHeader>,
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_in_time_is_refused() {
        let app = crate::testing::TestAdmin::new().await.app;
        let request = |body: axum::body::Body| {
            Request::post("/")
                .header(header::CONTENT_TYPE, "application/json")
                .body(body)
                .unwrap()
        };
        let whole = Input::<Body>::from_request(request("{\"issuer\": \"x\"}".into()), &app).await;
        assert_eq!(whole.ok().unwrap().0.issuer, "x");
        let never = futures_util::stream::pending::<Result<bytes::Bytes, std::convert::Infallible>>();
        let never = axum::body::Body::from_stream(never);
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let refused = Input::<Body>::from_request(request(never), &app)
            .await
            .err()
            .unwrap();
        assert_eq!(began.elapsed().as_secs(), BODY_DEADLINE.as_secs());
        assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }

    fn told(value: &Value) -> Vec<(String, String)> {
        let invalid = read::<Body>(value.as_object().unwrap().clone()).unwrap_err();
        let told =
            |violation: &gatewright_domain::Violation| (violation.pointer.clone(), violation.detail.clone());
        invalid.violations().iter().map(told).collect()
    }

    #[test]
    fn all_wrong_members_are_reported_with_their_places() {
        let complaints = told(&json!({
            "isuer": "x", "scopes": [1], "issuer": true, "headers": [{"name": "a", "value": "b", "vaule": "c"}],
        }));
        let mut pointers: Vec<_> = complaints.iter().map(|(pointer, _)| pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/headers/0/vaule", "/issuer", "/isuer", "/scopes/0"]);
        let of = |pointer: &str| &complaints.iter().find(|(at, _)| at == pointer).unwrap().1;
        assert!(of("/isuer").contains("`issuer`"), "{complaints:?}");
        assert!(of("/headers/0/vaule").contains("`value`"), "{complaints:?}");
        assert!(of("/scopes/0").contains("a string"), "{complaints:?}");
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        for (_, detail) in told(&json!({"issuer": {"s3cr3t": 1}, "scopes": "s3cr3t"})) {
            assert!(!detail.contains("s3cr3t"), "{detail}");
        }
    }

    #[test]
    fn a_good_body_is_read() {
        let body: Body = read(json!({"issuer": "x"}).as_object().unwrap().clone()).unwrap();
        assert_eq!(body.issuer, "x");
        assert!(body.scopes.is_empty() && body.headers.is_empty());
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let whole = |json: &str| {
            let mut value: Value = serde_json::from_str(json).unwrap();
            make_whole(&mut value);
            value.to_string()
        };
        assert_eq!(whole("[3.0, -2e2, 2.5, 4]"), "[3,-200,2.5,4]");
        assert_eq!(whole(r#"{"a": 1e300}"#), r#"{"a":1e+300}"#);
    }

    #[test]
    fn only_json_is_taken_for_json() {
        let says = |value: &str| {
            let mut headers = axum::http::HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        assert!(says("application/json; charset=utf-8") && says("application/merge-patch+json"));
        assert!(!says("text/plain") && !says("application/x-www-form-urlencoded"));
        assert!(!is_json(&axum::http::HeaderMap::new()));
    }
}
