//! Compression (gzip, RFC 9110 section 8.4.1.3) of pages and of what they load.
//!
//! The size of a compressed page reveals something about its content to anyone who sees the encrypted connection and can have
//! the page made with their own text in it (BREACH). Pages are therefore compressed only if the browser says that the
//! person asked for them, on our page or by entering the address: no other site can have a page made again and again
//! and learn from its size. Responses to forms, which may contain a key, are never compressed. Styles and scripts
//! are the same for everyone.

use std::io::Write as _;

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};

use crate::same_origin::is_own_reading;

/// What fits into one packet gains nothing.
const WORTH_IT: usize = 1_400;
/// No page is larger; what is larger is not a page.
const LARGEST: usize = 16 * 1024 * 1024;
/// Half of what is possible for a tenth of the time.
const FAST: Compression = Compression::new(2);

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Compresses once and for all, as well as it can.
pub(super) fn once(content: &[u8]) -> Bytes {
    packed(content, Compression::best()).into()
}

fn packed(content: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 4), level);
    encoder
        .write_all(content)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

/// Whether the other side takes gzip.
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().trim_start_matches("q=");
            name.trim().eq_ignore_ascii_case("gzip") && weight.parse() != Ok(0.0)
        })
}

/// Whether a page can be compressed for this request: a person reads it, and the browser says that no other site caused it.
pub(super) fn is_wanted(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET && headers.contains_key(FETCH_SITE) && is_own_reading(headers) && is_taken(headers)
}

/// The same page, compressed. Everything else stays as it is.
pub(super) async fn page(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if response.status() != StatusCode::OK || !is_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(content) = to_bytes(body, LARGEST).await else {
        let mut broken = Response::new(Body::empty());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return broken;
    };
    if content.len() < WORTH_IT {
        return Response::from_parts(parts, Body::from(content));
    }
    mark(&mut parts.headers);
    Response::from_parts(parts, Body::from(packed(&content, FAST)))
}

/// Says that the answer is compressed, and what that went by.
pub(super) fn mark(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_ENCODING, GZIP);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding, sec-fetch-site"));
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::response::{Html, IntoResponse as _};
    use flate2::read::GzDecoder;

    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(header).collect()
    }

    #[test]
    fn only_what_the_person_asked_for_is_compressed() {
        const TAKEN: (&str, &str) = ("accept-encoding", "gzip, deflate, br");
        for site in ["same-origin", "none"] {
            assert!(
                is_wanted(&Method::GET, &asked(&[TAKEN, ("sec-fetch-site", site)])),
                "{site}"
            );
        }
        for site in ["cross-site", "same-site"] {
            assert!(
                !is_wanted(&Method::GET, &asked(&[TAKEN, ("sec-fetch-site", site)])),
                "{site}"
            );
        }
        let own = ("sec-fetch-site", "same-origin");
        assert!(
            !is_wanted(&Method::GET, &asked(&[TAKEN])),
            "a browser that does not say"
        );
        assert!(
            !is_wanted(&Method::POST, &asked(&[TAKEN, own])),
            "an answer to a form"
        );
        for none in ["identity", "gzip;q=0", "gzip;q=0.0, br", ""] {
            assert!(
                !is_wanted(&Method::GET, &asked(&[("accept-encoding", none), own])),
                "{none}"
            );
        }
    }

    #[tokio::test]
    async fn a_page_is_the_same_afterwards_and_smaller() {
        let text = "<p>The same again and again.</p>".repeat(200);
        let answer = page(Html(text.clone()).into_response()).await;
        assert_eq!(answer.headers()[CONTENT_ENCODING], "gzip");
        let content = to_bytes(answer.into_body(), LARGEST).await.unwrap();
        assert!(content.len() < text.len() / 4, "{}", content.len());
        let mut read = String::new();
        GzDecoder::new(&content[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[tokio::test]
    async fn what_is_small_or_no_page_stays_as_it_is() {
        let long = "x".repeat(WORTH_IT);
        let refused = (StatusCode::UNPROCESSABLE_ENTITY, Html(long.clone()));
        for answer in [
            Html("short").into_response(),
            long.clone().into_response(),
            refused.into_response(),
        ] {
            assert!(!page(answer).await.headers().contains_key(CONTENT_ENCODING));
        }
    }
}
