//! Every error that an OAuth client can get, and its JSON form (RFC 6749 section 5.2).

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// An OAuth error code: what each means, and when this server sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A parameter is missing, repeated, malformed or contradicts another (RFC 6749 sections 4.1.2.1 and 5.2).
    InvalidRequest,
    /// The client is unknown, or did not authenticate as it registered (RFC 6749 section 5.2).
    InvalidClient,
    /// A code or refresh token is unknown, expired, used up, or belongs to another client (RFC 6749 section 5.2).
    InvalidGrant,
    /// The client is not allowed to use this method (RFC 6749 sections 4.1.2.1 and 5.2).
    UnauthorizedClient,
    /// This server does not support the grant type (RFC 6749 section 5.2).
    UnsupportedGrantType,
    /// The response type is not `code` (RFC 6749 section 4.1.2.1).
    UnsupportedResponseType,
    /// The request asks for more scopes than were granted (RFC 6749 section 5.2).
    InvalidScope,
    /// The user, or the identity provider on their behalf, refused (RFC 6749 section 4.1.2.1).
    AccessDenied,
    /// Something went wrong here that the client did not cause (RFC 6749 section 4.1.2.1).
    ServerError,
    /// Temporarily unavailable: overloaded, or the store does not respond (RFC 6749 section 4.1.2.1).
    TemporarilyUnavailable,
    /// The resource asked for is not this gateway (RFC 8707 section 2).
    InvalidTarget,
    /// A redirect URI of a registration cannot be used (RFC 7591 section 3.2.2).
    InvalidRedirectUri,
    /// Another member of a registration cannot be used (RFC 7591 section 3.2.2).
    InvalidClientMetadata,
    /// A software statement is malformed (RFC 7591 section 3.2.2). Never sent: statements are ignored.
    InvalidSoftwareStatement,
    /// A software statement is not approved (RFC 7591 section 3.2.2). Never sent: statements are ignored.
    UnapprovedSoftwareStatement,
    /// Tokens of this type cannot be revoked (RFC 7009 section 2.2.1). Never sent: unknown tokens return 200.
    UnsupportedTokenType,
    /// The access token is missing, expired, revoked or belongs to another gateway (RFC 6750 section 3.1).
    InvalidToken,
    /// The access token lacks a scope (RFC 6750 section 3.1).
    InsufficientScope,
    /// The user must sign in, and the client asked for no interaction (OpenID Connect Core section 3.1.2.6).
    LoginRequired,
    /// The user must agree, and the client asked for no interaction (OpenID Connect Core section 3.1.2.6).
    ConsentRequired,
    /// Some interaction is needed, and the client asked for none (OpenID Connect Core section 3.1.2.6).
    InteractionRequired,
    /// Request objects are not supported (OpenID Connect Core section 3.1.2.6).
    RequestNotSupported,
    /// Request objects by reference are not supported (OpenID Connect Core section 3.1.2.6).
    RequestUriNotSupported,
}

impl ErrorCode {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
        }
    }

    /// The HTTP status of a response with this code as JSON.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::AccessDenied | Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::UnsupportedResponseType
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::InvalidRedirectUri
            | Self::InvalidClientMetadata
            | Self::InvalidSoftwareStatement
            | Self::UnapprovedSoftwareStatement
            | Self::UnsupportedTokenType
            | Self::LoginRequired
            | Self::ConsentRequired
            | Self::InteractionRequired
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported => 400,
        }
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An error for a client: its code, and a sentence that says what to fix. Serializes as RFC 6749 section 5.2 asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {description}", .code.as_str())]
pub struct OAuthError {
    /// The code.
    #[serde(rename = "error")]
    pub code: ErrorCode,
    /// What is wrong and what to do about it. Ours throughout: never text of the request, never a secret.
    #[serde(rename = "error_description")]
    pub description: Cow<'static, str>,
}

impl OAuthError {
    /// An error with its explanation.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
        }
    }
}

/// Makes a text valid for `error_description`, whose characters RFC 6749 section 4.1.2.1 limits to printable ASCII
/// without `"` and `\`; others become `'` or `?`.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '"' | '\\' => '\'',
            ' '..='~' => char,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_json_of_the_standard() {
        let error = OAuthError::new(ErrorCode::InvalidGrant, "The code has expired.");
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"error":"invalid_grant","error_description":"The code has expired."}"#
        );
    }

    #[test]
    fn descriptions_contain_only_what_the_standard_allows() {
        assert_eq!(printable("a \"b\"\u{202e}\n"), "a 'b'??");
    }
}
