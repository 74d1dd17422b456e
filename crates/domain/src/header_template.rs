//! Custom headers for upstream servers: which names are allowed, and values that refer to secrets as
//! `${secret:NAME}`.

use serde::{Deserialize, Serialize};

use crate::{
    Invalid,
    header_text::{MAX_VALUE, is_header_text},
    stored_secret::check_secret_name,
};

/// The maximum number of headers. More would be a mistake, and every request carries them.
const MAX_HEADERS: usize = 32;
const MAX_NAME: usize = 100;

/// Names reserved for HTTP itself or for the MCP transport (RFC 9110 section 7.6.1, MCP Streamable HTTP).
const RESERVED: [&str; 22] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];
/// Names that identify the user. Only the gateway may set them; otherwise an upstream would trust a header entered by hand.
const IDENTITY: [&str; 1] = ["arcade-user-id"];
const IDENTITY_PREFIX: &str = "gatewright-";
const PROTOCOL_PREFIX: &str = "mcp-";

/// A custom header, whose value may refer to secrets as `${secret:NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `name` and `value`")]
pub struct CustomHeader {
    /// The field name.
    pub name: String,
    /// The value, with unresolved references.
    pub value: String,
}

/// A part of a header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// Sent unchanged.
    Text(&'a str),
    /// The name of a secret whose value is sent instead.
    Secret(&'a str),
}

/// Splits a value into parts. The error says what is wrong and what to enter.
pub fn parse(value: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find("${") {
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let reference = &rest[at + 2..];
        let end = reference
            .find('}')
            .ok_or_else(|| "The value has `${` without a closing `}`: write `${secret:NAME}`.".to_owned())?;
        let name = reference[..end].strip_prefix("secret:").ok_or_else(|| {
            "Only secrets can be referenced: write `${secret:NAME}` with the name of a secret of this project."
                .to_owned()
        })?;
        if !check_secret_name(name) {
            return Err(
                "The name of a secret has capital letters, digits and underscores and starts with a letter, like \
                 `${secret:API_KEY}`."
                    .to_owned(),
            );
        }
        parts.push(Part::Secret(name));
        rest = &reference[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// The secrets that a header names, in order; none if its value cannot be parsed.
pub fn secrets(header: &CustomHeader) -> Vec<&str> {
    let parts = parse(&header.value).unwrap_or_default();
    let name = |part| match part {
        Part::Secret(name) => Some(name),
        Part::Text(_) => None,
    };
    parts.into_iter().filter_map(name).collect()
}

/// Why a header cannot have this name, if it cannot.
pub fn check_header_name(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_token) {
        return Err(format!(
            "A header name has 1 to {MAX_NAME} letters, digits and dashes, like `X-Api-Key`."
        ));
    }
    // Some servers treat an underscore as a dash, so both spellings are the same name here.
    let folded = name.to_ascii_lowercase().replace('_', "-");
    if IDENTITY.contains(&folded.as_str()) || folded.starts_with(IDENTITY_PREFIX) {
        return Err(format!(
            "`{name}` identifies the user to servers, and only the gateway sets it: remove it, and choose `identity`: \
             `assertion` to send a signed identity."
        ));
    }
    if RESERVED.contains(&folded.as_str()) || folded.starts_with(PROTOCOL_PREFIX) {
        return Err(format!(
            "`{name}` belongs to HTTP or to the MCP protocol and is set by the gateway: remove it."
        ));
    }
    Ok(())
}

/// Checks the headers of a server; error pointers begin with `pointer`.
pub(crate) fn check_headers(pointer: &str, headers: &[CustomHeader]) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    if headers.len() > MAX_HEADERS {
        invalid.add(
            pointer,
            format!("There are {} headers: keep at most {MAX_HEADERS}.", headers.len()),
        );
    }
    for (index, header) in headers.iter().enumerate() {
        let name_pointer = format!("{pointer}/{index}/name");
        if let Err(detail) = check_header_name(&header.name) {
            invalid.add(&name_pointer, detail);
        } else if headers[..index]
            .iter()
            .any(|earlier| earlier.name.eq_ignore_ascii_case(&header.name))
        {
            invalid.add(
                name_pointer,
                format!("`{}` appears twice: keep one of them.", header.name),
            );
        }
        let value_pointer = format!("{pointer}/{index}/value");
        if header.value.is_empty() || header.value.len() > MAX_VALUE {
            invalid.add(
                value_pointer,
                format!("A header value has 1 to {MAX_VALUE} characters."),
            );
        } else if !is_header_text(&header.value) || header.value.trim() != header.value {
            invalid.add(
                value_pointer,
                "The value contains a character that is not allowed in a header, such as a line break, a letter outside ASCII or a \
                 space at its end: remove it.",
            );
        } else if let Err(detail) = parse(&header.value) {
            invalid.add(value_pointer, detail);
        }
    }
    invalid.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> CustomHeader {
        CustomHeader {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn a_value_is_taken_apart_at_its_references() {
        assert_eq!(
            parse("Bearer ${secret:A_1}-${secret:B}!").unwrap(),
            [
                Part::Text("Bearer "),
                Part::Secret("A_1"),
                Part::Text("-"),
                Part::Secret("B"),
                Part::Text("!")
            ]
        );
        assert_eq!(parse("$5 {plain}").unwrap(), [Part::Text("$5 {plain}")]);
    }

    #[test]
    fn invalid_references_to_secrets_are_refused() {
        for value in [
            "${env:HOME}",
            "${secret:lower}",
            "${secret:}",
            "${secret:A",
            "${A}",
        ] {
            assert!(parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn headers_of_http_mcp_and_identity_cannot_be_entered() {
        for name in [
            "Host",
            "Content-Length",
            "transfer_encoding",
            "Mcp-Session-Id",
            "mcp_method",
            "Gatewright-Assertion",
            "Gatewright_User_ID",
            "ARCADE-USER-ID",
            "bad name",
            "bad:name",
            "",
        ] {
            assert!(check_header_name(name).is_err(), "{name}");
        }
        for name in ["Authorization", "X-Api-Key", "x_team", "Cookie"] {
            assert!(check_header_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn every_violation_is_reported_with_its_place() {
        let headers = [
            header("X-One", "fine"),
            header("x-one", "twice"),
            header("Host", "evil"),
            header("X-Two", "line\r\nbreak"),
        ];
        let invalid = check_headers("/headers", &headers).unwrap_err();
        let pointers: Vec<_> = invalid.violations().iter().map(|v| v.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/headers/1/name", "/headers/2/name", "/headers/3/value"]
        );
        assert!(check_headers("/headers", &headers[..1]).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn parsing_any_text_never_panics_and_loses_nothing(text in ".{0,80}") {
            if let Ok(parts) = parse(&text) {
                let again: String = parts
                    .iter()
                    .map(|part| match part {
                        Part::Text(text) => (*text).to_owned(),
                        Part::Secret(name) => format!("${{secret:{name}}}"),
                    })
                    .collect();
                proptest::prop_assert_eq!(again, text);
            }
        }
    }
}
