//! Writing our own JSON-RPC messages around raw bytes, and the error codes that MCP defines
//! (MCP 2026-07-28, Overview, "Error Codes").

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;

use super::{
    id::RequestId,
    json::json_string,
    version::{Era, ProtocolVersion},
};

/// Characters of a client's own text that an error repeats, at most.
const MAX_ECHOED_CHARS: usize = 64;

/// A JSON-RPC error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i64);

impl ErrorCode {
    /// The body is not JSON (JSON-RPC 2.0, section 5.1).
    pub const PARSE_ERROR: Self = Self(-32700);
    /// The body is JSON, and not a message.
    pub const INVALID_REQUEST: Self = Self(-32600);
    /// The method is not served here.
    pub const METHOD_NOT_FOUND: Self = Self(-32601);
    /// Parameters are missing or mistyped; also an unknown tool, prompt or resource.
    pub const INVALID_PARAMS: Self = Self(-32602);
    /// Something failed here or upstream that the client cannot fix.
    pub const INTERNAL_ERROR: Self = Self(-32603);
    /// Resource not found, in 2025-11-25 and earlier; never sent in the modern era.
    pub const LEGACY_RESOURCE_NOT_FOUND: Self = Self(-32002);
    /// URL elicitation required, in 2025-11-25; never sent in the modern era.
    pub const LEGACY_URL_ELICITATION_REQUIRED: Self = Self(-32042);
    /// A mirrored header is missing, malformed or differs from the body.
    pub const HEADER_MISMATCH: Self = Self(-32020);
    /// The request needs a capability the client did not declare.
    pub const MISSING_CLIENT_CAPABILITY: Self = Self(-32021);
    /// The protocol version is not supported.
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(-32022);

    /// Whether this code, in the body of a 400, shows that a server is of the modern era
    /// (Streamable HTTP, "Backward Compatibility").
    pub const fn proves_modern(self) -> bool {
        matches!(self.0, -32022..=-32020)
    }

    /// The HTTP status for an error of this code if it is the whole answer to a request.
    ///
    /// In the modern era an unknown method is 404 and the checks of version, headers and `_meta` are 400; every other
    /// JSON-RPC error is an answer like any other, 200. What cannot be read as a message is 400 in both eras.
    pub const fn http_status(self, era: Era) -> StatusCode {
        match (self.0, era) {
            (-32700 | -32600 | -32022..=-32020, _) => StatusCode::BAD_REQUEST,
            (-32601, Era::Modern) => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        }
    }

    /// The HTTP status for a server's own error that is passed on: an answer like any other, except for the checks of
    /// version, headers and capabilities in the stateless era. 404 would say that the gateway lacks the method.
    pub const fn relayed_status(self, era: Era) -> StatusCode {
        match era {
            Era::Modern if self.proves_modern() => StatusCode::BAD_REQUEST,
            Era::Modern | Era::Legacy => StatusCode::OK,
        }
    }
}

/// A refusal as a client receives it: what the other modules' errors turn into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// One or two plain sentences. Never holds values of arguments or headers that could be secret.
    pub message: Cow<'static, str>,
    /// The `data` member, as JSON text.
    pub data: Option<String>,
    /// The HTTP status if it differs from the one of the code: `_meta` that is missing is -32602 with 400.
    pub status: Option<StatusCode>,
}

impl Refusal {
    /// A refusal without data, with the status of its code.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
            status: None,
        }
    }

    /// The same with that HTTP status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// The same with `data`, which must be one JSON value.
    #[must_use]
    pub fn with_data(self, data: impl Into<String>) -> Self {
        Self {
            data: Some(data.into()),
            ..self
        }
    }

    /// -32022 for `requested`, with the supported versions in `data`: those that `server/discover` lists.
    pub fn unsupported_version(requested: &str) -> Self {
        let names = ProtocolVersion::ALL.map(ProtocolVersion::as_str);
        let message = match ProtocolVersion::parse(requested) {
            // It is supported, and in the data; sent again in the same way, it would be refused again.
            Some(version) if version.era() == Era::Legacy => format!(
                "Protocol version {version} has sessions: begin one with `initialize`, or send each request with version {}.",
                ProtocolVersion::LATEST_MODERN
            ),
            _ => format!(
                "Unsupported protocol version; retry with one of: {}",
                names.join(", ")
            ),
        };
        // Told back for the client's own log; cut so that an answer is never much larger than its question.
        let requested: String = requested.chars().take(MAX_ECHOED_CHARS).collect();
        Self::new(ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, message).with_data(format!(
            r#"{{"supported":["{}"],"requested":{}}}"#,
            names.join(r#"",""#),
            json_string(&requested)
        ))
    }

    /// The HTTP status to answer with.
    pub fn http_status(&self, era: Era) -> StatusCode {
        self.status.unwrap_or_else(|| self.code.http_status(era))
    }

    /// The error response. Without an id the member is left out in the modern era, and null before it, as JSON-RPC
    /// 2.0 has it.
    pub fn to_response(&self, id: Option<&RequestId>, era: Era) -> Bytes {
        let message = json_string(&self.message);
        let mut error = Vec::with_capacity(message.len() + 64);
        error.extend_from_slice(b"{\"code\":");
        error.extend_from_slice(self.code.0.to_string().as_bytes());
        error.extend_from_slice(b",\"message\":");
        error.extend_from_slice(message.as_bytes());
        if let Some(data) = &self.data {
            error.extend_from_slice(b",\"data\":");
            error.extend_from_slice(data.as_bytes());
        }
        error.push(b'}');
        write_error_object(id, &error, era)
    }
}

/// `{"jsonrpc":"2.0","id":…,"result":…}` around a result that is already JSON text.
pub fn write_result(id: &RequestId, result: &[u8]) -> Bytes {
    write(&[
        b"{\"jsonrpc\":\"2.0\",\"id\":",
        id.to_json().as_bytes(),
        b",\"result\":",
        result,
        b"}",
    ])
}

/// An error response around an `error` object that is already JSON text.
pub fn write_error_object(id: Option<&RequestId>, error: &[u8], era: Era) -> Bytes {
    let id = id.map(RequestId::to_json);
    let (before, id): (&[u8], &[u8]) = match (&id, era) {
        (Some(id), _) => (b",\"id\":", id.as_bytes()),
        (None, Era::Legacy) => (b",\"id\":", b"null"),
        (None, Era::Modern) => (b"", b""),
    };
    write(&[b"{\"jsonrpc\":\"2.0\"", before, id, b",\"error\":", error, b"}"])
}

/// The result of a tool that failed, with the reason for the model and its user.
pub(crate) fn tool_error(text: &str, era: Era) -> Bytes {
    let result_type = match era {
        Era::Modern => r#""resultType":"complete","#,
        Era::Legacy => "",
    };
    let text = json_string(text);
    format!(r#"{{{result_type}"content":[{{"type":"text","text":{text}}}],"isError":true}}"#).into()
}

/// A notification; `params` is JSON text of an object.
pub fn write_notification(method: &str, params: Option<&[u8]>) -> Bytes {
    write_call(b"", b"", method, params)
}

/// A request; `params` is JSON text of an object.
pub fn write_request(id: &RequestId, method: &str, params: Option<&[u8]>) -> Bytes {
    write_call(b",\"id\":", id.to_json().as_bytes(), method, params)
}

fn write_call(before: &[u8], id: &[u8], method: &str, params: Option<&[u8]>) -> Bytes {
    let method = json_string(method);
    let (label, params): (&[u8], &[u8]) = match params {
        Some(params) => (b",\"params\":", params),
        None => (b"", b""),
    };
    write(&[
        b"{\"jsonrpc\":\"2.0\"",
        before,
        id,
        b",\"method\":",
        method.as_bytes(),
        label,
        params,
        b"}",
    ])
}

fn write(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::envelope::{Limits, Message, Outcome, parse};

    #[test]
    fn statuses_follow_the_era() {
        for (code, legacy, modern) in [
            (ErrorCode::PARSE_ERROR, 400, 400),
            (ErrorCode::INVALID_REQUEST, 400, 400),
            (ErrorCode::METHOD_NOT_FOUND, 200, 404),
            (ErrorCode::INVALID_PARAMS, 200, 200),
            (ErrorCode::INTERNAL_ERROR, 200, 200),
            (ErrorCode::HEADER_MISMATCH, 400, 400),
            (ErrorCode::MISSING_CLIENT_CAPABILITY, 400, 400),
            (ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, 400, 400),
        ] {
            assert_eq!(code.http_status(Era::Legacy), legacy, "{code:?}");
            assert_eq!(code.http_status(Era::Modern), modern, "{code:?}");
        }
        assert!(ErrorCode::HEADER_MISMATCH.proves_modern());
        assert!(!ErrorCode::METHOD_NOT_FOUND.proves_modern());
    }

    #[test]
    fn an_unsupported_version_says_which_are_supported() {
        let all = r#""2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05""#;
        let plain = all.replace('"', "").replace(',', ", ");
        for (requested, message) in [
            (
                "1900-01-01",
                format!("Unsupported protocol version; retry with one of: {plain}"),
            ),
            (
                "2025-06-18",
                "Protocol version 2025-06-18 has sessions: begin one with `initialize`, or send each request with version 2026-07-28.".to_owned(),
            ),
        ] {
            let refusal = Refusal::unsupported_version(requested);
            assert_eq!(refusal.http_status(Era::Modern), 400);
            let answer = format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32022,"message":"{message}","data":{{"supported":[{all}],"requested":"{requested}"}}}}}}"#
            );
            assert_eq!(
                refusal.to_response(Some(&RequestId::Integer(1)), Era::Modern),
                answer
            );
        }
    }

    #[test]
    fn an_error_without_id_is_written_as_its_era_has_it() {
        let refusal = Refusal::new(ErrorCode::PARSE_ERROR, "no");
        let legacy = refusal.to_response(None, Era::Legacy);
        let modern = refusal.to_response(None, Era::Modern);
        assert_eq!(
            &legacy[..],
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#
        );
        assert_eq!(
            &modern[..],
            br#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(id in any::<i64>(), text in any::<String>(), method in any::<String>()) {
            let raw = format!(r#"{{"a": {}, "n":1.50}}"#, json_string(&text));
            for id in [RequestId::Integer(id), RequestId::from(text.as_str())] {
                let limits = Limits { max_id_bytes: usize::MAX, ..Limits::default() };
                let body = write_request(&id, &method, Some(raw.as_bytes()));
                let Ok(Message::Request(request)) = parse(&body, &limits) else { panic!("not a request") };
                prop_assert_eq!(request.id.to_owned(), id.clone());
                prop_assert_eq!(&request.method.value, &method);
                prop_assert_eq!(request.params.map(|params| params.span.of(&body).to_vec()), Some(raw.clone().into_bytes()));

                let body = write_result(&id, raw.as_bytes());
                let Ok(Message::Response(response)) = parse(&body, &limits) else { panic!("not a response") };
                prop_assert_eq!(response.id.map(crate::wire::id::RawId::to_owned), Some(id.clone()));
                let Outcome::Result(result) = response.outcome else { panic!("not a result") };
                prop_assert_eq!(result.span.of(&body), raw.as_bytes());

                let body = Refusal::new(ErrorCode::INVALID_PARAMS, text.clone()).to_response(Some(&id), Era::Legacy);
                let Ok(Message::Response(response)) = parse(&body, &limits) else { panic!("not a response") };
                let Outcome::Error(error) = response.outcome else { panic!("not an error") };
                prop_assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
                prop_assert_eq!(error.message.map(|message| message.value.into_owned()), Some(text.clone()));
            }
            let body = write_notification(&method, None);
            prop_assert!(matches!(parse(&body, &Limits::default()), Ok(Message::Notification(_))));
        }
    }
}
