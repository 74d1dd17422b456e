//! Which era of MCP an answer of a server shows (2026-07-28 basic/transports/streamable-http, backward compatibility).

use http::StatusCode;

use crate::{
    jsonrpc::ErrorCode,
    scan::{self, Kind, Span},
    upstream_session::UpstreamSession,
    version::{Era, ProtocolVersion},
};

/// Whether a status without a JSON-RPC message means that the server does not speak the era it was thought to speak.
pub(crate) fn may_be_other_era(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
    )
}

/// Whether an error shows that a server thought to be stateless is not: it speaks no version of that era, or refuses in
/// the words of older implementations, whose codes no newer one uses (2026-07-28 basic, error codes).
pub(crate) fn denies_modern(status: StatusCode, code: ErrorCode) -> bool {
    code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION || (may_be_other_era(status) && is_of_older_sdks(code))
}

/// Whether an answer means that the server has forgotten the session: 404 by the standard; by some widespread examples
/// of the official SDKs 400 with a code of theirs, or without a JSON-RPC error at all. `code` is the one in its body.
/// Any other 400 is an answer to the request, which may have been processed.
pub(crate) fn lost_session(status: StatusCode, session: &UpstreamSession, code: Option<ErrorCode>) -> bool {
    session.id.is_some()
        && match status {
            StatusCode::NOT_FOUND => true,
            StatusCode::BAD_REQUEST => code.is_none_or(is_of_older_sdks),
            _ => false,
        }
}

/// The codes older implementations refuse a request with before they look at it; no newer one uses them.
const fn is_of_older_sdks(code: ErrorCode) -> bool {
    -32_019 <= code.0 && code.0 <= -32_000
}

/// The text of a member of an object, where it is a string.
pub(crate) fn text_member(body: &[u8], object: Span, name: &str) -> Option<String> {
    let [member] = scan::pick(body, object, [name]).ok()?;
    let member = member.filter(|member| member.kind == Kind::String)?;
    scan::decode_string(member.value.of(body)).map(std::borrow::Cow::into_owned)
}

/// Whether a member of an object is a list that names a version of the stateless era spoken here.
pub(crate) fn lists_modern_version(body: &[u8], object: Span, name: &str) -> bool {
    let Ok([Some(list)]) = scan::pick(body, object, [name]) else {
        return false;
    };
    if list.kind != Kind::Array {
        return false;
    }
    let versions = scan::elements(body, list.value).unwrap_or_default();
    versions
        .into_iter()
        .filter_map(|(span, _)| scan::decode_string(span.of(body)))
        .filter_map(|name| ProtocolVersion::parse(&name))
        .any(|version| version.era() == Era::Modern)
}
