//! `_meta` of requests in the modern era: what must be there, and what to put there for an upstream
//! (MCP 2026-07-28, Overview, "_meta").

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};

use super::{
    envelope::{Params, Request},
    headers::{self, HeaderMismatch},
    json::json_string,
    jsonrpc::{ErrorCode, Refusal},
    log_level::LogLevel,
    meta_keys::{CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION},
    scan::{Kind, Span, decode_string},
    version::{Era, ProtocolVersion},
};

/// The era in which a request is to be served, as the client opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// With sessions. The header's version, if there is one; the session's version takes precedence.
    Legacy(Option<ProtocolVersion>),
    /// Stateless.
    Modern(ModernMeta),
}

/// What the `_meta` of a modern request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModernMeta {
    /// The protocol version, equal to the header's.
    pub version: ProtocolVersion,
    /// `clientInfo`, an object, as written.
    pub client_info: Option<Span>,
    /// `clientCapabilities`, an object, as written.
    pub client_capabilities: Span,
    /// `logLevel`.
    pub log_level: Option<LogLevel>,
}

/// Decides the era of a request from `MCP-Protocol-Version` and `_meta`, and checks both if it is the modern one:
/// -32602 for what is missing or mistyped, -32020 if header and body differ, -32022 for an unsupported version.
///
/// A request is of the modern era when its header names a modern version or its `_meta` a protocol version.
/// `initialize` without such a `_meta` opens a session whatever its header says.
pub(crate) fn dialect(headers: &HeaderMap, request: &Request<'_>) -> Result<Dialect, Refusal> {
    let header = version_header(headers)?;
    let meta = request.meta();
    let in_body = meta.and_then(|meta| meta.protocol_version);
    if in_body.is_none() {
        if request.method.value == "initialize" {
            return Ok(Dialect::Legacy(header.and_then(ProtocolVersion::parse)));
        }
        match header.map(|name| (name, ProtocolVersion::parse(name))) {
            None => return Ok(Dialect::Legacy(None)),
            Some((name, None)) => return Err(Refusal::unsupported_version(name)),
            Some((_, Some(version))) if version.era() == Era::Legacy => {
                return Ok(Dialect::Legacy(Some(version)));
            }
            Some((_, Some(_))) => return Err(malformed(PROTOCOL_VERSION, "is missing")),
        }
    }
    let text = in_body
        .filter(|(_, kind)| *kind == Kind::String)
        .and_then(|(span, _)| decode_string(span.of(request.body)))
        .ok_or_else(|| malformed(PROTOCOL_VERSION, "must be a string"))?;
    let Some(header) = header else {
        return Err(Refusal::from(&HeaderMismatch::Missing(HEADER.into())));
    };
    if header != text {
        return Err(Refusal::from(&HeaderMismatch::Different(HEADER.into())));
    }
    let version = match ProtocolVersion::parse(&text) {
        Some(version) if version.era() == Era::Modern => version,
        // An older one is supported too, but not without a session.
        Some(_) | None => return Err(Refusal::unsupported_version(&text)),
    };
    let object = |slot: Option<(Span, Kind)>, key| match slot {
        None => Ok(None),
        Some((span, Kind::Object)) => Ok(Some(span)),
        Some(_) => Err(malformed(key, "must be an object")),
    };
    let client_capabilities = object(
        meta.and_then(|meta| meta.client_capabilities),
        CLIENT_CAPABILITIES,
    )?
    .ok_or_else(|| malformed(CLIENT_CAPABILITIES, "is missing"))?;
    let log_level = match meta.and_then(|meta| meta.log_level) {
        None => None,
        Some((span, Kind::String)) => {
            let level = decode_string(span.of(request.body)).and_then(|name| LogLevel::parse(&name));
            Some(level.ok_or_else(|| malformed(LOG_LEVEL, UNKNOWN_LEVEL))?)
        }
        Some(_) => return Err(malformed(LOG_LEVEL, UNKNOWN_LEVEL)),
    };
    Ok(Dialect::Modern(ModernMeta {
        version,
        client_info: object(meta.and_then(|meta| meta.client_info), CLIENT_INFO)?,
        client_capabilities,
        log_level,
    }))
}

/// The version of a notification or response, which do not have their own `_meta`: only the header counts.
pub(crate) fn header_version(headers: &HeaderMap) -> Result<Option<ProtocolVersion>, Refusal> {
    match version_header(headers)? {
        None => Ok(None),
        Some(name) => ProtocolVersion::parse(name)
            .map(Some)
            .ok_or_else(|| Refusal::unsupported_version(name)),
    }
}

/// What is wrong with a level of log messages.
const UNKNOWN_LEVEL: &str =
    "must be one of debug, info, notice, warning, error, critical, alert and emergency";
/// The header's name as people write it.
const HEADER: &str = "MCP-Protocol-Version";

fn version_header(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let value =
        headers::single(headers, &headers::PROTOCOL_VERSION).map_err(|error| Refusal::from(&error))?;
    value
        .map(|value| {
            value
                .to_str()
                .map_err(|_| Refusal::from(&HeaderMismatch::Invalid(HEADER.into())))
        })
        .transpose()
}

fn malformed(key: &str, problem: &str) -> Refusal {
    Refusal::new(
        ErrorCode::INVALID_PARAMS,
        format!("Invalid params: `_meta` member `{key}` {problem}"),
    )
    .with_status(StatusCode::BAD_REQUEST)
}

/// What a session of the legacy era knows about its client, for requests to a modern upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientFacts<'a> {
    /// The version used upstream.
    pub version: ProtocolVersion,
    /// `clientInfo` as JSON text of an object.
    pub client_info: Option<&'a str>,
    /// `capabilities` as JSON text of an object.
    pub client_capabilities: &'a str,
    /// The level of `logging/setLevel`.
    pub log_level: Option<&'a str>,
}

/// Edits of a `_meta` object: a value to set, or `None` to remove.
pub(super) type MetaEdits<'a> = Vec<(Cow<'a, str>, Option<Cow<'a, [u8]>>)>;

/// The edits that make a request modern for an upstream. What the facts lack is removed, so that nothing of another
/// client remains.
pub(crate) fn modern_edits<'a>(facts: &ClientFacts<'a>) -> MetaEdits<'a> {
    let quoted = |text: &str| Cow::Owned(json_string(text).into_bytes());
    vec![
        (PROTOCOL_VERSION.into(), Some(quoted(facts.version.as_str()))),
        (
            CLIENT_INFO.into(),
            facts.client_info.map(|text| Cow::Borrowed(text.as_bytes())),
        ),
        (
            CLIENT_CAPABILITIES.into(),
            Some(Cow::Borrowed(facts.client_capabilities.as_bytes())),
        ),
        (LOG_LEVEL.into(), facts.log_level.map(quoted)),
    ]
}

/// The edits that take the modern members out for a legacy upstream. Empty if there is nothing to take out.
pub(crate) fn legacy_edits(params: Option<&Params<'_>>) -> MetaEdits<'static> {
    let Some(meta) = params.and_then(|params| params.meta.as_ref()) else {
        return Vec::new();
    };
    [
        (PROTOCOL_VERSION, meta.protocol_version.is_some()),
        (CLIENT_INFO, meta.client_info.is_some()),
        (CLIENT_CAPABILITIES, meta.client_capabilities.is_some()),
        (LOG_LEVEL, meta.log_level.is_some()),
    ]
    .into_iter()
    .filter(|(_, is_there)| *is_there)
    .map(|(name, _)| (Cow::Borrowed(name), None))
    .collect()
}

/// The `_meta` object of [`modern_edits`] as JSON text, for our own requests.
pub(crate) fn modern_meta(facts: &ClientFacts<'_>) -> String {
    let members: Vec<String> = modern_edits(facts)
        .into_iter()
        .filter_map(|(name, value)| {
            let value = value?;
            Some(format!(
                "{}:{}",
                json_string(&name),
                String::from_utf8_lossy(&value)
            ))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The era by the version header alone, for answers to what could not be read further.
pub fn header_era(headers: &HeaderMap) -> Era {
    match header_version(headers) {
        Ok(Some(version)) => version.era(),
        Ok(None) => Era::Legacy,
        Err(_) => Era::Modern,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;
    use crate::wire::{
        envelope::{Limits, Message, parse},
        splice::Splice,
    };

    const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

    fn body(method: &str, meta: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{{{meta}}}}}}}"#)
    }

    fn read(body: &str) -> Request<'_> {
        match parse(body.as_bytes(), &Limits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    fn decide(body: &str, header: Option<&str>) -> Result<Dialect, Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(
                headers::PROTOCOL_VERSION,
                HeaderValue::from_str(header).expect("a header value"),
            );
        }
        dialect(&headers, &read(body))
    }

    #[test]
    fn a_complete_modern_request_is_modern() {
        let body = body(
            "tools/list",
            &format!(r#"{META},"io.modelcontextprotocol/clientInfo":{{"name":"c","version":"1"}}"#),
        );
        let Ok(Dialect::Modern(meta)) = decide(&body, Some("2026-07-28")) else {
            panic!("not modern")
        };
        assert_eq!(meta.version, ProtocolVersion::V2026_07_28);
        assert_eq!(meta.client_capabilities.of(body.as_bytes()), b"{}");
        assert_eq!(
            meta.client_info.map(|span| span.of(body.as_bytes())),
            Some(&br#"{"name":"c","version":"1"}"#[..])
        );
    }

    #[rstest]
    #[case::no_header(META, None, ErrorCode::HEADER_MISMATCH)]
    #[case::other_header(META, Some("2025-11-25"), ErrorCode::HEADER_MISMATCH)]
    #[case::no_version("", Some("2026-07-28"), ErrorCode::INVALID_PARAMS)]
    #[case::version_not_text(
        r#""io.modelcontextprotocol/protocolVersion":1"#,
        Some("2026-07-28"),
        ErrorCode::INVALID_PARAMS
    )]
    #[case::no_capabilities(
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
        Some("2026-07-28"),
        ErrorCode::INVALID_PARAMS
    )]
    #[case::capabilities_not_an_object(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]"#, Some("2026-07-28"), ErrorCode::INVALID_PARAMS)]
    #[case::unknown_version(r#""io.modelcontextprotocol/protocolVersion":"1900-01-01","io.modelcontextprotocol/clientCapabilities":{}"#, Some("1900-01-01"), ErrorCode::UNSUPPORTED_PROTOCOL_VERSION)]
    #[case::legacy_version_in_meta(r#""io.modelcontextprotocol/protocolVersion":"2025-11-25","io.modelcontextprotocol/clientCapabilities":{}"#, Some("2025-11-25"), ErrorCode::UNSUPPORTED_PROTOCOL_VERSION)]
    #[case::unknown_level(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"loud""#, Some("2026-07-28"), ErrorCode::INVALID_PARAMS)]
    #[case::unknown_header("", Some("1900-01-01"), ErrorCode::UNSUPPORTED_PROTOCOL_VERSION)]
    fn what_is_wrong_is_refused_with_400(
        #[case] meta: &str,
        #[case] header: Option<&str>,
        #[case] code: ErrorCode,
    ) {
        let refusal = decide(&body("tools/list", meta), header).expect_err("refused");
        assert_eq!(refusal.code, code);
        assert_eq!(refusal.http_status(Era::Modern), 400);
    }

    #[test]
    fn requests_of_sessions_are_legacy() {
        let list = body("tools/list", r#""progressToken":1"#);
        assert_eq!(decide(&list, None), Ok(Dialect::Legacy(None)));
        assert_eq!(
            decide(&list, Some("2025-06-18")),
            Ok(Dialect::Legacy(Some(ProtocolVersion::V2025_06_18)))
        );
        let initialize =
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#;
        assert_eq!(decide(initialize, Some("2031-01-01")), Ok(Dialect::Legacy(None)));
    }

    #[test]
    fn a_request_changes_its_era_and_back() {
        let facts = ClientFacts {
            version: ProtocolVersion::V2026_07_28,
            client_info: Some(r#"{"name":"c"}"#),
            client_capabilities: r#"{"roots":{}}"#,
            log_level: Some("info"),
        };
        let legacy = body("tools/list", r#""progressToken":1,"x":1.0"#);
        let request = read(&legacy);
        let mut splice = Splice::new(legacy.as_bytes());
        splice.edit_meta(request.object, request.params.as_ref(), modern_edits(&facts));
        let modern = splice.finish().expect("edits fit");
        let modern = std::str::from_utf8(&modern).expect("UTF-8");
        assert!(
            matches!(decide(modern, Some("2026-07-28")), Ok(Dialect::Modern(_))),
            "{modern}"
        );
        assert!(modern.contains(&modern_meta(&facts)[1..modern_meta(&facts).len() - 1]));

        let request = read(modern);
        let mut splice = Splice::new(modern.as_bytes());
        splice.edit_meta(
            request.object,
            request.params.as_ref(),
            legacy_edits(request.params.as_ref()),
        );
        assert_eq!(splice.finish().expect("edits fit"), legacy.as_bytes());
        assert!(legacy_edits(read(&legacy).params.as_ref()).is_empty());
    }
}
