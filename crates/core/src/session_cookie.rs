//! The session cookie of an account.

use gatewright_domain::{account_session::MAX_LIFE, secret::Secret};
use http::{HeaderMap, HeaderValue};

use crate::cookie::{CookieStyle, sole_value};

const NAME: &str = "gatewright-session";

/// The cookie's value, as a browser sent it. Two cookies of this name count as none: one of them was planted.
pub fn read(headers: &HeaderMap, public_url: &str) -> Option<Secret> {
    sole_value(headers, &name(public_url))
}

/// `Set-Cookie` for a session that has just begun.
pub fn set(public_url: &str, token: &Secret) -> HeaderValue {
    header(public_url, token.expose(), MAX_LIFE.as_secs())
}

/// `Set-Cookie` that makes the browser forget its session.
pub fn clear(public_url: &str) -> HeaderValue {
    header(public_url, "", 0)
}

fn name(public_url: &str) -> String {
    CookieStyle::of(public_url).name(NAME)
}

fn header(public_url: &str, value: &str, max_age: u64) -> HeaderValue {
    CookieStyle::of(public_url).set(&name(public_url), value, max_age)
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    const HTTPS: &str = "https://gw.example.com";
    const LOOPBACK: &str = "http://127.0.0.1:8080";

    fn sent(cookies: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookies.parse().unwrap());
        headers
    }

    #[test]
    fn it_is_bound_to_the_host_and_hidden_from_scripts() {
        let set = set(HTTPS, &Secret::new("token"));
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-gatewright-session=token; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(clear(HTTPS).to_str().unwrap().contains("=; Path=/; Max-Age=0;"));
        assert!(
            !super::set(LOOPBACK, &Secret::new("t"))
                .to_str()
                .unwrap()
                .contains("Secure")
        );
    }

    #[test]
    fn only_the_cookie_of_the_right_name_counts() {
        let value = |cookies, url| read(&sent(cookies), url).map(|value| value.expose().to_owned());
        assert_eq!(
            value("a=b; __Host-gatewright-session=token", HTTPS),
            Some("token".to_owned())
        );
        assert_eq!(value("gatewright-session=token", HTTPS), None);
        assert_eq!(
            value("gatewright-session=token", LOOPBACK),
            Some("token".to_owned())
        );
        let twice = "gatewright-session=one; gatewright-session=two";
        assert_eq!(value(twice, LOOPBACK), None);
        assert_eq!(value("", LOOPBACK), None);
    }
}
