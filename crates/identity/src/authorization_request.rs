//! The authorization request to a provider: where the browser is sent (OpenID Connect Core section 3.1.2.1).

use gatewright_oauth::pkce::{self, CodeChallenge};
use url::Url;

use crate::{
    fetch::FetchError,
    providers::{ProviderError, Providers, Resource},
    visit::Visit,
};

/// The random values that bind an answer of a provider to the request it answers, and so to the browser that carries them.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Names the sign-in; the provider sends it back.
    pub state: String,
    /// Binds the ID token to the request.
    pub nonce: String,
    /// The PKCE verifier (RFC 7636); only its challenge is sent.
    pub verifier: String,
}

impl Providers {
    /// The random values of a new request.
    pub fn bind(&self) -> Binding {
        let [state, nonce, verifier] = [(); 3].map(|()| self.token());
        Binding {
            state,
            nonce,
            verifier,
        }
    }
}

/// What varies from one authorization request to the next.
#[derive(Debug)]
struct AuthorizationRequest<'a> {
    /// The client id registered at the provider.
    client_id: &'a str,
    /// Our callback.
    redirect_uri: &'a str,
    /// The requested scopes, including `openid`.
    scopes: &'a [String],
    /// Names the pending sign-in.
    state: &'a str,
    /// Binds the ID token to this request.
    nonce: &'a str,
    /// The PKCE verifier (RFC 7636); only its challenge is sent.
    verifier: &'a str,
}

impl Visit<'_> {
    /// Where to send the browser. Where the provider requires it, the request is pushed first, authenticated with one of the
    /// client secrets, and the browser carries its reference alone (RFC 9126 section 4).
    pub async fn authorization_url(&self, binding: &Binding) -> Result<String, ProviderError> {
        let endpoint = &self.provider.authorization_endpoint;
        let client_id = self.registration.client_id;
        let request = AuthorizationRequest {
            client_id,
            redirect_uri: &self.registration.redirect_url,
            scopes: self.registration.scopes,
            state: &binding.state,
            nonce: &binding.nonce,
            verifier: &binding.verifier,
        };
        let Some(pushed) = &self.provider.pushed_requests else {
            return Ok(url(endpoint, &request));
        };
        let counted_as = self.registration.pushes_counted_as;
        if counted_as.is_some_and(|number| !self.providers.pushes().count(number)) {
            let host = pushed.host_str().unwrap_or("the provider").to_owned();
            let limited = FetchError::Limited(host);
            return Err(ProviderError::Fetch(Resource::PushedRequest, limited));
        }
        let (scope, challenge) = (request.scopes.join(" "), CodeChallenge::of(request.verifier));
        let reference = self.push(pushed, &request.parameters(&scope, &challenge)).await?;
        let mut url = endpoint.clone();
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("request_uri", &reference);
        Ok(url.into())
    }
}

/// The URL with the whole request. A query that the endpoint already has is kept (RFC 6749 section 3.1).
fn url(endpoint: &Url, request: &AuthorizationRequest<'_>) -> String {
    let mut url = endpoint.clone();
    let (scope, challenge) = (request.scopes.join(" "), CodeChallenge::of(request.verifier));
    url.query_pairs_mut()
        .extend_pairs(request.parameters(&scope, &challenge));
    url.into()
}

impl<'a> AuthorizationRequest<'a> {
    /// `resource` is never sent: it is the MCP client's parameter towards us, and some providers refuse the whole request
    /// for it.
    fn parameters(&self, scope: &'a str, challenge: &'a CodeChallenge) -> [(&'static str, &'a str); 8] {
        [
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", self.redirect_uri),
            ("scope", scope),
            ("state", self.state),
            ("nonce", self.nonce),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", pkce::METHOD),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn request<'a>(scopes: &'a [String], client_id: &'a str) -> AuthorizationRequest<'a> {
        AuthorizationRequest {
            client_id,
            redirect_uri: "https://gw.example.com/oauth2/intermediate_callback",
            scopes,
            state: "the-state",
            nonce: "the-nonce",
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        }
    }

    #[test]
    fn every_parameter_is_sent_once_and_the_challenge_is_s256() {
        let scopes = ["openid".to_owned(), "profile".to_owned()];
        let endpoint = Url::parse("https://idp.example.com/authorize").unwrap();
        let url = Url::parse(&url(&endpoint, &request(&scopes, "c 1&x"))).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let by_name: HashMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(pairs.len(), 8);
        assert_eq!(by_name.len(), 8);
        assert_eq!(by_name["client_id"], "c 1&x");
        assert_eq!(by_name["scope"], "openid profile");
        // RFC 7636 appendix B.
        assert_eq!(
            by_name["code_challenge"],
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert!(!by_name.contains_key("resource"));
    }

    #[test]
    fn the_endpoint_keeps_its_own_query() {
        let scopes = ["openid".to_owned()];
        let endpoint = Url::parse("https://idp.example.com/authorize?p=policy_1").unwrap();
        let url = url(&endpoint, &request(&scopes, "c"));
        assert!(url.starts_with("https://idp.example.com/authorize?p=policy_1&response_type=code&"));
    }
}
