//! Redirect URIs: which ones can be registered, and when a presented one matches a registered one (RFC 6749 section
//! 3.1.2, RFC 8252 sections 7 and 8, OAuth 2.1 section 2.3).

use std::net::Ipv6Addr;

use url::{Host, Url};

/// The maximum length of a redirect URI in bytes: longer ones do not survive as links on all platforms.
pub const MAX_BYTES: usize = 512;

/// Schemes in use by installed apps that are not domain names. Every other app uses a reversed domain name, as RFC
/// 8252 section 7.1 asks: a list of dangerous schemes would never be complete.
const KNOWN_SCHEMES: &[&str] = &[
    "claude",
    "code-oss",
    "cursor",
    "kiro",
    "raycast",
    "trae",
    "vscode",
    "vscode-insiders",
    "vscodium",
    "warp",
    "windsurf",
    "windsurf-next",
    "zed",
];

/// Parameters of an authorization response (RFC 6749 section 4.1.2, RFC 9207 section 2). One that the redirect
/// URI already contains would appear twice, and the client could read the wrong one.
const RESERVED_PARAMETERS: &[&str] = &["code", "state", "iss", "error", "error_description", "error_uri"];

/// Where a redirect URI leads, which decides what the user is warned about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A website.
    Https,
    /// Any program on the user's own machine (RFC 8252 section 7.3).
    Loopback,
    /// A machine on a private network, without encryption.
    PrivateHttp,
    /// An installed app with its own scheme (RFC 8252 section 7.1).
    CustomScheme,
}

/// A redirect URI that can be registered. Its text is kept unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

/// Why a redirect URI is refused, with the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Empty or too long.
    #[error("it must have 1 to 512 characters")]
    Length,
    /// Spaces, control characters, backslashes or anything outside ASCII.
    #[error("it can contain only printable ASCII characters; percent-encode all others")]
    Characters,
    /// Not an absolute URI.
    #[error("it is not an absolute URI, like https://app.example.com/callback")]
    Malformed,
    /// A scheme that does not lead to a safe place.
    #[error(
        "its scheme cannot be used; use https, http on loopback, or a scheme that is the app's own domain name in reverse, \
         like com.example.app"
    )]
    Scheme,
    /// A parameter in its query that the response also carries.
    #[error(
        "its query must not contain code, state, iss, error, error_description or error_uri, which the response adds"
    )]
    ReservedParameter,
    /// `#` and what follows (RFC 6749 section 3.1.2).
    #[error("it must not have a fragment")]
    Fragment,
    /// `user@`.
    #[error("it must not have a user name or password")]
    UserInfo,
    /// `.` or `..` as a path segment, encoded or not.
    #[error("its path must not have dot segments")]
    DotSegments,
    /// A host that is not in its usual form, such as a hexadecimal number.
    #[error("its host must be written in its usual form, in lower case and without encoding")]
    Host,
    /// Plain http to a public host.
    #[error("http is accepted only for loopback and private addresses; use https")]
    PlainHttp,
}

impl RedirectUri {
    /// Checks a redirect URI.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(RedirectUriError::Length);
        }
        let unfit = |byte: u8| {
            !byte.is_ascii_graphic()
                || matches!(
                    byte,
                    b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}'
                )
        };
        if text.bytes().any(unfit) {
            return Err(RedirectUriError::Characters);
        }
        if text.contains('#') {
            return Err(RedirectUriError::Fragment);
        }
        let (scheme, rest) = text.split_once(':').ok_or(RedirectUriError::Malformed)?;
        let url = Url::parse(text).map_err(|_| RedirectUriError::Malformed)?;
        if scheme != url.scheme() {
            // Upper case in the scheme: only one spelling, so that comparison can be exact.
            return Err(RedirectUriError::Scheme);
        }
        let is_web = matches!(scheme, "http" | "https");
        if !is_web && !KNOWN_SCHEMES.contains(&scheme) && !is_domain_in_reverse(scheme) {
            return Err(RedirectUriError::Scheme);
        }
        let before_query = rest.split_once('?').map_or(rest, |(before, _)| before);
        let (authority, path) = match before_query.strip_prefix("//") {
            Some(after) => after
                .find('/')
                .map_or((Some(after), ""), |at| (Some(&after[..at]), &after[at..])),
            None => (None, before_query),
        };
        if authority.is_some_and(|authority| authority.contains('@'))
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(RedirectUriError::UserInfo);
        }
        if path.split('/').any(is_dot_segment) {
            return Err(RedirectUriError::DotSegments);
        }
        if url
            .query_pairs()
            .any(|(name, _)| RESERVED_PARAMETERS.contains(&&*name))
        {
            return Err(RedirectUriError::ReservedParameter);
        }
        let kind = if is_web {
            web_kind(&url, authority.ok_or(RedirectUriError::Malformed)?)?
        } else {
            Kind::CustomScheme
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// The URI exactly as sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it leads.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether `self`, presented in a request, matches the registered URI `registered`: the same text, or, on loopback,
    /// the same except for the port, where an empty path equals `/` (RFC 8252 section 7.3).
    pub fn is_registered_as(&self, registered: &Self) -> bool {
        if self.text == registered.text {
            return true;
        }
        if self.kind != Kind::Loopback || registered.kind != Kind::Loopback {
            return false;
        }
        match (without_port(&self.text), without_port(&registered.text)) {
            (Some(presented), Some(registered)) => presented == registered,
            _ => false,
        }
    }

    /// What a person sees as its target: the host of a website, the scheme of an app.
    pub fn destination(&self) -> String {
        let url = Url::parse(&self.text).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        match self.kind {
            Kind::Https => match url.as_ref().and_then(Url::port) {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            },
            Kind::Loopback | Kind::PrivateHttp => host.to_owned(),
            Kind::CustomScheme => match self.text.split_once(':') {
                Some((scheme, _)) => format!("{scheme}:"),
                None => self.text.clone(),
            },
        }
    }
}

/// Scheme, host, path (never empty) and query of a loopback URI.
fn without_port(text: &str) -> Option<(&str, &str, &str, Option<&str>)> {
    let (scheme, rest) = text.split_once("://")?;
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = before_query
        .find('/')
        .map_or((before_query, "/"), |at| before_query.split_at(at));
    let host = if authority.starts_with('[') {
        &authority[..=authority.find(']')?]
    } else {
        authority.split_once(':').map_or(authority, |(host, _)| host)
    };
    Some((scheme, host, path, query))
}

/// Whether a scheme is a reversed domain name, like `com.example.app` (RFC 8252 section 7.1). Schemes of browsers and
/// operating systems have no dot.
fn is_domain_in_reverse(scheme: &str) -> bool {
    let mut labels = scheme.split('.');
    let top = labels.next().unwrap_or_default();
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    top.len() >= 2 && scheme.contains('.') && is_label(top) && labels.all(is_label)
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

fn web_kind(url: &Url, authority: &str) -> Result<Kind, RedirectUriError> {
    let host = url.host_str().ok_or(RedirectUriError::Malformed)?;
    // The parser turns 0x7f.1 into 127.0.0.1 and the like; if it changed the host, that was not in its usual form.
    let port_follows = |rest: &str| {
        rest.is_empty()
            || rest
                .strip_prefix(':')
                .is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
    };
    if host.is_empty() || !authority.strip_prefix(host).is_some_and(port_follows) {
        return Err(RedirectUriError::Host);
    }
    let (loopback, private) = match url.host() {
        Some(Host::Domain(name)) => (name == "localhost", false),
        Some(Host::Ipv4(address)) => (address.is_loopback(), address.is_private()),
        Some(Host::Ipv6(address)) => (address == Ipv6Addr::LOCALHOST, address.is_unique_local()),
        None => return Err(RedirectUriError::Malformed),
    };
    if loopback {
        return Ok(Kind::Loopback);
    }
    match (url.scheme(), private) {
        ("https", _) => Ok(Kind::Https),
        (_, true) => Ok(Kind::PrivateHttp),
        _ => Err(RedirectUriError::PlainHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_real_clients_register_is_accepted() {
        for (text, kind) in [
            ("https://claude.ai/api/mcp/auth_callback", Kind::Https),
            (
                "https://chatgpt.com/connector_platform_oauth_redirect",
                Kind::Https,
            ),
            ("https://app.example.com:8443/cb?tenant=1", Kind::Https),
            ("http://localhost/callback", Kind::Loopback),
            ("http://localhost:3118/callback", Kind::Loopback),
            ("http://127.0.0.1:33418/", Kind::Loopback),
            ("http://127.0.0.1", Kind::Loopback),
            ("http://[::1]:8080/cb", Kind::Loopback),
            (
                "http://192.168.1.20:5678/rest/oauth2-credential/callback",
                Kind::PrivateHttp,
            ),
            ("cursor://anysphere.cursor-mcp/oauth/callback", Kind::CustomScheme),
            ("vscode://vscode.microsoft-authentication", Kind::CustomScheme),
            (
                "vscode-insiders://vscode.github-authentication/did",
                Kind::CustomScheme,
            ),
            ("com.example.app:/oauth2redirect", Kind::CustomScheme),
            ("com.example-2.app://cb?a=1", Kind::CustomScheme),
        ] {
            assert_eq!(uri(text).kind(), kind, "{text}");
            assert_eq!(uri(text).as_str(), text);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        use RedirectUriError as E;
        for (text, error) in [
            ("", E::Length),
            ("/callback", E::Malformed),
            ("callback", E::Malformed),
            ("javascript:alert(1)", E::Scheme),
            ("JavaScript:alert(1)", E::Scheme),
            ("data:text/html,x", E::Scheme),
            ("file:///etc/passwd", E::Scheme),
            ("vbscript:x", E::Scheme),
            ("blob:https://a.example/1", E::Scheme),
            ("view-source:https://a.example/", E::Scheme),
            ("ms-settings:network", E::Scheme),
            ("search-ms:query=x", E::Scheme),
            ("myapp://cb", E::Scheme),
            ("com.:/cb", E::Scheme),
            ("c.example:/cb", E::Scheme),
            ("com..app:/cb", E::Scheme),
            ("com.-app:/cb", E::Scheme),
            ("https://app.example.com/cb?code=x", E::ReservedParameter),
            ("https://app.example.com/cb?a=1&state=", E::ReservedParameter),
            ("https://app.example.com/cb?%73tate=x", E::ReservedParameter),
            ("http://localhost/cb?iss=x", E::ReservedParameter),
            ("http://192.168.1.2/cb?error", E::ReservedParameter),
            ("cursor://app/cb?error_description=x", E::ReservedParameter),
            ("com.example.app:/cb?error_uri=x", E::ReservedParameter),
            ("HTTPS://app.example.com/cb", E::Scheme),
            ("java\nscript:alert(1)", E::Characters),
            ("https://app.example.com/c b", E::Characters),
            ("https://app.example.com\\@evil.example/", E::Characters),
            ("https://app.exämple.com/", E::Characters),
            ("https://app.example.com/cb#", E::Fragment),
            ("https://app.example.com/cb#x", E::Fragment),
            ("https://user@app.example.com/cb", E::UserInfo),
            ("https://app.example.com@evil.example/cb", E::UserInfo),
            ("cursor://user@app/cb", E::UserInfo),
            ("https://app.example.com/a/../cb", E::DotSegments),
            ("https://app.example.com/a/%2e%2E/cb", E::DotSegments),
            ("https://app.example.com/./cb", E::DotSegments),
            ("cursor://app/../cb", E::DotSegments),
            ("http://0x7f.1/cb", E::Host),
            ("http://2130706433/cb", E::Host),
            ("https://APP.example.com/cb", E::Host),
            ("https://%61pp.example.com/cb", E::Host),
            ("https:/app.example.com/cb", E::Malformed),
            ("https:///cb", E::Host),
            ("http://app.example.com/cb", E::PlainHttp),
            ("http://localhost.evil.example/cb", E::PlainHttp),
            ("http://8.8.8.8/cb", E::PlainHttp),
        ] {
            assert_eq!(RedirectUri::parse(text), Err(error), "{text}");
        }
        assert_eq!(
            RedirectUri::parse(&format!("https://a.example/{}", "x".repeat(600))),
            Err(E::Length)
        );
    }

    #[test]
    fn parameters_that_only_look_like_those_of_an_answer_are_kept() {
        for text in [
            "https://app.example.com/cb?codes=1&Code=2&x=code&state_of=3",
            "https://app.example.com/code/state",
        ] {
            assert_eq!(uri(text).as_str(), text);
        }
    }

    #[test]
    fn loopback_ignores_the_port_and_an_empty_path_is_a_slash() {
        for (presented, registered) in [
            ("http://localhost:51234/callback", "http://localhost/callback"),
            ("http://127.0.0.1:51234", "http://127.0.0.1/"),
            ("http://127.0.0.1:51234/", "http://127.0.0.1:33418"),
            ("http://[::1]:5/cb?x=1", "http://[::1]:6/cb?x=1"),
        ] {
            assert!(
                uri(presented).is_registered_as(&uri(registered)),
                "{presented} {registered}"
            );
        }
    }

    #[test]
    fn everything_else_matches_exactly_or_not_at_all() {
        for (presented, registered) in [
            ("http://127.0.0.1:1/cb", "http://localhost:1/cb"),
            ("http://localhost:1/cb", "http://localhost:1/cb/"),
            ("http://localhost:1/cb?x", "http://localhost:1/cb"),
            ("https://localhost:1/cb", "http://localhost:1/cb"),
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb?x=1", "https://a.example/cb"),
            ("https://a.example:444/cb", "https://a.example/cb"),
            ("https://a.example.evil.example/cb", "https://a.example/cb"),
            ("https://a.example", "https://a.example/"),
            ("cursor://a/cb2", "cursor://a/cb"),
            ("http://192.168.1.2:1/cb", "http://192.168.1.2:2/cb"),
        ] {
            assert!(
                !uri(presented).is_registered_as(&uri(registered)),
                "{presented} {registered}"
            );
        }
    }

    #[test]
    fn a_person_sees_host_or_scheme() {
        assert_eq!(
            uri("https://claude.ai/cb?x=evil.example").destination(),
            "claude.ai"
        );
        assert_eq!(uri("https://a.example:444/cb").destination(), "a.example:444");
        assert_eq!(uri("http://localhost:3000/cb").destination(), "localhost");
        assert_eq!(uri("cursor://anysphere/cb").destination(), "cursor:");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged_without_panic(text in ".{0,200}") {
            let _ = RedirectUri::parse(&text);
        }

        #[test]
        fn near_uris_are_judged_without_panic(
            text in "(https?|cursor|javascript):/{0,3}[a-z0-9.@:\\[\\]%]{0,20}(/[a-z.%2eE]{0,6}){0,4}(\\?[a-z=]{0,8})?(#[a-z]{0,3})?"
        ) {
            if let Ok(parsed) = RedirectUri::parse(&text) {
                proptest::prop_assert!(parsed.is_registered_as(&parsed));
                proptest::prop_assert!(!text.contains('#'));
                proptest::prop_assert!(!parsed.destination().is_empty());
            }
        }

        #[test]
        fn plain_http_leads_only_to_local_addresses(a: u8, b: u8, c: u8, d: u8) {
            let accepted = RedirectUri::parse(&format!("http://{a}.{b}.{c}.{d}/cb")).is_ok();
            let address = std::net::Ipv4Addr::from([a, b, c, d]);
            proptest::prop_assert_eq!(accepted, address.is_loopback() || address.is_private());
        }

        #[test]
        fn only_the_port_of_loopback_is_free(port: u16, path in "/[a-z]{0,8}", other in "/[a-z]{0,8}") {
            let presented = uri(&format!("http://127.0.0.1:{port}{path}"));
            proptest::prop_assert_eq!(presented.is_registered_as(&uri(&format!("http://127.0.0.1{other}"))), path == other);
        }
    }
}
