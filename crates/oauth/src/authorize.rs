//! The authorization request (RFC 6749 section 4.1.1): unverified until its client and redirect URI are known good,
//! then checked by a table of small named checks. Only a [`VerifiedRedirect`] can carry a response to a client, and it
//! exists only after that verification: before it, errors are our own pages.

mod check;

use crate::{
    error::{OAuthError, printable},
    parameters::Parameters,
    pkce::CodeChallenge,
    redirect_uri::{Kind, RedirectUri, RedirectUriError},
    scope::Scopes,
};

use check::CHECKS;

/// `state` travels through our form, a cookie and two redirects: longer ones do not arrive.
const MAX_STATE_BYTES: usize = 2_048;

/// An authorization request as it arrived. Nothing in it is trusted.
#[derive(Debug, Clone)]
pub struct UnverifiedRequest {
    parameters: Parameters,
}

/// Why a request cannot be answered at its redirect URI. The user sees a page instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// No `client_id`.
    #[error("the request does not say which app it comes from (client_id is missing)")]
    ClientIdMissing,
    /// More than one `client_id`.
    #[error("the request names more than one app (client_id is repeated)")]
    ClientIdRepeated,
    /// No `redirect_uri`, and the client registered several.
    #[error("the request does not say where to return to (redirect_uri is missing)")]
    RedirectUriMissing,
    /// More than one `redirect_uri`.
    #[error("the request names more than one place to return to (redirect_uri is repeated)")]
    RedirectUriRepeated,
    /// A `state` that is too long to be returned: without it, the client could not match the response to its request.
    #[error("the value that the app wants returned (state) is longer than 2,048 bytes")]
    StateTooLong,
    /// More than one `state`.
    #[error("the request contains more than one value to return to the app (state is repeated)")]
    StateRepeated,
    /// A `redirect_uri` that clients cannot have.
    #[error("the place to return to (redirect_uri) cannot be used: {0}")]
    RedirectUriRefused(#[from] RedirectUriError),
    /// A `redirect_uri` that this client did not register.
    #[error("the place to return to (redirect_uri) is not one the app registered")]
    RedirectUriUnregistered,
}

/// A redirect URI proven to belong to the requesting client, with what every response must carry. The only way to
/// send an error or a code to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRedirect {
    uri: String,
    state: Option<String>,
    issuer: String,
}

impl VerifiedRedirect {
    /// The redirect of a request that was verified before and has been kept sealed since.
    pub fn resume(uri: &str, state: Option<&str>, issuer: &str) -> Self {
        Self {
            uri: uri.to_owned(),
            state: state.map(str::to_owned),
            issuer: issuer.to_owned(),
        }
    }

    /// The redirect URI, exactly as the request had it.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The client's `state`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The redirect that returns a code (RFC 6749 section 4.1.2, RFC 9207 section 2).
    pub fn with_code(&self, code: &str) -> String {
        self.with(&[("code", code)])
    }

    /// The redirect that returns an error (RFC 6749 section 4.1.2.1, RFC 9207 section 2).
    pub fn with_error(&self, error: &OAuthError) -> String {
        let description = printable(&error.description);
        self.with(&[
            ("error", error.code.as_str()),
            ("error_description", &description),
        ])
    }

    fn with(&self, answer: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(answer);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.issuer);
        // Appended as text, so that the registered URI stays unchanged to the byte.
        let separator = match self.uri.find('?') {
            None => "?",
            Some(at) if at + 1 == self.uri.len() => "",
            Some(_) => "&",
        };
        format!("{}{separator}{}", self.uri, query.finish())
    }
}

/// A request that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Where the response goes.
    pub redirect: VerifiedRedirect,
    /// What kind of place that is.
    pub kind: Kind,
    /// The PKCE challenge.
    pub code_challenge: CodeChallenge,
    /// What is granted if the user agrees.
    pub scopes: Scopes,
}

/// A request whose redirect is verified and whose other parameters are not yet.
#[derive(Debug, Clone)]
pub struct RedirectableRequest {
    parameters: Parameters,
    redirect: VerifiedRedirect,
    kind: Kind,
}

/// A check that failed after the redirect was verified: the client gets the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Where to send it.
    pub redirect: VerifiedRedirect,
    /// The error.
    pub error: OAuthError,
}

impl UnverifiedRequest {
    /// Reads the query of an authorization request.
    pub fn parse(query: &str) -> Self {
        Self {
            parameters: Parameters::parse(query),
        }
    }

    /// The client that the request claims to come from.
    pub fn client_id(&self) -> Result<&str, LocalError> {
        match self.parameters.one("client_id") {
            Ok(Some(client_id)) => Ok(client_id),
            Ok(None) => Err(LocalError::ClientIdMissing),
            Err(_) => Err(LocalError::ClientIdRepeated),
        }
    }

    /// The named resources, to find out which gateway is meant.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.parameters.all("resource")
    }

    /// Checks the redirect URI against those the client registered.
    pub fn verify_redirect(
        self,
        registered: &[RedirectUri],
        issuer: &str,
    ) -> Result<RedirectableRequest, LocalError> {
        let presented = self
            .parameters
            .one("redirect_uri")
            .map_err(|_| LocalError::RedirectUriRepeated)?;
        let redirect_uri = match (presented, registered) {
            (Some(text), _) => RedirectUri::parse(text)?,
            (None, [only]) => only.clone(),
            (None, _) => return Err(LocalError::RedirectUriMissing),
        };
        if !registered
            .iter()
            .any(|known| redirect_uri.is_registered_as(known))
        {
            return Err(LocalError::RedirectUriUnregistered);
        }
        let state = self
            .parameters
            .one("state")
            .map_err(|_| LocalError::StateRepeated)?;
        if state.is_some_and(|state| state.len() > MAX_STATE_BYTES) {
            return Err(LocalError::StateTooLong);
        }
        let redirect = VerifiedRedirect {
            uri: redirect_uri.as_str().to_owned(),
            state: state.map(str::to_owned),
            issuer: issuer.to_owned(),
        };
        Ok(RedirectableRequest {
            parameters: self.parameters,
            redirect,
            kind: redirect_uri.kind(),
        })
    }
}

impl RedirectableRequest {
    /// Runs every check; the client receives the first error.
    pub fn check(self) -> Result<AuthorizationRequest, Rejection> {
        let outcome = CHECKS
            .iter()
            .try_for_each(|check| check(&self.parameters, &self.redirect.issuer))
            .and_then(|()| check::challenge(&self.parameters));
        match outcome {
            Ok(code_challenge) => Ok(AuthorizationRequest {
                scopes: Scopes::grant(self.parameters.all("scope").next()),
                redirect: self.redirect,
                kind: self.kind,
                code_challenge,
            }),
            Err(error) => Err(Rejection {
                redirect: self.redirect,
                error,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    const ISSUER: &str = "https://gw.example/mcp/acme";
    const GOOD: &[(&str, &str)] = &[
        ("response_type", "code"),
        ("client_id", "client"),
        ("redirect_uri", "https://app.example/cb"),
        ("state", "a b&c=<é>"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];

    fn request(pairs: &[(&str, &str)]) -> UnverifiedRequest {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        UnverifiedRequest::parse(&query)
    }

    fn registered() -> Vec<RedirectUri> {
        ["https://app.example/cb", "http://localhost/cb"]
            .map(|uri| RedirectUri::parse(uri).unwrap())
            .into()
    }

    fn without(name: &str) -> Vec<(&'static str, &'static str)> {
        GOOD.iter().filter(|(key, _)| *key != name).copied().collect()
    }

    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        let mut pairs = without(name);
        pairs.push((name, value));
        pairs
    }

    fn rejection(pairs: &[(&str, &str)]) -> Rejection {
        request(pairs)
            .verify_redirect(&registered(), ISSUER)
            .unwrap()
            .check()
            .unwrap_err()
    }

    #[test]
    fn a_good_request_passes_and_its_answers_carry_state_and_issuer() {
        let good = request(GOOD)
            .verify_redirect(&registered(), ISSUER)
            .unwrap()
            .check()
            .unwrap();
        assert_eq!(good.kind, Kind::Https);
        assert_eq!(good.scopes.to_string(), "mcp");
        assert_eq!(
            good.redirect.with_code("abc"),
            "https://app.example/cb?code=abc&state=a+b%26c%3D%3C%C3%A9%3E&iss=https%3A%2F%2Fgw.example%2Fmcp%2Facme"
        );
    }

    #[test]
    fn without_a_verified_client_and_redirect_there_is_nowhere_to_send_an_error() {
        let refused =
            |pairs: &[(&str, &str)]| request(pairs).verify_redirect(&registered(), ISSUER).unwrap_err();
        assert_eq!(
            request(&without("client_id")).client_id(),
            Err(LocalError::ClientIdMissing)
        );
        assert_eq!(refused(&without("redirect_uri")), LocalError::RedirectUriMissing);
        for variant in [
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "https://app.example.evil.example/cb",
        ] {
            assert_eq!(
                refused(&with("redirect_uri", variant)),
                LocalError::RedirectUriUnregistered,
                "{variant}"
            );
        }
        for variant in [
            "https://app.example@evil.example/cb",
            "https://app.example/x/../cb",
            "https://app.example/cb#x",
            "javascript:alert(1)",
        ] {
            let error = refused(&with("redirect_uri", variant));
            assert!(matches!(error, LocalError::RedirectUriRefused(_)), "{variant}");
        }
        let twice = [GOOD, &[("redirect_uri", "https://app.example/cb")]].concat();
        assert_eq!(refused(&twice), LocalError::RedirectUriRepeated);
        let twice = [GOOD, &[("client_id", "client")]].concat();
        assert_eq!(request(&twice).client_id(), Err(LocalError::ClientIdRepeated));
    }

    #[test]
    fn a_state_that_cannot_be_carried_back_is_a_page_and_no_redirect_without_it() {
        let refused =
            |pairs: &[(&str, &str)]| request(pairs).verify_redirect(&registered(), ISSUER).unwrap_err();
        let twice = [GOOD, &[("state", "x")]].concat();
        assert_eq!(refused(&twice), LocalError::StateRepeated);
        let (fits, long) = ("s".repeat(MAX_STATE_BYTES), "s".repeat(MAX_STATE_BYTES + 1));
        let mut pairs = without("state");
        pairs.push(("state", &long));
        assert_eq!(refused(&pairs), LocalError::StateTooLong);
        let mut pairs = without("state");
        pairs.push(("state", &fits));
        let redirect = request(&pairs)
            .verify_redirect(&registered(), ISSUER)
            .unwrap()
            .redirect;
        assert_eq!(redirect.state(), Some(fits.as_str()));
    }

    #[test]
    fn the_only_registered_redirect_may_be_left_out() {
        let only = [RedirectUri::parse("https://app.example/cb").unwrap()];
        assert!(
            request(&without("redirect_uri"))
                .verify_redirect(&only, ISSUER)
                .unwrap()
                .check()
                .is_ok()
        );
    }

    #[test]
    fn every_check_refuses_what_it_is_named_for() {
        use ErrorCode as C;
        let cases: &[(Vec<(&str, &str)>, C)] = &[
            (
                [GOOD, &[("scope", "a"), ("scope", "b")]].concat(),
                C::InvalidRequest,
            ),
            ([GOOD, &[("code_challenge", "x")]].concat(), C::InvalidRequest),
            (with("request", "eyJ"), C::RequestNotSupported),
            (
                with("request_uri", "https://x.example"),
                C::RequestUriNotSupported,
            ),
            (without("response_type"), C::InvalidRequest),
            (with("response_type", "token"), C::UnsupportedResponseType),
            (with("response_type", "code id_token"), C::UnsupportedResponseType),
            (with("response_mode", "fragment"), C::InvalidRequest),
            (without("code_challenge"), C::InvalidRequest),
            (without("code_challenge_method"), C::InvalidRequest),
            (with("code_challenge_method", "plain"), C::InvalidRequest),
            (with("resource", "https://other.example/mcp"), C::InvalidTarget),
        ];
        for (pairs, code) in cases {
            let rejection = rejection(pairs);
            assert_eq!(rejection.error.code, *code, "{pairs:?}");
            let location = rejection.redirect.with_error(&rejection.error);
            assert!(
                location.starts_with("https://app.example/cb?error="),
                "{location}"
            );
            assert!(
                location.contains("&state=") && location.contains("&iss="),
                "{location}"
            );
        }
    }

    #[test]
    fn a_query_of_the_redirect_is_kept() {
        let redirect = |uri| VerifiedRedirect::resume(uri, None, "i").with_code("c");
        assert_eq!(redirect("cursor://a/cb"), "cursor://a/cb?code=c&iss=i");
        assert_eq!(
            redirect("https://a.example/?x=1"),
            "https://a.example/?x=1&code=c&iss=i"
        );
        assert_eq!(redirect("https://a.example/?"), "https://a.example/?code=c&iss=i");
    }

    proptest::proptest! {
        #[test]
        fn no_query_causes_a_panic(query in ".{0,300}") {
            let request = UnverifiedRequest::parse(&query);
            let _ = request.client_id();
            if let Ok(redirectable) = request.verify_redirect(&registered(), ISSUER) {
                let _ = redirectable.check();
            }
        }

        #[test]
        fn state_comes_back_exactly(state in ".{1,100}") {
            let location = VerifiedRedirect::resume("https://a.example/cb", Some(&state), ISSUER).with_code("c");
            let back = url::Url::parse(&location).unwrap();
            let found = back.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
            proptest::prop_assert_eq!(found, Some(state));
        }
    }
}
