//! Token and revocation requests: the first line is the `Authorization` header, the rest the form body.

#![no_main]

use gatewright_fuzz::first_line;
use gatewright_oauth::{
    pkce::{CodeChallenge, is_verifier},
    token::{GrantRequest, RevocationRequest, TokenRequest},
};
use libfuzzer_sys::fuzz_target;

const GATEWAY: &str = "https://gw.example.com/mcp/acme";

fuzz_target!(|data: &[u8]| {
    let Some((header, body)) = first_line(data) else {
        return;
    };
    let Ok(body) = std::str::from_utf8(body) else {
        return;
    };
    let header = Some(header).filter(|header| !header.is_empty());
    if let Ok(request) = TokenRequest::parse(header, body) {
        assert!(!request.client.client_id.is_empty());
        assert!(
            request
                .client
                .secret
                .as_ref()
                .is_none_or(|secret| !secret.expose().is_empty())
        );
        match &request.grant {
            GrantRequest::AuthorizationCode { code, verifier, .. } => {
                assert!(!code.expose().is_empty());
                assert!(is_verifier(verifier.expose()));
                let challenge = CodeChallenge::of(verifier.expose());
                assert!(challenge.is_met_by(verifier.expose()));
                assert_eq!(CodeChallenge::parse(challenge.as_str()), Some(challenge));
            }
            GrantRequest::RefreshToken { token } => assert!(!token.expose().is_empty()),
        }
        let named_here = request.resources().all(|resource| {
            let path = resource.split('?').next().unwrap_or_default();
            path.trim_end_matches('/').eq_ignore_ascii_case(GATEWAY)
        });
        assert!(request.check_resource(GATEWAY).is_err() || named_here, "{body}");
        // One way of client authentication at a time.
        let in_header =
            header.is_some_and(|header| header.trim_start().to_ascii_lowercase().starts_with("basic "));
        let in_body = url::form_urlencoded::parse(body.as_bytes())
            .any(|(name, value)| name == "client_secret" && !value.is_empty());
        assert!(!(in_header && in_body), "{header:?} {body}");
    }
    if let Ok(request) = RevocationRequest::parse(header, body) {
        assert!(!request.client.client_id.is_empty() && !request.token.expose().is_empty());
    }
});
