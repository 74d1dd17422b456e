//! Proof Key for Code Exchange (RFC 7636), only with method `S256`: `plain` does not protect against an attacker who reads
//! the request (OAuth 2.1 section 7.5.2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{ErrorCode, OAuthError};

/// The one method, as metadata and requests name it.
pub const METHOD: &str = "S256";

/// The challenge of an authorization request: base64url of a SHA-256, 43 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads `code_challenge` and `code_challenge_method` of an authorization request.
    pub fn from_request(challenge: Option<&str>, method: Option<&str>) -> Result<Self, OAuthError> {
        let Some(challenge) = challenge else {
            return Err(invalid(
                "The parameter code_challenge is missing. PKCE with code_challenge_method=S256 is required.",
            ));
        };
        // Without a method, RFC 7636 section 4.3 means `plain`.
        if method != Some(METHOD) {
            return Err(invalid(
                "The parameter code_challenge_method must be S256; plain is not accepted.",
            ));
        }
        Self::parse(challenge).ok_or_else(|| {
            invalid("The parameter code_challenge must be the base64url form of a SHA-256, 43 characters without padding.")
        })
    }

    /// Reads a stored challenge.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 43
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The challenge for a verifier.
    pub fn of(verifier: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `verifier` is well-formed and matches this challenge, in constant time.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        is_verifier(verifier) && self.0.as_bytes().ct_eq(Self::of(verifier).0.as_bytes()).into()
    }
}

/// Whether a text has the form of a code verifier: 43 to 128 unreserved characters (RFC 7636 section 4.1).
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_standard_holds() {
        let challenge = CodeChallenge::from_request(Some(CHALLENGE), Some("S256")).unwrap();
        assert!(challenge.is_met_by(VERIFIER));
        assert!(!challenge.is_met_by(&VERIFIER.replace('d', "e")));
        assert!(!challenge.is_met_by(""));
        assert!(!challenge.is_met_by(CHALLENGE));
    }

    #[test]
    fn plain_missing_and_malformed_are_refused() {
        for (challenge, method) in [
            (None, None),
            (None, Some("S256")),
            (Some(CHALLENGE), None),
            (Some(CHALLENGE), Some("plain")),
            (Some(CHALLENGE), Some("s256")),
            (Some("short"), Some("S256")),
            (Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"), Some("S256")),
        ] {
            let error = CodeChallenge::from_request(challenge, method).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{challenge:?} {method:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_challenge_is_met_by_its_own_verifier(verifier in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}") {
            let challenge = CodeChallenge::of(&verifier);
            proptest::prop_assert!(challenge.is_met_by(&verifier));
            proptest::prop_assert_eq!(challenge.is_met_by(&other), verifier == other);
        }

        #[test]
        fn any_text_is_judged_without_panic(text in ".{0,140}") {
            let _ = CodeChallenge::parse(&text);
            let _ = is_verifier(&text);
        }
    }
}
