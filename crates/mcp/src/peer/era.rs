//! Which era of MCP an answer of a server shows, and whether it means that a session has ended
//! (2026-07-28 basic/transports/streamable-http, backward compatibility; 2025-11-25 basic/transports, session management).

use http::StatusCode;

use super::session::UpstreamSession;
use crate::wire::{
    envelope::ErrorMembers,
    jsonrpc::ErrorCode,
    scan::{self, Kind, Span},
    version::ProtocolVersion,
};

/// Whether a status without a JSON-RPC message means that the server does not support the era it was assumed to support.
pub(super) fn may_be_other_era(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
    )
}

/// Whether an error shows that a server assumed to be stateless is not: it supports no version of that era, or refuses in
/// the words of older implementations, whose codes no newer one uses (2026-07-28 basic, error codes).
pub(super) fn denies_modern(status: StatusCode, code: ErrorCode) -> bool {
    code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION || (may_be_other_era(status) && is_of_older_sdks(code))
}

/// What an answer says about the session its request was sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionLoss {
    /// Nothing: it continues.
    No,
    /// It has ended, and by the standard nothing was done with the request.
    Surely,
    /// It has ended or may have; the request may have been carried out.
    Maybe,
}

/// Whether an answer means that the server has forgotten the session. 404 by the standard, as long as it is not an answer to
/// the request itself; servers in use say it with other statuses too, and with codes of the older SDKs. `error` is the
/// JSON-RPC error in its body, and `is_ours` says whether that has the ID of the request.
pub(super) fn session_loss(
    status: StatusCode,
    session: &UpstreamSession,
    error: Option<&SaidError>,
    is_ours: bool,
) -> SessionLoss {
    if session.id.is_none() {
        return SessionLoss::No;
    }
    if status == StatusCode::NOT_FOUND && !is_ours {
        return SessionLoss::Surely;
    }
    let maybe = match error {
        Some(error) => {
            is_of_older_sdks(error.code) && (!status.is_success() || error.names_session)
                || !is_ours && !status.is_success() && error.names_session
                // Some send the refusal with the ID of the request, so it may be an answer to it.
                || status == StatusCode::NOT_FOUND
                    && error.code == ErrorCode::INVALID_REQUEST
                    && error.names_session
        }
        None if is_ours => false,
        None => matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::UNAUTHORIZED
                | StatusCode::GONE
                | StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::SERVICE_UNAVAILABLE
        ),
    };
    if maybe {
        SessionLoss::Maybe
    } else {
        SessionLoss::No
    }
}

/// What matters of a JSON-RPC error a server answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SaidError {
    /// Its code.
    pub(super) code: ErrorCode,
    /// Whether its message mentions a session.
    pub(super) names_session: bool,
}

impl SaidError {
    pub(super) fn of(error: &ErrorMembers<'_>) -> Self {
        let message = error.message.as_ref().map_or("", |message| &*message.value);
        Self {
            code: error.code,
            names_session: message.to_ascii_lowercase().contains("session"),
        }
    }
}

/// The codes older implementations refuse a request with before they look at it; no newer one uses them. One of them has
/// its own meaning: a resource that was not found (2025-11-25 server/resources, "Error Handling").
const fn is_of_older_sdks(code: ErrorCode) -> bool {
    -32_019 <= code.0 && code.0 <= -32_000 && code.0 != ErrorCode::LEGACY_RESOURCE_NOT_FOUND.0
}

/// The text of a member of an object, if it is a string.
pub(super) fn text_member(body: &[u8], object: Span, name: &str) -> Option<String> {
    let [member] = scan::pick(body, object, [name]).ok()?;
    let member = member.filter(|member| member.kind == Kind::String)?;
    scan::decode_string(member.value.of(body)).map(std::borrow::Cow::into_owned)
}

/// The supported versions that a member of an object lists.
pub(super) fn listed_versions(body: &[u8], object: Span, name: &str) -> Vec<ProtocolVersion> {
    let Ok([Some(list)]) = scan::pick(body, object, [name]) else {
        return Vec::new();
    };
    if list.kind != Kind::Array {
        return Vec::new();
    }
    let versions = scan::elements(body, list.value).unwrap_or_default();
    versions
        .into_iter()
        .filter_map(|(span, _)| scan::decode_string(span.of(body)))
        .filter_map(|name| ProtocolVersion::parse(&name))
        .collect()
}

/// The supported versions that a refusal of a version offers instead: in `data` as the standard has it, or in the
/// words of the message, as the older SDKs do.
pub(super) fn offered_versions(body: &[u8], error: &ErrorMembers<'_>) -> Vec<ProtocolVersion> {
    let in_data = |name| {
        error
            .data
            .map_or_else(Vec::new, |data| listed_versions(body, data, name))
    };
    let listed = [in_data("supported"), in_data("supportedVersions")].concat();
    if !listed.is_empty() {
        return listed;
    }
    let message = error.message.as_ref().map_or("", |message| &*message.value);
    ProtocolVersion::ALL
        .into_iter()
        .filter(|version| message.contains(version.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::wire::capabilities::Capabilities;

    #[test]
    fn a_session_has_ended_according_to_what_servers_in_use_say() {
        let session = UpstreamSession::new(
            Some(HeaderValue::from_static("s")),
            ProtocolVersion::LATEST_LEGACY,
            Capabilities::default(),
        );
        let stateless = UpstreamSession::new(None, ProtocolVersion::LATEST_LEGACY, Capabilities::default());
        let error = |code, names_session| {
            Some(SaidError {
                code: ErrorCode(code),
                names_session,
            })
        };
        for (status, error, is_ours, loss) in [
            (404, None, false, SessionLoss::Surely),
            (404, error(-32_001, true), false, SessionLoss::Surely),
            (404, error(-32_600, true), false, SessionLoss::Surely),
            (404, error(-32_001, true), true, SessionLoss::Maybe),
            (404, error(-32_600, true), true, SessionLoss::Maybe),
            (404, error(-32_600, false), true, SessionLoss::No),
            (404, error(-32_601, true), true, SessionLoss::No),
            (404, error(-32_601, false), true, SessionLoss::No),
            (400, None, false, SessionLoss::Maybe),
            (400, error(-32_000, false), false, SessionLoss::Maybe),
            (400, error(-32_602, false), true, SessionLoss::No),
            (401, None, false, SessionLoss::Maybe),
            (410, None, false, SessionLoss::Maybe),
            (500, None, false, SessionLoss::Maybe),
            (503, None, false, SessionLoss::Maybe),
            (500, error(-32_603, true), false, SessionLoss::Maybe),
            (500, error(-32_603, false), true, SessionLoss::No),
            (200, error(-32_000, true), true, SessionLoss::Maybe),
            (200, error(-32_000, false), true, SessionLoss::No),
            (200, error(-32_002, true), true, SessionLoss::No),
            (400, error(-32_002, false), true, SessionLoss::No),
            (403, None, false, SessionLoss::No),
            (429, None, false, SessionLoss::No),
            (502, None, false, SessionLoss::No),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let got = session_loss(status, &session, error.as_ref(), is_ours);
            assert_eq!(got, loss, "{status} {error:?} {is_ours}");
            let got = session_loss(status, &stateless, error.as_ref(), is_ours);
            assert_eq!(got, SessionLoss::No, "{status} {error:?} {is_ours}");
        }
    }
}
