//! Whether a form was posted from a page of ours: what stands between a person's click and other sites that would click
//! for them.

use http::{HeaderMap, HeaderName, HeaderValue, header::ORIGIN};

/// Whether a post comes from a page of ours: the browser says so (`Sec-Fetch-Site`), or, where it is too old for that,
/// names our origin. A sealed form alone proves nothing, because anybody can fetch one.
pub(crate) fn is_same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    let sole = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let first = values.next();
        if values.next().is_some() {
            Err(())
        } else {
            Ok(first)
        }
    };
    let is_ours = |origin: &HeaderValue| {
        let ours = url::Url::parse(public_url).map(|url| url.origin().ascii_serialization());
        ours.is_ok_and(|ours| origin.as_bytes() == ours.as_bytes())
    };
    match (sole(&HeaderName::from_static("sec-fetch-site")), sole(&ORIGIN)) {
        // A browser sends both or the first; two that contradict each other come from no browser.
        (Ok(Some(site)), Ok(origin)) => site == "same-origin" && origin.is_none_or(is_ours),
        (Ok(None), Ok(Some(origin))) => is_ours(origin),
        (Ok(None), Ok(None)) | (_, Err(())) | (Err(()), _) => false,
    }
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
        assert!(!same_origin(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example")
        ]));
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
}
