//! A provider's discovery document (OpenID Connect Discovery 1.0 section 3), read strictly where sign-ins depend on it.

use gatewright_domain::loopback::is_loopback;
use serde_json::{Map, Value};
use url::Url;

use crate::id_token::IssuerDifference;

/// Why a member of the document cannot be used. The detail is a sentence for an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// Required and not there, or not a string.
    Missing,
    /// Not a URL.
    NotAUrl,
    /// Neither https nor, if that is allowed, http on loopback.
    Insecure,
    /// A URL with a user name, password or fragment.
    Decorated,
}

/// To which URLs people and secrets can be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UrlRule {
    /// Whether plain http is allowed on loopback: only while our own public URL is loopback.
    pub(crate) loopback_http: bool,
}

impl UrlRule {
    /// Reads an endpoint or issuer.
    pub(crate) fn read(self, text: &str) -> Result<Url, Unusable> {
        let url = Url::parse(text).map_err(|_| Unusable::NotAUrl)?;
        let secure = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => self.loopback_http && is_loopback(&url),
            _ => false,
        };
        if !secure {
            return Err(Unusable::Insecure);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Unusable::Decorated);
        }
        Ok(url)
    }
}

/// Where the discovery document of an issuer is: one terminating slash of the issuer is removed before the path is
/// appended (OpenID Connect Discovery 1.0 section 4.1).
pub(crate) fn document_url(issuer: &str) -> String {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    format!("{base}/.well-known/openid-configuration")
}

/// The member that says where authorization requests are pushed to (RFC 9126 section 5).
pub(crate) const PUSHED_REQUESTS: &str = "pushed_authorization_request_endpoint";

/// A discovery document as it came, with each member still to be judged.
#[derive(Debug, Clone)]
pub(crate) struct Document(Map<String, Value>);

impl Document {
    /// Reads a JSON object; `None` when it is not one.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(Self)
    }

    /// How the document's issuer differs from the configured one; `None` when they are equal byte for byte.
    pub(crate) fn issuer_difference(&self, configured: &str) -> Option<IssuerDifference> {
        IssuerDifference::between(configured, self.issuer())
    }

    /// The issuer as the document has it.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.0.get("issuer").and_then(Value::as_str)
    }

    /// An endpoint by its member's name.
    pub(crate) fn endpoint(&self, member: &str, rule: UrlRule) -> Result<Url, Unusable> {
        let text = self
            .0
            .get(member)
            .and_then(Value::as_str)
            .ok_or(Unusable::Missing)?;
        rule.read(text)
    }

    /// The member as it came, when it is a text.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member).and_then(Value::as_str)
    }

    /// A list of texts; `None` if the provider publishes none. Items that are not text are left out.
    pub(crate) fn list(&self, member: &str) -> Option<Vec<String>> {
        let items = self.0.get(member)?.as_array()?;
        Some(
            items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Whether authorization requests must be pushed (RFC 9126 section 5).
    pub(crate) fn requires_pushed_requests(&self) -> bool {
        self.flag("require_pushed_authorization_requests")
    }

    /// Whether a member is `true`.
    pub(crate) fn flag(&self, member: &str) -> bool {
        self.0.get(member) == Some(&Value::Bool(true))
    }
}

/// What a sign-in needs of a provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Where the browser is sent.
    pub authorization_endpoint: Url,
    /// Where codes are redeemed.
    pub token_endpoint: Url,
    /// Where the keys are.
    pub jwks_uri: Url,
    /// Where name and e-mail address can be requested.
    pub userinfo_endpoint: Option<Url>,
    /// How its endpoints take the client secret, as far as it says (`token_endpoint_auth_methods_supported`).
    pub client_authentication: Option<Vec<String>>,
    /// Where authorization requests must be pushed to before the browser comes (RFC 9126); `None` if that is not required.
    pub pushed_requests: Option<Url>,
    /// Whether authorization responses must carry `iss` (RFC 9207 section 3).
    pub sends_issuer: bool,
}

impl Provider {
    /// Takes from a document what a sign-in needs. The error names the first member that forbids it.
    pub(crate) fn from_document(
        document: &Document,
        issuer: &str,
        rule: UrlRule,
    ) -> Result<Self, UnusableDocument> {
        if let Some(difference) = document.issuer_difference(issuer) {
            return Err(UnusableDocument::Issuer(difference));
        }
        let endpoint = |member: &'static str| {
            document
                .endpoint(member, rule)
                .map_err(|problem| UnusableDocument::Endpoint { member, problem })
        };
        let pushed_requests = document
            .requires_pushed_requests()
            .then(|| endpoint(PUSHED_REQUESTS))
            .transpose()?;
        Ok(Self {
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?,
            userinfo_endpoint: endpoint("userinfo_endpoint").ok(),
            client_authentication: document.list("token_endpoint_auth_methods_supported"),
            pushed_requests,
            sends_issuer: document.flag("authorization_response_iss_parameter_supported"),
        })
    }
}

/// What forbids signing in with a discovery document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableDocument {
    /// Its issuer is not the configured one, byte for byte.
    #[error("the issuer in the discovery document is not the configured one: {0}")]
    Issuer(IssuerDifference),
    /// An endpoint is missing or not fit to send people to.
    #[error("`{member}` in the discovery document {problem}")]
    Endpoint {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        problem: Unusable,
    },
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::NotAUrl => "is not a URL",
            Self::Insecure => "is not an https URL",
            Self::Decorated => "has a user name, a password or a fragment",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const STRICT: UrlRule = UrlRule { loopback_http: false };
    const LOOPBACK: UrlRule = UrlRule { loopback_http: true };
    const ISSUER: &str = "https://idp.example.com/t";

    fn document(changes: &Value) -> Document {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://tokens.example.net/token",
            "jwks_uri": "https://idp.example.com/jwks",
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        Document::parse(document.to_string().as_bytes()).unwrap()
    }

    #[rstest]
    #[case(
        "https://idp.example.com",
        "https://idp.example.com/.well-known/openid-configuration"
    )]
    #[case(
        "https://idp.example.com/",
        "https://idp.example.com/.well-known/openid-configuration"
    )]
    #[case(
        "https://idp.example.com/a/v2.0",
        "https://idp.example.com/a/v2.0/.well-known/openid-configuration"
    )]
    #[case(
        "https://idp.example.com/a//",
        "https://idp.example.com/a//.well-known/openid-configuration"
    )]
    fn the_document_is_below_the_issuer(#[case] issuer: &str, #[case] url: &str) {
        assert_eq!(document_url(issuer), url);
    }

    #[test]
    fn a_minimal_document_is_enough() {
        let provider = Provider::from_document(&document(&json!({})), ISSUER, STRICT).unwrap();
        assert!(provider.client_authentication.is_none() && provider.pushed_requests.is_none());
        assert!(!provider.sends_issuer && provider.userinfo_endpoint.is_none());
    }

    #[rstest]
    #[case("https://idp.example.com/t/", IssuerDifference::ConfiguredHasSlash)]
    #[case("https://idp.example.com/T", IssuerDifference::Case)]
    #[case("https://idp.example.com/other", IssuerDifference::Other)]
    fn the_issuer_is_compared_byte_for_byte(#[case] configured: &str, #[case] difference: IssuerDifference) {
        let refused = Provider::from_document(&document(&json!({})), configured, STRICT).unwrap_err();
        assert_eq!(refused, UnusableDocument::Issuer(difference));
    }

    #[rstest]
    #[case(json!("javascript:alert(1)"))]
    #[case(json!("data:text/html,hi"))]
    #[case(json!("http://idp.example.com/authorize"))]
    #[case(json!("//idp.example.com/authorize"))]
    #[case(json!("https://user@idp.example.com/authorize"))]
    #[case(json!("https://idp.example.com/authorize#fragment"))]
    #[case(json!("https://"))]
    #[case(json!(""))]
    #[case(json!(null))]
    #[case(json!(["https://idp.example.com/authorize"]))]
    fn hostile_endpoints_are_refused(#[case] value: Value) {
        for member in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            for rule in [STRICT, LOOPBACK] {
                let document = document(&json!({member: value}));
                assert!(
                    Provider::from_document(&document, ISSUER, rule).is_err(),
                    "{member}"
                );
            }
        }
    }

    #[rstest]
    #[case("http://127.0.0.1:9000/authorize", true)]
    #[case("http://[::1]:9000/authorize", true)]
    #[case("http://localhost:9000/authorize", true)]
    #[case("http://app.localhost:9000/authorize", true)]
    #[case("http://[::ffff:127.0.0.1]:9000/authorize", false)]
    #[case("http://localhost.example.com/authorize", false)]
    #[case("http://10.0.0.1/authorize", false)]
    fn plain_http_is_for_loopback_only(#[case] url: &str, #[case] allowed: bool) {
        assert_eq!(LOOPBACK.read(url).is_ok(), allowed);
        assert_eq!(STRICT.read(url), Err(Unusable::Insecure));
    }

    #[test]
    fn an_unusable_userinfo_endpoint_is_only_left_out() {
        let hostile = document(&json!({"userinfo_endpoint": "http://idp.example.com/u"}));
        assert!(
            Provider::from_document(&hostile, ISSUER, STRICT)
                .unwrap()
                .userinfo_endpoint
                .is_none()
        );
        let good = document(&json!({"userinfo_endpoint": "https://idp.example.com/u"}));
        assert!(
            Provider::from_document(&good, ISSUER, STRICT)
                .unwrap()
                .userinfo_endpoint
                .is_some()
        );
    }

    #[test]
    fn requests_are_pushed_where_that_is_required_only() {
        let endpoint = "https://idp.example.com/par";
        let pushed = |changes: Value| {
            Provider::from_document(&document(&changes), ISSUER, STRICT)
                .map(|provider| provider.pushed_requests.map(String::from))
        };
        let required = json!({"require_pushed_authorization_requests": true, PUSHED_REQUESTS: endpoint});
        assert_eq!(pushed(required), Ok(Some(endpoint.to_owned())));
        assert_eq!(pushed(json!({PUSHED_REQUESTS: endpoint})), Ok(None));
        assert_eq!(
            pushed(json!({"require_pushed_authorization_requests": true})),
            Err(UnusableDocument::Endpoint {
                member: PUSHED_REQUESTS,
                problem: Unusable::Missing,
            })
        );
    }

    #[test]
    fn html_is_not_a_document() {
        assert!(Document::parse(b"<html></html>").is_none());
        assert!(Document::parse(b"[]").is_none());
    }
}
