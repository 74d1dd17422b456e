//! What a browser adds: cookies, and headers that say where a form came from.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, Method, Response, header};
use url::Url;

use super::problem::Mismatch;
use crate::loopback::{self, LoopbackError};

/// A browser with a cookie jar. Cookies ignore ports, as in real browsers, and here everything is one host.
#[derive(Default)]
pub(super) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Opens a URL. Redirects are left to the caller to follow.
    pub(super) async fn open(&mut self, url: &Url) -> Result<Response<Bytes>, LoopbackError> {
        let headers = vec![(header::ACCEPT, "text/html".into())];
        self.send(Method::GET, url, headers, String::new()).await
    }

    /// Sends a form that a page of the same origin showed.
    pub(super) async fn submit(&mut self, url: &Url, body: String) -> Result<Response<Bytes>, LoopbackError> {
        let headers = vec![
            (header::ACCEPT, "text/html".into()),
            (header::CONTENT_TYPE, "application/x-www-form-urlencoded".into()),
            (header::ORIGIN, url.origin().ascii_serialization()),
            (HeaderName::from_static("sec-fetch-site"), "same-origin".into()),
            (HeaderName::from_static("sec-fetch-mode"), "navigate".into()),
        ];
        self.send(Method::POST, url, headers, body).await
    }

    async fn send(
        &mut self,
        method: Method,
        url: &Url,
        mut headers: Vec<(HeaderName, String)>,
        body: String,
    ) -> Result<Response<Bytes>, LoopbackError> {
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            headers.push((header::COOKIE, pairs.join("; ")));
        }
        let answer = loopback::send(method, url, &headers, body).await?;
        self.keep(&answer);
        Ok(answer)
    }

    fn keep(&mut self, answer: &Response<Bytes>) {
        for cookie in set_cookies(answer) {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let name = name.trim().to_owned();
            let expired = attributes
                .split(';')
                .any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
            if expired {
                self.cookies.remove(&name);
            } else {
                self.cookies.insert(name, value.trim().to_owned());
            }
        }
    }
}

/// The `Set-Cookie` headers of a response.
pub(super) fn set_cookies(answer: &Response<Bytes>) -> impl Iterator<Item = &str> {
    answer
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
}

/// Where a redirect leads.
pub(super) fn redirect(answer: &Response<Bytes>, base: &Url, remedy: &str) -> Result<Url, Mismatch> {
    let location = answer
        .headers()
        .get(header::LOCATION)
        .filter(|_| answer.status().is_redirection())
        .and_then(|value| value.to_str().ok())
        .and_then(|value| base.join(value).ok());
    location.ok_or_else(|| Mismatch::answer("a redirect", answer, remedy))
}

/// A parameter of a URL's query.
pub(super) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cookies: &[&str]) -> Response<Bytes> {
        let mut answer = Response::builder();
        for cookie in cookies {
            answer = answer.header(header::SET_COOKIE, *cookie);
        }
        answer.body(Bytes::new()).unwrap()
    }

    #[test]
    fn cookies_come_and_go() {
        let mut browser = Browser::default();
        browser.keep(&answer(&["a=1; Path=/; HttpOnly", "b=2"]));
        browser.keep(&answer(&["a=; Path=/; Max-Age=0", "b=3", "nonsense"]));
        assert_eq!(browser.cookies, BTreeMap::from([("b".into(), "3".into())]));
    }

    #[test]
    fn only_a_redirect_leads_elsewhere() {
        let base = Url::parse("http://127.0.0.1:1/a/b").unwrap();
        let built = |status: u16| {
            let answer = Response::builder()
                .status(status)
                .header(header::LOCATION, "/c?code=x");
            answer.body(Bytes::new()).unwrap()
        };
        let url = redirect(&built(303), &base, "").unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:1/c?code=x");
        assert_eq!(parameter(&url, "code").as_deref(), Some("x"));
        assert!(redirect(&built(200), &base, "").is_err());
    }
}
