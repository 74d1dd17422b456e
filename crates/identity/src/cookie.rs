//! The cookie that binds a sign-in to the browser that began it, and carries it, sealed: a separate one per sign-in, or one
//! per browser.

use axum_extra::extract::CookieJar;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatewright_core::{Core, cookie::CookieStyle};
use gatewright_domain::{
    Entropy, Timestamp,
    sealed::{Keyring, Purpose},
    stored_secret::SealedText,
    token_hash::TokenHash,
};
use http::{HeaderMap, HeaderValue};

/// Sign-ins one browser may have under way.
const MAX_PER_BROWSER: usize = 10;

/// What they may take of a request's head. Proxies cut heads at some 8 kB, and other cookies want room too.
const MAX_BYTES_PER_BROWSER: usize = 6_000;

/// A kind of sign-in, by what distinguishes its cookies from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The name of its cookies. Where a browser has one per sign-in, the name is what they begin with.
    pub name: &'static str,
    /// The context in which they are sealed. Where a browser has one per sign-in, the state completes it, so that a cookie
    /// opens for its own sign-in only.
    pub context: &'static str,
}

/// Why nothing was read from the cookie of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncarried {
    /// The browser sent no such cookie.
    Missing,
    /// What it sent was not sealed here for this sign-in.
    Foreign,
}

/// The cookies of one kind of sign-in. What they carry is sealed and opened here.
#[derive(Clone, Copy)]
pub struct SignInCookies<'a> {
    kind: Kind,
    style: CookieStyle,
    keyring: &'a Keyring,
    entropy: &'a dyn Entropy,
}

impl<'a> SignInCookies<'a> {
    /// The cookies of a kind of sign-in at this instance.
    pub fn of(core: &'a Core, kind: Kind) -> Self {
        Self::at(
            core.config.public_url(),
            &core.keyring,
            core.entropy.as_ref(),
            kind,
        )
    }

    /// The cookies of the instance at a public URL with these master keys.
    pub fn at(public_url: &str, keyring: &'a Keyring, entropy: &'a dyn Entropy, kind: Kind) -> Self {
        Self {
            kind,
            style: CookieStyle::of(public_url),
            keyring,
            entropy,
        }
    }

    /// Makes the cookie of the sign-in that `state` names, which carries `plain` sealed. The browser's oldest ones are removed
    /// when there are too many, or they are too long together. Returns `Set-Cookie`, one header each: the new cookie, then
    /// those that are removed.
    pub fn bind(
        self,
        now: Timestamp,
        state: TokenHash,
        plain: &[u8],
        life_seconds: u64,
        headers: &HeaderMap,
    ) -> Vec<HeaderValue> {
        let sealed = self.seal(&self.context_of(state), plain);
        self.bind_sealed(now, state, &sealed, life_seconds, headers)
    }

    /// What the cookie of the sign-in that `state` names carries.
    pub fn read(self, headers: &HeaderMap, state: TokenHash) -> Result<Vec<u8>, Uncarried> {
        let sealed = self.read_sealed(headers, state).ok_or(Uncarried::Missing)?;
        self.open(&self.context_of(state), &sealed)
    }

    /// Makes the one cookie of this kind that a browser has, which carries `plain` sealed.
    pub fn bind_only(self, plain: &[u8], life_seconds: u64) -> HeaderValue {
        let sealed = self.seal(self.kind.context, plain);
        self.style.set(&self.prefix(), &sealed.0, life_seconds)
    }

    /// Removes the one cookie of this kind.
    pub fn remove_only(self) -> HeaderValue {
        self.style.set(&self.prefix(), "", 0)
    }

    /// What the one cookie of this kind carries.
    pub fn read_only(self, headers: &HeaderMap) -> Result<Vec<u8>, Uncarried> {
        let jar = CookieJar::from_headers(headers);
        let cookie = jar.get(&self.prefix()).ok_or(Uncarried::Missing)?;
        self.open(self.kind.context, &SealedText(cookie.value().to_owned()))
    }

    fn context_of(self, state: TokenHash) -> String {
        format!("{}/{}", self.kind.context, state.to_text())
    }

    fn seal(self, context: &str, plain: &[u8]) -> SealedText {
        self.keyring.seal(self.entropy, Purpose::SignIn, context, plain)
    }

    fn open(self, context: &str, sealed: &SealedText) -> Result<Vec<u8>, Uncarried> {
        let plain = self.keyring.open(Purpose::SignIn, context, sealed);
        plain.map_err(|_| Uncarried::Foreign)
    }

    fn bind_sealed(
        self,
        now: Timestamp,
        state: TokenHash,
        sealed: &SealedText,
        life_seconds: u64,
        headers: &HeaderMap,
    ) -> Vec<HeaderValue> {
        // The time in front shows which of a browser's cookies is the oldest; it proves nothing and does not have to.
        let value = format!("{}.{}", now.as_seconds(), sealed.0);
        let name = self.name(state);
        let mut set_cookies = vec![self.style.set(&name, &value, life_seconds)];
        let excess = self.excess(headers, &name, length(&name, &value));
        set_cookies.extend(excess.iter().map(|old| self.style.set(old, "", 0)));
        set_cookies
    }

    fn read_sealed(self, headers: &HeaderMap, state: TokenHash) -> Option<SealedText> {
        let jar = CookieJar::from_headers(headers);
        let (_, sealed) = jar.get(&self.name(state))?.value().split_once('.')?;
        Some(SealedText(sealed.to_owned()))
    }

    /// The names of the browser's oldest cookies beyond what leaves room for the new one, `name`, of this length.
    fn excess(self, headers: &HeaderMap, name: &str, new: usize) -> Vec<String> {
        let jar = CookieJar::from_headers(headers);
        let prefix = self.prefix();
        let mut held: Vec<(i64, String, usize)> = jar
            .iter()
            .filter(|cookie| is_tagged(cookie.name(), &prefix) && cookie.name() != name)
            .map(|cookie| {
                let set_at = cookie.value().split('.').next().unwrap_or_default();
                let length = length(cookie.name(), cookie.value());
                (
                    set_at.parse().unwrap_or_default(),
                    cookie.name().to_owned(),
                    length,
                )
            })
            .collect();
        held.sort();
        let mut bytes = new + held.iter().map(|(.., length)| length).sum::<usize>();
        let mut left = held.len();
        let mut excess = Vec::new();
        for (_, name, length) in held {
            if left < MAX_PER_BROWSER && bytes <= MAX_BYTES_PER_BROWSER {
                break;
            }
            bytes -= length;
            left -= 1;
            excess.push(name);
        }
        excess
    }

    /// Cookies are shared between the ports of a host, so the name is distinctive.
    fn name(self, state: TokenHash) -> String {
        let hash = URL_SAFE_NO_PAD.decode(state.to_text()).unwrap_or_default();
        hash.iter()
            .take(4)
            .fold(self.prefix(), |name, byte| format!("{name}{byte:02x}"))
    }

    fn prefix(self) -> String {
        self.style.name(self.kind.name)
    }
}

/// What a cookie takes of a `Cookie` header.
fn length(name: &str, value: &str) -> usize {
    name.len() + value.len() + "=; ".len()
}

/// Whether a name is the prefix and eight hexadecimal digits: what a browser sent is written back only in this form.
fn is_tagged(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|tag| tag.len() == 8 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use gatewright_domain::{entropy::SeededEntropy, sealed::MasterKey};
    use http::header::COOKIE;

    use super::*;

    const KIND: Kind = Kind {
        name: "gatewright-sign-in-",
        context: "pending-sign-in",
    };
    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn held(cookies: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::try_from(cookies.join("; ")).unwrap());
        headers
    }

    fn pair(set_cookie: &HeaderValue) -> String {
        set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    fn sealed(length: usize) -> SealedText {
        SealedText(format!("v1.k.{}", "x".repeat(length)))
    }

    fn entropy() -> SeededEntropy {
        SeededEntropy::new(3)
    }

    fn keyring() -> Keyring {
        Keyring::new(vec![MasterKey::generate(&entropy())]).unwrap()
    }

    fn bind(style: SignInCookies<'_>, sealed: &SealedText, cookies: &[String]) -> Vec<HeaderValue> {
        style.bind_sealed(NOW, TokenHash::of("state"), sealed, 600, &held(cookies))
    }

    #[test]
    fn what_a_cookie_carries_opens_for_its_own_sign_in_only() {
        let (keyring, entropy) = (keyring(), entropy());
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, KIND);
        let (one, other) = (TokenHash::of("one"), TokenHash::of("other"));
        let set = style.bind(NOW, one, b"carried", 600, &HeaderMap::new());
        let own = held(&[pair(&set[0])]);
        assert_eq!(style.read(&own, one), Ok(b"carried".to_vec()));
        assert_eq!(style.read(&own, other), Err(Uncarried::Missing));
        // The same cookie under the name of another sign-in.
        let value = pair(&set[0]).split_once('=').unwrap().1.to_owned();
        let moved = held(&[format!("{}={value}", style.name(other))]);
        assert_eq!(style.read(&moved, other), Err(Uncarried::Foreign));
        let changed = held(&[format!("{}x", pair(&set[0]))]);
        assert_eq!(style.read(&changed, one), Err(Uncarried::Foreign));
    }

    #[test]
    fn the_one_cookie_of_a_browser_is_read_back_and_removed() {
        let (keyring, entropy) = (keyring(), entropy());
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, KIND);
        let set = style.bind_only(b"carried", 600);
        assert!(!set.to_str().unwrap().contains("carried"));
        assert_eq!(style.read_only(&held(&[pair(&set)])), Ok(b"carried".to_vec()));
        let removed = style.remove_only();
        assert!(removed.to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(style.read_only(&held(&[pair(&removed)])), Err(Uncarried::Foreign));
        assert_eq!(style.read_only(&HeaderMap::new()), Err(Uncarried::Missing));
    }

    #[test]
    fn a_cookie_comes_back_to_its_own_sign_in_only() {
        let (keyring, entropy) = (keyring(), entropy());
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, KIND);
        let state = TokenHash::of("state");
        let set = bind(style, &sealed(9), &[]);
        let text = set[0].to_str().unwrap();
        assert!(text.starts_with("__Host-gatewright-sign-in-"), "{text}");
        assert!(
            text.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"),
            "{text}"
        );
        let headers = held(&["theme=dark".into(), pair(&set[0])]);
        assert_eq!(style.read_sealed(&headers, state), Some(sealed(9)));
        assert_eq!(style.read_sealed(&headers, TokenHash::of("another")), None);
    }

    #[test]
    fn on_loopback_without_tls_the_name_is_plain_and_nothing_is_secure() {
        let (keyring, entropy) = (keyring(), entropy());
        let style = SignInCookies::at("http://127.0.0.1:8080", &keyring, &entropy, KIND);
        let set = bind(style, &sealed(9), &[]);
        let text = set[0].to_str().unwrap();
        assert!(
            text.starts_with("gatewright-sign-in-") && !text.contains("Secure"),
            "{text}"
        );
    }

    #[test]
    fn beyond_ten_the_oldest_are_removed() {
        let (keyring, entropy) = (keyring(), entropy());
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, KIND);
        let mut cookies: Vec<String> = (0..11)
            .map(|n| format!("__Host-gatewright-sign-in-0000000{n:x}={}.value", 2_000 - n))
            .collect();
        cookies.push("__Host-gatewright-sign-in-nothex!!=1.value".into());
        cookies.push("other=1".into());
        let set = bind(style, &sealed(9), &cookies);
        let expired: Vec<String> = set[1..].iter().map(pair).collect();
        assert_eq!(
            expired,
            [
                "__Host-gatewright-sign-in-0000000a=",
                "__Host-gatewright-sign-in-00000009="
            ]
        );
        assert!(set[1].to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn up_to_ten_short_ones_all_stay() {
        let (keyring, entropy) = (keyring(), entropy());
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, KIND);
        let cookies: Vec<String> = (0..9)
            .map(|n| format!("__Host-gatewright-sign-in-0000000{n}=1.value"))
            .collect();
        assert_eq!(bind(style, &sealed(9), &cookies).len(), 1);
    }

    #[test]
    fn together_they_leave_room_in_the_head_of_a_request() {
        let (keyring, entropy) = (keyring(), entropy());
        let style = SignInCookies::at("https://gw.example.com", &keyring, &entropy, KIND);
        let mut cookies = vec!["theme=dark".to_owned()];
        for number in 0..20 {
            let state = TokenHash::of(&format!("state {number}"));
            let now = Timestamp::from_seconds(1_700_000_000 + number);
            let set = style.bind_sealed(now, state, &sealed(1_000), 600, &held(&cookies));
            let expired: Vec<String> = set[1..].iter().map(pair).collect();
            cookies.retain(|cookie| !expired.iter().any(|name| cookie.starts_with(name.as_str())));
            cookies.push(pair(&set[0]));
            let line = cookies.join("; ").len();
            assert!(line <= MAX_BYTES_PER_BROWSER + 20, "{line}");
            assert!(style.read_sealed(&held(&cookies), state).is_some());
        }
        assert_eq!(cookies.len(), 1 + 5);
        // The longest one leaves no room for others, and stays itself.
        let set = bind(style, &sealed(3_900), &cookies);
        assert_eq!(set.len(), 1 + 4);
    }
}
