//! The headers that mirror the body of a request (MCP 2026-07-28, Streamable HTTP, "Request Metadata").

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    envelope::Request,
    jsonrpc::{ErrorCode, Refusal},
    version::ProtocolVersion,
};

/// `MCP-Protocol-Version`
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Mcp-Method`
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `Mcp-Name`
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// `Mcp-Session-Id`, of the legacy era.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// `Last-Event-ID`, of the legacy era.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What the names of mirrored parameters start with.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// Around a value in Base64.
const SENTINEL: (&str, &str) = ("=?base64?", "?=");

/// The standard alphabet with padding, which must be there: what reads a value without it in another way must not get one.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Why a header does not agree with the body; always -32020 with 400. Names headers, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMismatch {
    /// A required header is missing.
    #[error("Header mismatch: {0} is missing; send it with the value of the request body")]
    Missing(Box<str>),
    /// A header came more than once.
    #[error("Header mismatch: {0} was sent more than once; send it once")]
    Repeated(Box<str>),
    /// A header holds characters that are not allowed, or Base64 that does not decode.
    #[error("Header mismatch: {0} has invalid characters; encode it as =?base64?...?=")]
    Invalid(Box<str>),
    /// A header differs from the body.
    #[error("Header mismatch: {0} does not match the request body")]
    Different(Box<str>),
}

impl From<&HeaderMismatch> for Refusal {
    fn from(error: &HeaderMismatch) -> Self {
        Self::new(ErrorCode::HEADER_MISMATCH, error.to_string())
    }
}

/// A value as it goes into a header: unchanged if that is safe, else in Base64 ("Value Encoding").
pub fn encode_value(value: &str) -> HeaderValue {
    let is_visible = |byte: u8| (0x21..=0x7e).contains(&byte);
    let bytes = value.as_bytes();
    let is_plain = bytes
        .iter()
        .all(|&byte| is_visible(byte) || byte == b' ' || byte == b'\t')
        && bytes.first().is_some_and(|&byte| is_visible(byte))
        && bytes.last().is_some_and(|&byte| is_visible(byte));
    // An empty value stays empty: there is nothing to trim, and nothing to mistake.
    if (is_plain && sentinel(value).is_none()) || value.is_empty() {
        HeaderValue::from_str(value).expect("visible ASCII, spaces and tabs make a header value")
    } else {
        let encoded = format!("{}{}{}", SENTINEL.0, BASE64.encode(value), SENTINEL.1);
        HeaderValue::from_str(&encoded).expect("Base64 makes a header value")
    }
}

/// The meaning of a header value; `None` for invalid characters or Base64.
pub fn decode_value(value: &HeaderValue) -> Option<Cow<'_, str>> {
    // Visible ASCII, spaces and tabs only.
    let text = value.to_str().ok()?;
    let Some(encoded) = sentinel(text) else {
        return Some(Cow::Borrowed(text));
    };
    let bytes = BASE64.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn sentinel(text: &str) -> Option<&str> {
    text.strip_prefix(SENTINEL.0)?.strip_suffix(SENTINEL.1)
}

/// The member of `params` that `Mcp-Name` mirrors for a method ("Standard Request Headers").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameSource {
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
    /// `params.taskId`, of the extension `io.modelcontextprotocol/tasks` ("Streamable HTTP: Routing Headers").
    TaskId,
}

impl NameSource {
    /// Which member it is, for the methods that have one.
    pub fn of(method: &str) -> Option<Self> {
        match method {
            "tools/call" | "prompts/get" => Some(Self::Name),
            "resources/read" => Some(Self::Uri),
            "tasks/get" | "tasks/update" | "tasks/cancel" => Some(Self::TaskId),
            _ => None,
        }
    }
}

/// Checks `Mcp-Method` and, if the method has one, `Mcp-Name` of a modern request. If the body lacks what
/// `Mcp-Name` mirrors, a header that is there all the same differs from it.
pub fn check(headers: &HeaderMap, request: &Request<'_>) -> Result<(), HeaderMismatch> {
    let Some(method) = single(headers, &METHOD)? else {
        return Err(HeaderMismatch::Missing("Mcp-Method".into()));
    };
    if method.as_bytes() != request.method.value.as_bytes() {
        return Err(HeaderMismatch::Different("Mcp-Method".into()));
    }
    let Some(source) = NameSource::of(&request.method.value) else {
        return Ok(());
    };
    check_encoding(headers)?;
    let params = request.params.as_ref();
    let wanted = params.and_then(|params| match source {
        NameSource::Name => params.name.as_ref(),
        NameSource::Uri => params.uri.as_ref(),
        NameSource::TaskId => params.task_id.as_ref(),
    });
    match (single(headers, &NAME)?, wanted) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(HeaderMismatch::Missing("Mcp-Name".into())),
        (Some(_), None) => Err(HeaderMismatch::Different("Mcp-Name".into())),
        (Some(header), Some(wanted)) => match decode_value(header) {
            Some(value) if value == wanted.value => Ok(()),
            Some(_) => Err(HeaderMismatch::Different("Mcp-Name".into())),
            None => Err(HeaderMismatch::Invalid("Mcp-Name".into())),
        },
    }
}

/// Refuses mirrored parameters in Base64 that does not decode, also of parameters that no list names: no reader must have to
/// guess what they mean.
fn check_encoding(headers: &HeaderMap) -> Result<(), HeaderMismatch> {
    let broken = headers
        .iter()
        .find(|(name, value)| name.as_str().starts_with(PARAM_PREFIX) && decode_value(value).is_none());
    match broken {
        Some((name, _)) => Err(HeaderMismatch::Invalid(name.as_str().into())),
        None => Ok(()),
    }
}

/// Writes the header of a version.
pub fn write_version(headers: &mut HeaderMap, version: ProtocolVersion) {
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version.as_str()));
}

/// Writes the mirrored headers for an upstream of the modern era. `name` is what goes upstream, after renaming;
/// it is written only for methods that mirror one.
pub fn write(headers: &mut HeaderMap, version: ProtocolVersion, method: &str, name: Option<&str>) {
    write_version(headers, version);
    headers.insert(METHOD, encode_value(method));
    headers.remove(NAME);
    if let Some(name) = name.filter(|_| NameSource::of(method).is_some()) {
        headers.insert(NAME, encode_value(name));
    }
}

/// The one value of a header.
pub fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, HeaderMismatch> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(HeaderMismatch::Repeated(name.as_str().into()));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::envelope::{Limits, Message, parse};

    #[test]
    fn encodes_as_the_specification_shows() {
        for (value, encoded) in [
            ("us-west1", "us-west1"),
            ("", ""),
            ("a b\tc", "a b\tc"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode_value(value), encoded);
            assert_eq!(decode_value(&encode_value(value)).as_deref(), Some(value));
        }
    }

    #[test]
    fn decodes_nothing_else() {
        for bad in [
            &b"caf\xc3\xa9"[..],
            b"=?base64?%%%?=",
            b"=?base64?/w==?=",
            b"=?base64?YQ?=",
            b"=?base64?YQ=?=",
            b"=?base64?YR==?=",
            b"=?base64?YQ?b?=",
        ] {
            let value = HeaderValue::from_bytes(bad).expect("a header value");
            assert_eq!(decode_value(&value), None);
        }
        let upper = HeaderValue::from_static("=?BASE64?YQ==?=");
        assert_eq!(decode_value(&upper).as_deref(), Some("=?BASE64?YQ==?="));
    }

    fn outcome(body: &str, headers: &[(&'static str, &str)]) -> Result<(), HeaderMismatch> {
        let Ok(Message::Request(request)) = parse(body.as_bytes(), &Limits::default()) else {
            panic!("not a request")
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a header value"));
        }
        check(&map, &request)
    }

    #[test]
    fn headers_must_match_the_body() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"größe"}}"#;
        let method = ("mcp-method", "tools/call");
        let name = ("mcp-name", "=?base64?Z3LDtsOfZQ==?=");
        assert_eq!(outcome(call, &[method, name]), Ok(()));
        let param = ("mcp-param-region", "=?base64?SGVsbG8=?=");
        assert_eq!(outcome(call, &[method, name, param]), Ok(()));
        for headers in [
            &[][..],
            &[name],
            &[method],
            &[method, ("mcp-name", "other")],
            &[method, ("mcp-name", "=?base64?!?=")],
            &[method, name, name],
            &[method, method, name],
            &[("mcp-method", "tools/list"), name],
            &[("mcp-method", "Tools/Call"), name],
            &[method, name, ("mcp-param-region", "=?base64?SGVsbG8?=")],
            &[method, name, ("mcp-param-region", "=?base64?%%%?=")],
        ] {
            assert!(outcome(call, headers).is_err(), "{headers:?}");
        }
        let read =
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a","name":"n"}}"#;
        let method = ("mcp-method", "resources/read");
        assert_eq!(outcome(read, &[method, ("mcp-name", "file:///a")]), Ok(()));
        assert!(outcome(read, &[method, ("mcp-name", "n")]).is_err());
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert_eq!(outcome(list, &[("mcp-method", "tools/list")]), Ok(()));
    }

    #[test]
    fn a_mismatch_is_refused_with_its_code_and_without_values() {
        let refusal = Refusal::from(&HeaderMismatch::Different("Mcp-Name".into()));
        assert_eq!(refusal.code, ErrorCode::HEADER_MISMATCH);
        assert_eq!(refusal.http_status(crate::wire::version::Era::Modern), 400);
        assert_eq!(
            refusal.message,
            "Header mismatch: Mcp-Name does not match the request body"
        );
    }

    #[test]
    fn upstream_headers_are_written_afresh() {
        let mut headers = HeaderMap::new();
        headers.insert(NAME, HeaderValue::from_static("theirs"));
        write(
            &mut headers,
            ProtocolVersion::V2026_07_28,
            "tools/list",
            Some("x"),
        );
        assert_eq!(headers.get(NAME), None);
        write(
            &mut headers,
            ProtocolVersion::V2026_07_28,
            "tools/call",
            Some("x"),
        );
        assert_eq!(headers[NAME], "x");
        assert_eq!(headers[METHOD], "tools/call");
        assert_eq!(headers[PROTOCOL_VERSION], "2026-07-28");
    }

    proptest! {
        #[test]
        fn values_round_trip(value in any::<String>()) {
            let encoded = encode_value(&value);
            prop_assert!(encoded.as_bytes().iter().all(|byte| matches!(byte, 0x20..=0x7e | b'\t')));
            let decoded = decode_value(&encoded);
            prop_assert_eq!(decoded.as_deref(), Some(value.as_str()));
        }

        #[test]
        fn decoding_never_panics(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let _ = decode_value(&value);
            }
        }
    }
}
