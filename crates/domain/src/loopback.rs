//! The one definition of loopback for URLs: plain `http` is allowed there, because nothing leaves the machine.

use url::{Host, Url};

/// Whether the host of a URL is this machine: the name `localhost` and names below it (RFC 6761 section 6.3), or a loopback
/// address as it is usually written. An IPv4-mapped address (RFC 4291 section 2.5.5.2) is not: there is no need to write it,
/// and programs differ in how they treat it. The outbound client decides what can be contacted, and it recognises all forms.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_the_machine_itself_only() {
        let is_loopback = |text| Url::parse(text).is_ok_and(|url| is_loopback(&url));
        for text in [
            "http://localhost:1",
            "http://app.localhost",
            "https://127.9.9.9",
            "http://[::1]",
        ] {
            assert!(is_loopback(text), "{text}");
        }
        for text in [
            "https://localhost.example.com",
            "https://192.168.0.1",
            "http://[::ffff:127.0.0.1]",
            "http://[::ffff:10.0.0.1]",
            "mailto:someone@localhost",
        ] {
            assert!(!is_loopback(text), "{text}");
        }
    }
}
