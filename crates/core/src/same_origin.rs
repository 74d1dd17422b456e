//! Whether a request comes from a page of this instance. Cookies and forms go along with what other sites make a browser
//! do, so they alone say nothing about who wants something.

use http::{HeaderMap, HeaderName, HeaderValue, header::ORIGIN};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request that changes something comes from a page of this instance: the browser says so (`Sec-Fetch-Site`, W3C Fetch
/// Metadata), or, if it is too old for that, names our origin.
pub fn is_same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    let is_ours = |origin: &HeaderValue| {
        let ours = url::Url::parse(public_url).map(|url| url.origin().ascii_serialization());
        ours.is_ok_and(|ours| origin.as_bytes() == ours.as_bytes())
    };
    // Where a page's referrer policy is `no-referrer`, as some proxies set it, the origin is `null` although the browser
    // knows better (Fetch standard, section 3.2, "append a request Origin header"). It then says nothing.
    let says_nothing = |origin: &HeaderValue| origin == "null";
    match (sole(headers, &FETCH_SITE), sole(headers, &ORIGIN)) {
        // Browsers do not send two that contradict each other.
        (Ok(Some(site)), Ok(origin)) => {
            site == "same-origin" && origin.is_none_or(|origin| says_nothing(origin) || is_ours(origin))
        }
        (Ok(None), Ok(Some(origin))) => is_ours(origin),
        (Ok(None), Ok(None)) | (_, Err(Twice)) | (Err(Twice), _) => false,
    }
}

/// Whether a request that only reads comes from a page of this instance or from someone who entered its address; not from
/// a page of another site.
pub fn is_own_reading(headers: &HeaderMap) -> bool {
    match sole(headers, &FETCH_SITE) {
        Ok(Some(site)) => site == "same-origin" || site == "none",
        // The browser is too old for it. It does not show the response to other origins (no CORS).
        Ok(None) => true,
        Err(Twice) => false,
    }
}

/// The header appears more than once.
struct Twice;

fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Twice> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Twice);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_origin(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_same_origin(&map, "https://gw.example:8443")
    }

    #[test]
    fn only_a_post_from_a_page_of_ours_counts() {
        assert!(same_origin(&[("sec-fetch-site", "same-origin")]));
        assert!(same_origin(&[("origin", "https://gw.example:8443")]));
        assert!(same_origin(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://gw.example:8443")
        ]));
        assert!(same_origin(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "null")
        ]));
        assert!(!same_origin(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example")
        ]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(
                !same_origin(&[("sec-fetch-site", site), ("origin", "null")]),
                "{site}"
            );
        }
        assert!(!same_origin(&[]));
        assert!(!same_origin(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://gw.example:8443")
        ]));
        assert!(!same_origin(&[("sec-fetch-site", "same-site")]));
        assert!(!same_origin(&[("sec-fetch-site", "none")]));
        assert!(!same_origin(&[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site")
        ]));
        assert!(!same_origin(&[("origin", "null")]));
        assert!(!same_origin(&[("origin", "https://gw.example")]));
        assert!(!same_origin(&[("origin", "https://evil.example")]));
        assert!(!same_origin(&[
            ("origin", "https://gw.example:8443"),
            ("origin", "https://evil.example")
        ]));
    }

    #[test]
    fn only_our_own_page_or_an_entered_address_reads() {
        let reads = |site: &'static [&'static str]| {
            let mut map = HeaderMap::new();
            for value in site {
                map.append("sec-fetch-site", HeaderValue::from_static(value));
            }
            is_own_reading(&map)
        };
        assert!(reads(&["same-origin"]) && reads(&["none"]) && reads(&[]));
        assert!(!reads(&["cross-site"]) && !reads(&["same-site"]) && !reads(&["none", "cross-site"]));
    }
}
