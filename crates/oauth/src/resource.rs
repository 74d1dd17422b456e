//! Resource indicators (RFC 8707): a token is for one gateway, and a client that names a resource must name this one.

use crate::{
    error::{ErrorCode, OAuthError},
    parameters::Parameters,
};

/// Whether `presented` names the resource `canonical`, which has no query, fragment or trailing slash. Tolerates,
/// because real clients send them: one trailing slash, a query, and another case of scheme and host.
pub fn names(presented: &str, canonical: &str) -> bool {
    // RFC 8707 section 2: the URI must not include a fragment.
    if presented.contains('#') {
        return false;
    }
    let path = presented.split_once('?').map_or(presented, |(before, _)| before);
    let path = path.strip_suffix('/').unwrap_or(path);
    let split = |text: &str| authority_end(text).min(text.len());
    let (presented_origin, presented_path) = path.split_at(split(path));
    let (origin, canonical_path) = canonical.split_at(split(canonical));
    presented_origin.eq_ignore_ascii_case(origin) && presented_path == canonical_path
}

/// Checks every `resource` parameter of a request; none means this gateway, because it is its own issuer.
pub(crate) fn check(parameters: &Parameters, canonical: &str) -> Result<(), OAuthError> {
    if parameters
        .all("resource")
        .all(|resource| names(resource, canonical))
    {
        return Ok(());
    }
    Err(OAuthError::new(
        ErrorCode::InvalidTarget,
        format!(
            "The resource asked for is not this gateway. Send resource={}, or omit it.",
            crate::error::printable(canonical)
        ),
    ))
}

/// Where scheme and authority end and the path begins.
fn authority_end(url: &str) -> usize {
    let start = url.find("://").map_or(0, |at| at + 3);
    url[start..].find('/').map_or(url.len(), |at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "https://gw.example.com:8443/mcp/Acme";

    #[test]
    fn one_slash_a_query_and_the_case_of_the_host_are_forgiven() {
        for good in [
            GATEWAY,
            "https://gw.example.com:8443/mcp/Acme/",
            "HTTPS://GW.Example.com:8443/mcp/Acme",
            "https://gw.example.com:8443/mcp/Acme?session=1",
            "https://gw.example.com:8443/mcp/Acme/?session=1",
        ] {
            assert!(names(good, GATEWAY), "{good}");
        }
        assert!(check(&Parameters::parse(""), GATEWAY).is_ok());
    }

    #[test]
    fn anything_else_is_another_resource() {
        for bad in [
            "https://gw.example.com:8443/mcp/acme",
            "https://gw.example.com:8443/mcp/Acme//",
            "https://gw.example.com:8443/mcp/Acme/x",
            "https://gw.example.com:8443/mcp/Acme#x",
            "https://gw.example.com/mcp/Acme",
            "http://gw.example.com:8443/mcp/Acme",
            "https://user@gw.example.com:8443/mcp/Acme",
            "https://gw.example.com:8443",
            "https://evil.example/?https://gw.example.com:8443/mcp/Acme",
            "",
            "/",
        ] {
            assert!(!names(bad, GATEWAY), "{bad}");
        }
        let two =
            "resource=https%3A%2F%2Fgw.example.com%3A8443%2Fmcp%2FAcme&resource=https%3A%2F%2Fother.example";
        assert_eq!(
            check(&Parameters::parse(two), GATEWAY).unwrap_err().code,
            ErrorCode::InvalidTarget
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_compared_without_panic(text in ".{0,120}") {
            let _ = names(&text, GATEWAY);
        }
    }
}
