//! The public URL: what it may look like, and when it is loopback.

use std::net::{IpAddr, SocketAddr};

use gatewright_domain::loopback;
use url::{Host, Url};

use super::ServerConfig;

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
        return Err("http is allowed for loopback hosts only (127.0.0.1, [::1], localhost). Write https:// and either \
                    terminate TLS in a reverse proxy in front of this instance or configure a certificate (tls, acme)"
            .into());
    }
    Ok(url.origin().ascii_serialization())
}

/// Whether the host of a URL is this machine itself; `false` for what is not a URL.
pub(super) fn is_loopback(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| loopback::is_loopback(&url))
}

/// The public URL of an instance for which none is set: the address it listens on if that is loopback, else loopback with the
/// same port.
pub(super) fn following(listen: SocketAddr) -> String {
    let host: IpAddr = match listen.ip() {
        ip if ip.is_loopback() => ip,
        ip if ip.is_ipv6() && ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        _ => std::net::Ipv4Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(host, listen.port()))
}

/// Why the public URL cannot lead to this instance, as far as its configuration shows, and what to set.
pub(super) fn doubt(server: &ServerConfig, is_tls: bool) -> Option<String> {
    let ServerConfig {
        listen, public_url, ..
    } = server;
    let url = Url::parse(public_url).ok()?;
    if server.is_public_url_assumed && !listen.ip().is_loopback() {
        let reach = if leads_to(&url, *listen) {
            "works only on this machine"
        } else {
            "does not work, because nothing listens there"
        };
        return Some(format!(
            "server.public_url is not set, so {public_url} is assumed: links and redirect URLs begin with it, and it {reach}. \
             Set server.public_url to the URL that clients and browsers use"
        ));
    }
    if !loopback::is_loopback(&url) {
        return None;
    }
    if url.scheme() == "http" && !leads_to(&url, *listen) {
        return Some(format!(
            "server.public_url is {public_url}, but Gatewright listens on {listen}. Unless a proxy on this machine forwards \
             requests, links that begin with this URL do not work. Remove server.public_url, so that it follows server.listen"
        ));
    }
    if url.scheme() == "https" && !is_tls && leads_to(&url, *listen) {
        return Some(format!(
            "server.public_url is {public_url}, but Gatewright speaks plain HTTP on that port. Write http://, or put a proxy \
             with TLS on another port, or configure a certificate (tls, acme)"
        ));
    }
    None
}

/// Whether a connection to the host and port of a loopback URL reaches a listener.
fn leads_to(url: &Url, listen: SocketAddr) -> bool {
    // A port of 0 is chosen by the system, and only the listener knows it.
    if listen.port() != 0 && url.port_or_known_default() != Some(listen.port()) {
        return false;
    }
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::from(ip),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip),
        _ => return listen.ip().is_loopback() || listen.ip().is_unspecified(),
    };
    let is_for_all = listen.ip().is_unspecified() && (listen.is_ipv6() || ip.is_ipv4());
    is_for_all || ip == listen.ip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(listen: &str, public_url: Option<&str>) -> ServerConfig {
        let mut server = ServerConfig {
            listen: listen.parse().unwrap(),
            ..ServerConfig::default()
        };
        match public_url {
            Some(url) => url.clone_into(&mut server.public_url),
            None => server.assume_public_url(server.listen),
        }
        server
    }

    #[test]
    fn without_a_public_url_it_follows_the_address_listened_on() {
        let urls = [
            ("127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("127.0.0.2:9000", "http://127.0.0.2:9000"),
            ("[::1]:9000", "http://[::1]:9000"),
            ("0.0.0.0:9000", "http://127.0.0.1:9000"),
            ("[::]:9000", "http://[::1]:9000"),
            ("192.168.1.2:9000", "http://127.0.0.1:9000"),
        ];
        for (listen, url) in urls {
            assert_eq!(server(listen, None).public_url, url, "{listen}");
        }
    }

    #[test]
    fn a_public_url_that_cannot_lead_here_is_doubted() {
        let doubted = [
            ("0.0.0.0:9000", None, "works only on this machine"),
            ("[::]:9000", None, "works only on this machine"),
            ("192.168.1.2:9000", None, "nothing listens there"),
            (
                "127.0.0.1:9000",
                Some("http://127.0.0.1:8080"),
                "listens on 127.0.0.1:9000",
            ),
            (
                "127.0.0.1:9000",
                Some("http://[::1]:9000"),
                "listens on 127.0.0.1:9000",
            ),
            (
                "192.168.1.2:9000",
                Some("http://localhost:9000"),
                "listens on 192.168.1.2:9000",
            ),
            ("127.0.0.1:9000", Some("https://localhost:9000"), "plain HTTP"),
        ];
        for (listen, url, reason) in doubted {
            let doubt = doubt(&server(listen, url), false).unwrap_or_default();
            assert!(doubt.contains(reason), "{listen} {url:?}: {doubt:?}");
        }
        let trusted = [
            ("127.0.0.1:9000", None),
            ("[::1]:9000", None),
            ("127.0.0.1:9000", Some("http://localhost:9000")),
            ("0.0.0.0:9000", Some("http://localhost:9000")),
            ("[::]:9000", Some("http://127.0.0.1:9000")),
            ("127.0.0.1:80", Some("http://localhost")),
            ("127.0.0.1:0", Some("http://127.0.0.1:41234")),
            ("127.0.0.1:9000", Some("https://localhost:8443")),
            ("127.0.0.1:9000", Some("https://gateway.example.com")),
            ("0.0.0.0:9000", Some("https://gateway.example.com:9000")),
        ];
        for (listen, url) in trusted {
            assert_eq!(doubt(&server(listen, url), false), None, "{listen} {url:?}");
        }
    }

    #[test]
    fn a_listener_with_a_certificate_answers_https() {
        let server = server("127.0.0.1:9000", Some("https://localhost:9000"));
        assert!(doubt(&server, false).is_some());
        assert_eq!(doubt(&server, true), None);
    }

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
