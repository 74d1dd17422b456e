//! Spellings of one URI that servers may take for the same: where not all resources of a server are offered, another spelling of one
//! that is not would be read by a template.

/// Whether a URI has no second spelling that its server may read as another resource: no dot segments, no empty ones, no
/// backslash, no control characters, and nothing percent-encoded that could stand as itself or as a delimiter (RFC 3986 section
/// 6.2.2).
pub(super) fn is_in_normal_form(uri: &str) -> bool {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let path = rest.strip_prefix("//").unwrap_or(rest);
    // The authority may be empty: `file:///a`.
    let path = path.split_once('/').map_or("", |(_, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.split('/').rev().skip_while(|segment| segment.is_empty());
    let encodes_nothing_plain = uri.split('%').skip(1).all(|rest| {
        let byte = rest
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_graphic() && !byte.is_ascii_control())
    });
    encodes_nothing_plain
        && !uri.contains('\\')
        // Readers of URLs leave some of them out (WHATWG URL, "URL parsing").
        && !uri.chars().any(char::is_control)
        && !scheme.bytes().any(|byte| byte.is_ascii_uppercase())
        && segments.all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Whether a server may take a URI for the resource that it lists by another: they differ only in the case of scheme and host, a
/// default port, what is percent-encoded, a fragment, a query that the listed one lacks, or slashes at the end.
pub(super) fn is_spelling_of(uri: &str, listed: &str) -> bool {
    let (uri, listed) = (Spelled::of(uri), Spelled::of(listed));
    let is_same_query = listed.query.is_none() || uri.query == listed.query;
    is_same_query && (uri.scheme, uri.authority, uri.path) == (listed.scheme, listed.authority, listed.path)
}

/// A URI without what makes no difference to some servers.
struct Spelled {
    scheme: String,
    authority: Option<String>,
    path: Vec<u8>,
    query: Option<Vec<u8>>,
}

impl Spelled {
    fn of(uri: &str) -> Self {
        let uri = uri.split('#').next().unwrap_or_default();
        let (uri, query) = match uri.split_once('?') {
            Some((uri, query)) => (uri, Some(query)),
            None => (uri, None),
        };
        let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
        let scheme = scheme.to_ascii_lowercase();
        let (authority, path) = match rest.strip_prefix("//") {
            None => (None, rest),
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(without_defaults(&scheme, authority)), path)
            }
        };
        Self {
            scheme,
            authority,
            path: decoded(path.trim_end_matches('/')),
            query: query.filter(|query| !query.is_empty()).map(decoded),
        }
    }
}

fn without_defaults(scheme: &str, authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    let port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        "ftp" => ":21",
        _ => ":",
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    match (scheme, authority) {
        ("file", "localhost") => String::new(),
        _ => authority.to_owned(),
    }
}

/// The bytes that a text stands for.
fn decoded(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spelling_of_a_resource_is_not_in_normal_form() {
        for plain in [
            "file:///a/b.txt",
            "file:///a%20b",
            "file:///caf%C3%A9/",
            "db://users/7?x=1",
            "ui://a",
            "note:a",
            "file:///a/..b",
        ] {
            assert!(is_in_normal_form(plain), "{plain}");
        }
        for other in [
            "file:///a/./b.txt",
            "file:///a/../b.txt",
            "file:///a/..",
            "file:///a//b.txt",
            "file:///a/%62.txt",
            "file:///a%2Fb.txt",
            "file:///a%5cb.txt",
            "file:///a/b.txt%00",
            "file:///a/b%",
            "file:///a\\b.txt",
            "FILE:///a/b.txt",
            "file:///a/b.t\txt",
            "file:///a/b.txt\r\n",
            "file:///a/b.txt\u{85}",
        ] {
            assert!(!is_in_normal_form(other), "{other}");
        }
    }

    #[test]
    fn what_a_server_may_take_for_a_listed_resource_is_a_spelling_of_it() {
        for (uri, listed) in [
            ("file:///a/caf%c3%a9", "file:///a/caf%C3%A9"),
            ("file:///a/café", "file:///a/caf%C3%A9"),
            ("file:///a b", "file:///a%20b"),
            ("file:///a/b.txt?", "file:///a/b.txt"),
            ("file:///a/b.txt?x", "file:///a/b.txt"),
            ("file:///a/b.txt#x", "file:///a/b.txt"),
            ("file:///a/b.txt/", "file:///a/b.txt"),
            ("file://localhost/a", "file:///a"),
            ("https://EXAMPLE.com/a", "https://example.com/a"),
            ("https://example.com:443/a", "https://example.com/a"),
            ("https://example.com:/a", "https://example.com/a"),
            ("ui://app/Main#1", "UI://app/Main"),
            ("db://users?q=a%20b", "db://users?q=a b"),
        ] {
            assert!(is_spelling_of(uri, listed), "{uri} of {listed}");
        }
        for (uri, listed) in [
            ("file:///a/b", "file:///a/c"),
            ("file:///A", "file:///a"),
            ("file:///a", "file:///a?x=1"),
            ("db://users?page=2", "db://users?page=1"),
            ("https://example.com:8443/a", "https://example.com/a"),
            ("http://example.com/a", "https://example.com/a"),
            ("note:a", "note://a"),
        ] {
            assert!(!is_spelling_of(uri, listed), "{uri} of {listed}");
        }
    }
}
