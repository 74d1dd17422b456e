//! Cookies of this instance: bound to its host, hidden from scripts, and sent only over TLS.

use axum_extra::extract::CookieJar;
use gatewright_domain::secret::Secret;
use http::{HeaderMap, HeaderValue, header};

/// How cookies are named and marked: with `__Host-` and `Secure`, or plainly on loopback without TLS, where browsers
/// would not keep a `Secure` cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieStyle {
    secure: bool,
}

impl CookieStyle {
    /// The style that belongs to a public URL.
    pub fn of(public_url: &str) -> Self {
        Self {
            secure: !public_url.starts_with("http://"),
        }
    }

    /// The style of a cookie that gives access to nothing: without prefix and `Secure` everywhere.
    pub const PLAIN: Self = Self { secure: false };

    /// The full name of a cookie. Cookies are shared between the ports of a host, so `name` must be distinctive.
    pub fn name(self, name: &str) -> String {
        format!("{}{name}", if self.secure { "__Host-" } else { "" })
    }

    /// `Set-Cookie` for a cookie that lives for `max_age` seconds; 0 makes the browser forget it. `name` is the full name.
    ///
    /// `SameSite=Lax`, because a link from another site should find its reader signed in, and providers send browsers back by
    /// a link from theirs. What changes something checks the origin of the request as well.
    ///
    /// # Panics
    /// If name or value has a character that no header can carry.
    pub fn set(self, name: &str, value: &str, max_age: u64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
        let mut header = HeaderValue::try_from(text).expect("names and values of cookies are plain ASCII");
        header.set_sensitive(true);
        header
    }
}

/// The value of the cookie with this full name, as a browser sent it. Two cookies of the name are none: one of them was planted.
pub fn sole_value(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let mut values = CookieJar::from_headers(headers)
        .iter()
        .filter(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
        .collect::<Vec<_>>();
    let sent = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.to_str().unwrap_or_default().split(';'))
        .filter(|pair| pair.trim().split('=').next() == Some(name))
        .count();
    (sent == 1).then(|| values.pop().map(Secret::new)).flatten()
}
