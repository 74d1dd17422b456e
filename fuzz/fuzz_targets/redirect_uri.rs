//! Redirect URIs: what is accepted leads back to a client and nowhere else.

#![no_main]

use gatewright_oauth::redirect_uri::{Kind, MAX_BYTES, RedirectUri};
use libfuzzer_sys::fuzz_target;
use url::Url;

/// What runs or reads something in a browser instead of leading back.
const DANGEROUS: [&str; 8] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "filesystem",
    "view-source",
];

fuzz_target!(|text: &str| {
    let Ok(uri) = RedirectUri::parse(text) else {
        return;
    };
    assert_eq!(uri.as_str(), text, "the text is kept exactly");
    assert!(text.len() <= MAX_BYTES);
    assert!(
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#')
    );
    assert!(uri.is_registered_as(&uri), "it is itself");

    let url = Url::parse(text).expect("an accepted redirect is a URL");
    assert!(!DANGEROUS.contains(&url.scheme()), "{text}");
    assert!(url.username().is_empty() && url.password().is_none(), "{text}");
    assert!(url.fragment().is_none(), "{text}");
    match uri.kind() {
        Kind::Https => assert_eq!(url.scheme(), "https"),
        Kind::Loopback | Kind::PrivateHttp => assert_eq!(url.scheme(), "http"),
        Kind::CustomScheme => assert!(!matches!(url.scheme(), "http" | "https")),
    }
    if matches!(url.scheme(), "http" | "https") {
        let host = url.host_str().expect("a website has a host");
        assert!(
            text.contains(host),
            "the host is written as it is understood: {text}"
        );
        assert!(uri.destination().starts_with(host));
    }

    // Another port is the same place on loopback, and another place everywhere else.
    let mut moved = url.clone();
    if moved.set_port(Some(1)).is_ok() && moved.as_str() != text && url.as_str() == text {
        if let Ok(other) = RedirectUri::parse(moved.as_str()) {
            assert_eq!(
                other.is_registered_as(&uri),
                uri.kind() == Kind::Loopback,
                "{text} and {moved}"
            );
        }
    }
});
