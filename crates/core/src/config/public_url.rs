//! The public URL: what it may look like, and when it is loopback.

use gatewright_domain::loopback;
use url::Url;

/// The normal form of a public URL, or what is wrong with it.
pub(super) fn normalize(text: &str) -> Result<String, String> {
    let url = Url::parse(text.trim()).map_err(|_| {
        format!("{text:?} is not a URL. Write scheme and host, like https://gateway.example.com")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(
            "only https (and http on loopback) can be served. Write it like https://gateway.example.com"
                .into(),
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not contain a user name or password. Remove what comes before the @".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must not have a query or fragment. Remove everything from the ? or # on".into());
    }
    if !url.path().trim_end_matches('/').is_empty() {
        return Err(format!(
            "it must not have a path, because well-known documents are at the root of a host. Remove {:?} and give \
             this instance its own host name",
            url.path()
        ));
    }
    if url.scheme() == "http" && !loopback::is_loopback(&url) {
        return Err("http is allowed for loopback hosts only (127.0.0.1, [::1], localhost). Write https:// and terminate \
                    TLS in a reverse proxy in front of this instance"
            .into());
    }
    Ok(url.origin().ascii_serialization())
}

/// Whether the host of a URL is this machine itself; `false` for what is not a URL.
pub(super) fn is_loopback(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| loopback::is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_url_loses_its_trailing_slash_and_default_port() {
        let good = [
            ("https://gateway.example.com", "https://gateway.example.com"),
            ("https://Gateway.Example.com/", "https://gateway.example.com"),
            ("https://gateway.example.com:443", "https://gateway.example.com"),
            (
                "https://gateway.example.com:8443",
                "https://gateway.example.com:8443",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost", "http://localhost"),
            ("http://[::1]:9000/", "http://[::1]:9000"),
            ("https://127.0.0.1:8080", "https://127.0.0.1:8080"),
        ];
        for (text, expected) in good {
            assert_eq!(normalize(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_bad_url_is_refused_with_the_remedy() {
        let bad = [
            ("gateway.example.com", "not a URL"),
            ("", "not a URL"),
            ("http://gateway.example.com", "loopback hosts only"),
            ("http://10.0.0.1", "loopback hosts only"),
            ("http://localhost.example.com", "loopback hosts only"),
            ("ftp://gateway.example.com", "only https"),
            ("https://user@gateway.example.com", "user name"),
            ("https://gateway.example.com/path", "path"),
            ("https://gateway.example.com/?q", "query"),
            ("https://gateway.example.com#x", "fragment"),
        ];
        for (text, reason) in bad {
            let message = normalize(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }

    #[test]
    fn loopback_is_the_machine_itself_only() {
        assert!(is_loopback("http://localhost:1"));
        assert!(is_loopback("https://127.9.9.9"));
        assert!(!is_loopback("http://[::ffff:127.0.0.1]"));
        assert!(!is_loopback("https://localhost.example.com"));
        assert!(!is_loopback("https://192.168.0.1"));
        assert!(!is_loopback("nonsense"));
    }
}
