//! The cookie that binds a sign-in to the browser that began it: one of its own per pending sign-in.

use axum_extra::extract::CookieJar;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_domain::{Entropy, Timestamp, entropy, token_hash::TokenHash};
use http::{HeaderMap, HeaderValue};

/// The life of a pending sign-in, and of its cookie: long enough for a password reset with a second factor.
pub(super) const LIFE_SECONDS: u32 = 600;

/// Sign-ins one browser may have under way. More would crowd out other cookies of the host: browsers and proxies cut
/// requests at some 8 kB of headers.
const MAX_PER_BROWSER: usize = 10;

const NAME: &str = "gatewright-sign-in-";

/// How cookies are named and marked: with `__Host-` and `Secure`, or plainly on loopback without TLS, where browsers
/// would not keep a `Secure` cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CookieStyle {
    secure: bool,
}

/// A new cookie: what to set, and what the row keeps of it.
#[derive(Debug)]
pub(super) struct Binding {
    /// SHA-256 of the value.
    pub(super) hash: TokenHash,
    /// `Set-Cookie`, one header each: the new cookie, then those that give way to it.
    pub(super) set_cookies: Vec<HeaderValue>,
}

impl CookieStyle {
    /// The style that belongs to a public URL.
    pub(super) fn of(public_url: &str) -> Self {
        Self {
            secure: !public_url.starts_with("http://"),
        }
    }

    /// Makes the cookie of the sign-in that `state` names, and expires the browser's oldest ones beyond ten in all.
    pub(super) fn bind(
        self,
        entropy: &dyn Entropy,
        now: Timestamp,
        state: TokenHash,
        headers: &HeaderMap,
    ) -> Binding {
        // The time in front tells which of a browser's cookies is the oldest; it proves nothing and need not.
        let value = format!("{}.{}", now.as_seconds(), entropy::token(entropy));
        let name = self.name(state);
        let mut set_cookies = vec![self.set(&name, &value, LIFE_SECONDS)];
        set_cookies.extend(self.excess(headers, &name).iter().map(|old| self.set(old, "", 0)));
        Binding {
            hash: TokenHash::of(&value),
            set_cookies,
        }
    }

    /// The value of the cookie of the sign-in that `state` names.
    pub(super) fn read(self, headers: &HeaderMap, state: TokenHash) -> Option<String> {
        let jar = CookieJar::from_headers(headers);
        jar.get(&self.name(state)).map(|cookie| cookie.value().to_owned())
    }

    /// The names of the browser's oldest cookies beyond what leaves room for the new one, `name`.
    fn excess(self, headers: &HeaderMap, name: &str) -> Vec<String> {
        let jar = CookieJar::from_headers(headers);
        let prefix = self.prefix();
        let mut held: Vec<(i64, String)> = jar
            .iter()
            .filter(|cookie| is_tagged(cookie.name(), &prefix) && cookie.name() != name)
            .map(|cookie| {
                let set_at = cookie.value().split('.').next().unwrap_or_default();
                (set_at.parse().unwrap_or_default(), cookie.name().to_owned())
            })
            .collect();
        held.sort();
        let too_many = held.len().saturating_sub(MAX_PER_BROWSER - 1);
        held.into_iter().take(too_many).map(|(_, name)| name).collect()
    }

    /// Cookies are shared between the ports of a host, so the name is distinctive.
    fn name(self, state: TokenHash) -> String {
        let hash = URL_SAFE_NO_PAD.decode(state.to_text()).unwrap_or_default();
        hash.iter()
            .take(4)
            .fold(self.prefix(), |name, byte| format!("{name}{byte:02x}"))
    }

    fn prefix(self) -> String {
        format!("{}{NAME}", if self.secure { "__Host-" } else { "" })
    }

    fn set(self, name: &str, value: &str, max_age: u32) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).expect("names and values are made of letters, digits, `-`, `_` and `.`")
    }
}

/// Whether a name is the prefix and eight hexadecimal digits: what a browser sent is written back only in this form.
fn is_tagged(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|tag| tag.len() == 8 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use gatewright_domain::entropy::SeededEntropy;
    use http::header::COOKIE;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn held(cookies: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::try_from(cookies.join("; ")).unwrap());
        headers
    }

    fn pair(set_cookie: &HeaderValue) -> String {
        set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_comes_back_to_its_own_sign_in_only() {
        let style = CookieStyle::of("https://gw.example.com");
        let state = TokenHash::of("state");
        let binding = style.bind(&SeededEntropy::new(1), NOW, state, &HeaderMap::new());
        let text = binding.set_cookies[0].to_str().unwrap();
        assert!(text.starts_with("__Host-gatewright-sign-in-"), "{text}");
        assert!(
            text.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"),
            "{text}"
        );
        let headers = held(&["theme=dark".into(), pair(&binding.set_cookies[0])]);
        let value = style.read(&headers, state).unwrap();
        assert!(binding.hash.matches(&value));
        assert_eq!(style.read(&headers, TokenHash::of("another")), None);
    }

    #[test]
    fn on_loopback_without_tls_the_name_is_plain_and_nothing_is_secure() {
        let style = CookieStyle::of("http://127.0.0.1:8080");
        let binding = style.bind(&SeededEntropy::new(1), NOW, TokenHash::of("s"), &HeaderMap::new());
        let text = binding.set_cookies[0].to_str().unwrap();
        assert!(
            text.starts_with("gatewright-sign-in-") && !text.contains("Secure"),
            "{text}"
        );
    }

    #[test]
    fn beyond_ten_the_oldest_give_way() {
        let style = CookieStyle::of("https://gw.example.com");
        let mut cookies: Vec<String> = (0..11)
            .map(|n| format!("__Host-gatewright-sign-in-0000000{n:x}={}.value", 2_000 - n))
            .collect();
        cookies.push("__Host-gatewright-sign-in-nothex!!=1.value".into());
        cookies.push("other=1".into());
        let binding = style.bind(&SeededEntropy::new(1), NOW, TokenHash::of("s"), &held(&cookies));
        let expired: Vec<String> = binding.set_cookies[1..].iter().map(pair).collect();
        assert_eq!(
            expired,
            [
                "__Host-gatewright-sign-in-0000000a=",
                "__Host-gatewright-sign-in-00000009="
            ]
        );
        assert!(binding.set_cookies[1].to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn up_to_ten_all_stay() {
        let style = CookieStyle::of("https://gw.example.com");
        let cookies: Vec<String> = (0..9)
            .map(|n| format!("__Host-gatewright-sign-in-0000000{n}=1.value"))
            .collect();
        let binding = style.bind(&SeededEntropy::new(1), NOW, TokenHash::of("s"), &held(&cookies));
        assert_eq!(binding.set_cookies.len(), 1);
    }
}
