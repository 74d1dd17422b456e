//! Client ID Metadata Documents: a client whose ID is the https URL of a document about itself
//! (draft-ietf-oauth-client-id-metadata-document-00; MCP 2026-07-28, client registration).

use serde_json::{Map, Value};
use url::Url;

use crate::{client_authentication::Method, client_metadata::display_name, redirect_uri::RedirectUri};

/// The maximum length of a client ID URL in bytes: it travels in tokens and redirects.
pub const MAX_URL_BYTES: usize = 512;

/// The maximum number of redirect URIs read from a document.
const MAX_REDIRECT_URIS: usize = 50;

/// Why a client id is not the URL of a metadata document (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not https, not a URL, or not in its usual form.
    #[error("a client ID of this kind must be an https URL in its usual form")]
    NotHttps,
    /// Longer than 512 bytes.
    #[error("a client ID of this kind must have at most 512 characters")]
    Length,
    /// No path.
    #[error("the URL must have a path")]
    NoPath,
    /// `.` or `..`.
    #[error("the URL must not have dot segments")]
    DotSegments,
    /// `#…`.
    #[error("the URL must not have a fragment")]
    Fragment,
    /// `user@`.
    #[error("the URL must not have a user name or password")]
    UserInfo,
}

/// Whether a client id claims to be the URL of a metadata document.
pub fn is_url(client_id: &str) -> bool {
    let scheme = client_id.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// Checks a client id URL (section 3).
pub fn check_url(client_id: &str) -> Result<Url, UrlError> {
    if client_id.len() > MAX_URL_BYTES {
        return Err(UrlError::Length);
    }
    let url = Url::parse(client_id).map_err(|_| UrlError::NotHttps)?;
    if url.scheme() != "https" {
        return Err(UrlError::NotHttps);
    }
    if client_id.contains('#') {
        return Err(UrlError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::UserInfo);
    }
    let path = client_id.split('?').next().unwrap_or_default();
    let dots = |segment: &str| {
        matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    };
    if path.split('/').any(dots) {
        return Err(UrlError::DotSegments);
    }
    if url.path() == "/" {
        return Err(UrlError::NoPath);
    }
    // If the parser had to change it, two readers could see two different clients.
    if url.as_str() != client_id {
        return Err(UrlError::NotHttps);
    }
    Ok(url)
}

/// A client as its document describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataDocument {
    /// The URL it was fetched from.
    pub client_id: String,
    /// Its name, made harmless; its host if it has none.
    pub client_name: String,
    /// Its redirect URIs; at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether it may authenticate without proof: a program on people's machines.
    pub is_public: bool,
    /// The keys it may sign with (`private_key_jwt`).
    pub keys: Option<KeySource>,
}

/// Where the keys of a client are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In the document: a JWK set as text.
    Inline(String),
    /// At a URL chosen by the client.
    At(Url),
}

/// Why a document is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotJson,
    /// `client_id` differs from the URL it was fetched from.
    #[error("its client_id is not the URL it was fetched from")]
    ClientId,
    /// A public secret.
    #[error("it contains a client secret, which everyone can read")]
    Secret,
    /// No usable redirect URI.
    #[error("it lists no redirect URI that can be used")]
    RedirectUris,
    /// Only methods that this server does not support, or that need a shared secret.
    #[error(
        "it lists no client authentication method that this server supports for such clients (none, or private_key_jwt with keys)"
    )]
    Method,
}

impl MetadataDocument {
    /// Reads the document fetched from `url`.
    pub fn parse(url: &Url, body: &[u8]) -> Result<Self, DocumentError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(DocumentError::NotJson);
        };
        if members.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
            return Err(DocumentError::ClientId);
        }
        let there = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
        if there("client_secret") || there("client_secret_expires_at") {
            return Err(DocumentError::Secret);
        }
        let (is_public, signs) = methods(&members);
        let keys = if signs { key_source(&members) } else { None };
        if !is_public && keys.is_none() {
            return Err(DocumentError::Method);
        }
        let name = members
            .get("client_name")
            .and_then(Value::as_str)
            .map(display_name)
            .unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        Ok(Self {
            client_id: url.as_str().to_owned(),
            client_name: if name.is_empty() { host.to_owned() } else { name },
            redirect_uris: redirect_uris(&members)?,
            is_public,
            keys,
        })
    }
}

/// Entries that this server would never redirect to are skipped: no request can match them.
fn redirect_uris(members: &Map<String, Value>) -> Result<Vec<RedirectUri>, DocumentError> {
    let listed = members
        .get("redirect_uris")
        .and_then(Value::as_array)
        .ok_or(DocumentError::RedirectUris)?;
    let usable: Vec<_> = listed
        .iter()
        .take(MAX_REDIRECT_URIS)
        .filter_map(|value| RedirectUri::parse(value.as_str()?).ok())
        .collect();
    if usable.is_empty() {
        return Err(DocumentError::RedirectUris);
    }
    Ok(usable)
}

/// Whether the client may authenticate without proof, and whether it may sign. Documents name one preferred method, several, or
/// none at all; what counts is which of ours are among them, because the client chooses from the same two lists. It
/// cannot mean a shared secret (section 4.1).
fn methods(members: &Map<String, Value>) -> (bool, bool) {
    let single = members.get("token_endpoint_auth_method").and_then(Value::as_str);
    let several = [
        "token_endpoint_auth_methods",
        "token_endpoint_auth_methods_supported",
    ]
    .into_iter()
    .filter_map(|name| members.get(name).and_then(Value::as_array))
    .flatten()
    .filter_map(Value::as_str);
    let named: Vec<_> = single.into_iter().chain(several).collect();
    let is_listed = |method: Method| named.contains(&method.as_str());
    (
        named.is_empty() || is_listed(Method::None),
        is_listed(Method::PrivateKeyJwt),
    )
}

/// `jwks`, or else `jwks_uri` if that is an https URL without user or fragment.
fn key_source(members: &Map<String, Value>) -> Option<KeySource> {
    if let Some(set @ Value::Object(_)) = members.get("jwks") {
        return Some(KeySource::Inline(set.to_string()));
    }
    let text = members.get("jwks_uri").and_then(Value::as_str)?;
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL_BYTES)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (url.scheme() == "https" && is_plain).then_some(KeySource::At(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const URL: &str = "https://app.example/oauth/client.json";

    fn parse(value: &Value) -> Result<MetadataDocument, DocumentError> {
        MetadataDocument::parse(&check_url(URL).unwrap(), value.to_string().as_bytes())
    }

    #[test]
    fn a_client_id_url_is_https_with_a_path_and_nothing_odd() {
        for good in [
            URL,
            "https://chatgpt.com/oauth/abc/client.json?v=1",
            "https://a.example:8443/c",
        ] {
            assert_eq!(check_url(good).unwrap().as_str(), good);
        }
        for (bad, error) in [
            ("http://app.example/client.json", UrlError::NotHttps),
            ("HTTPS://app.example/client.json", UrlError::NotHttps),
            ("https://APP.example/client.json", UrlError::NotHttps),
            ("https://app.example:443/client.json", UrlError::NotHttps),
            ("https://app.example", UrlError::NoPath),
            ("https://app.example/", UrlError::NoPath),
            ("https://app.example/a/../client.json", UrlError::DotSegments),
            ("https://app.example/a/%2e%2e/client.json", UrlError::DotSegments),
            ("https://app.example/client.json#x", UrlError::Fragment),
            ("https://user:pass@app.example/client.json", UrlError::UserInfo),
        ] {
            assert_eq!(check_url(bad), Err(error), "{bad}");
        }
        assert_eq!(
            check_url(&format!("https://a.example/{}", "x".repeat(600))),
            Err(UrlError::Length)
        );
        assert!(is_url(URL) && is_url("http://x/") && !is_url("v1.abc.def"));
    }

    #[test]
    fn a_document_is_read() {
        let document = parse(&json!({
            "client_id": URL,
            "client_name": "Example\u{202e}",
            "redirect_uris": ["http://127.0.0.1/callback", "javascript:alert(1)"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        }))
        .unwrap();
        assert_eq!(document.client_name, "Example");
        assert_eq!(document.redirect_uris.len(), 1);
        let nameless =
            parse(&json!({"client_id": URL, "redirect_uris": ["https://app.example/cb"]})).unwrap();
        assert_eq!(nameless.client_name, "app.example");
        assert!(nameless.is_public && nameless.keys.is_none());
    }

    #[test]
    fn of_several_methods_those_of_ours_count() {
        let with = |members: Value| {
            let mut document = json!({"client_id": URL, "redirect_uris": ["https://app.example/cb"]});
            document
                .as_object_mut()
                .unwrap()
                .extend(members.as_object().unwrap().clone());
            parse(&document).map(|document| (document.is_public, document.keys))
        };
        let at = Some(KeySource::At(Url::parse("https://app.example/jwks").unwrap()));
        let (one, several) = (
            "token_endpoint_auth_method",
            "token_endpoint_auth_methods_supported",
        );
        assert_eq!(
            with(json!({one: "none", "jwks_uri": "https://app.example/jwks"})),
            Ok((true, None))
        );
        assert_eq!(
            with(json!({one: "private_key_jwt", "jwks_uri": "https://app.example/jwks"})),
            Ok((false, at.clone()))
        );
        assert_eq!(
            with(json!({
                one: "private_key_jwt", several: ["tls_client_auth", "private_key_jwt", "none"],
                "jwks_uri": "https://app.example/jwks",
            })),
            Ok((true, at))
        );
        assert_eq!(
            with(json!({one: "private_key_jwt", "jwks": {"keys": []}})),
            Ok((false, Some(KeySource::Inline("{\"keys\":[]}".to_owned()))))
        );
        for keys in [
            "http://app.example/jwks",
            "https://u@app.example/jwks",
            "https://app.example/jwks#x",
            "/jwks",
        ] {
            let document = json!({one: "private_key_jwt", "jwks_uri": keys});
            assert_eq!(with(document), Err(DocumentError::Method), "{keys}");
        }
    }

    #[test]
    fn documents_that_lie_or_leak_are_refused() {
        let uris = json!(["https://app.example/cb"]);
        for (value, error) in [
            (json!("text"), DocumentError::NotJson),
            (json!({"redirect_uris": uris}), DocumentError::ClientId),
            (
                json!({"client_id": "https://app.example/oauth/client.json/", "redirect_uris": uris}),
                DocumentError::ClientId,
            ),
            (
                json!({"client_id": URL, "redirect_uris": uris, "client_secret": "x"}),
                DocumentError::Secret,
            ),
            (
                json!({"client_id": URL, "redirect_uris": uris, "client_secret_expires_at": 0}),
                DocumentError::Secret,
            ),
            (json!({"client_id": URL}), DocumentError::RedirectUris),
            (
                json!({"client_id": URL, "redirect_uris": ["data:x"]}),
                DocumentError::RedirectUris,
            ),
            (
                json!({"client_id": URL, "redirect_uris": ["https://app.example/cb?state=x", "myapp://cb"]}),
                DocumentError::RedirectUris,
            ),
            (
                json!({"client_id": URL, "redirect_uris": uris, "token_endpoint_auth_method": "client_secret_post"}),
                DocumentError::Method,
            ),
            (
                json!({"client_id": URL, "redirect_uris": uris, "token_endpoint_auth_method": "private_key_jwt"}),
                DocumentError::Method,
            ),
        ] {
            assert_eq!(parse(&value), Err(error), "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_document_and_url_is_judged_without_panic(body: Vec<u8>, text in ".{0,100}") {
            let _ = MetadataDocument::parse(&check_url(URL).unwrap(), &body);
            let _ = check_url(&text);
            let _ = is_url(&text);
        }
    }
}
