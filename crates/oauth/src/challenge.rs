//! The `WWW-Authenticate: Bearer` challenge (RFC 6750 section 3, RFC 9728 section 5.1).

use std::fmt;

use crate::error::ErrorCode;

/// A Bearer challenge. `Display` returns the header's value, which is valid HTTP whatever its parts contain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    resource_metadata: Option<String>,
    scope: Option<String>,
    error: Option<(ErrorCode, String)>,
}

impl Challenge {
    /// A challenge without parameters, for gateways that have no OAuth metadata.
    pub fn bare() -> Self {
        Self::default()
    }

    /// A challenge that points to the protected resource metadata and names the scopes to request.
    pub fn with_metadata(resource_metadata: impl Into<String>, scope: impl Into<String>) -> Self {
        Self {
            resource_metadata: Some(resource_metadata.into()),
            scope: Some(scope.into()),
            error: None,
        }
    }

    /// Adds why the request was refused. Use it only if a token was sent: RFC 6750 section 3.1 asks for no error otherwise.
    #[must_use]
    pub fn because(mut self, code: ErrorCode, description: impl Into<String>) -> Self {
        self.error = Some((code, description.into()));
        self
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")?;
        let mut separator = " ";
        let mut write = |name: &str, value: &str| {
            let value = crate::error::printable(value);
            write!(f, "{separator}{name}=\"{value}\"")?;
            separator = ", ";
            Ok(())
        };
        if let Some((code, description)) = &self.error {
            write("error", code.as_str())?;
            write("error_description", description)?;
        }
        if let Some(url) = &self.resource_metadata {
            write("resource_metadata", url)?;
        }
        if let Some(scope) = &self.scope {
            write("scope", scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "https://gw.example/.well-known/oauth-protected-resource/mcp/acme";

    #[test]
    fn a_challenge_names_metadata_scope_and_reason() {
        assert_eq!(Challenge::bare().to_string(), "Bearer");
        let challenge = Challenge::with_metadata(METADATA, "mcp");
        assert_eq!(
            challenge.to_string(),
            format!("Bearer resource_metadata=\"{METADATA}\", scope=\"mcp\"")
        );
        let refused = challenge.because(ErrorCode::InvalidToken, "The token has expired.");
        assert_eq!(
            refused.to_string(),
            format!(
                "Bearer error=\"invalid_token\", error_description=\"The token has expired.\", \
                 resource_metadata=\"{METADATA}\", scope=\"mcp\""
            )
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_out_of_the_header(text in ".{0,80}") {
            let value = Challenge::with_metadata(text.clone(), "mcp").because(ErrorCode::InvalidToken, text).to_string();
            proptest::prop_assert!(value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            proptest::prop_assert_eq!(value.matches('"').count(), 8);
        }
    }
}
