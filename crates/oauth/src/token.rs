//! The token request (RFC 6749 sections 4.1.3 and 6), its response (section 5.1), and the revocation request (RFC 7009).

use serde::Serialize;

use crate::{
    Credential,
    client_authentication::ClientCredentials,
    error::{ErrorCode, OAuthError},
    parameters::Parameters,
    pkce, resource,
};

/// A well-formed token request, not yet trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The client that claims to send it.
    pub client: ClientCredentials,
    /// The code or refresh token.
    pub grant: GrantRequest,
    parameters: Parameters,
}

/// The code or refresh token of a token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantRequest {
    /// `authorization_code`.
    AuthorizationCode {
        /// The code.
        code: Credential,
        /// The redirect URI of the authorization request; OAuth 2.1 no longer requires it.
        redirect_uri: Option<String>,
        /// The PKCE verifier, well-formed.
        verifier: Credential,
    },
    /// `refresh_token`. A `scope` parameter is not read: the response says what the grant contains.
    RefreshToken {
        /// The refresh token.
        token: Credential,
    },
}

impl TokenRequest {
    /// Reads a request from its `Authorization` header and form body.
    pub fn parse(authorization: Option<&str>, body: &str) -> Result<Self, OAuthError> {
        let parameters = Parameters::parse(body);
        let client = ClientCredentials::from_request(authorization, &parameters)?;
        let grant = match parameters.required("grant_type")? {
            "authorization_code" => GrantRequest::AuthorizationCode {
                code: Credential::new(parameters.required("code")?),
                redirect_uri: parameters.one("redirect_uri")?.map(str::to_owned),
                verifier: verifier(&parameters)?,
            },
            "refresh_token" => GrantRequest::RefreshToken {
                token: Credential::new(parameters.required("refresh_token")?),
            },
            _ => {
                return Err(OAuthError::new(
                    ErrorCode::UnsupportedGrantType,
                    "Only the grant types authorization_code and refresh_token are supported.",
                ));
            }
        };
        Ok(Self {
            client,
            grant,
            parameters,
        })
    }

    /// Checks that the named resources, if any, are this gateway (RFC 8707 section 2.2).
    pub fn check_resource(&self, canonical: &str) -> Result<(), OAuthError> {
        resource::check(&self.parameters, canonical)
    }

    /// The named resources, to find out which gateway is meant.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.parameters.all("resource")
    }
}

fn verifier(parameters: &Parameters) -> Result<Credential, OAuthError> {
    let verifier = parameters.required("code_verifier")?;
    if pkce::is_verifier(verifier) {
        Ok(Credential::new(verifier))
    } else {
        Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "The parameter code_verifier must have 43 to 128 unreserved characters (RFC 7636 section 4.1).",
        ))
    }
}

/// A successful response (RFC 6749 section 5.1). Its Debug shows no token.
#[derive(Debug, Clone, Serialize)]
pub struct TokenResponse {
    access_token: Shown,
    token_type: &'static str,
    expires_in: u32,
    refresh_token: Shown,
    scope: String,
}

/// A token in a response: serialized unchanged, never shown in Debug.
#[derive(Clone, Serialize)]
struct Shown(String);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl TokenResponse {
    /// The response with an access token that is valid for `expires_in` seconds, and its refresh token.
    pub fn new(access_token: String, expires_in: u32, refresh_token: String, scope: String) -> Self {
        Self {
            access_token: Shown(access_token),
            token_type: "Bearer",
            expires_in,
            refresh_token: Shown(refresh_token),
            scope,
        }
    }
}

/// A revocation request (RFC 7009 section 2.1). `token_type_hint` is only a hint and is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRequest {
    /// The client that claims to send it.
    pub client: ClientCredentials,
    /// The token to revoke, of either kind.
    pub token: Credential,
}

impl RevocationRequest {
    /// Reads a request from its `Authorization` header and form body.
    pub fn parse(authorization: Option<&str>, body: &str) -> Result<Self, OAuthError> {
        let parameters = Parameters::parse(body);
        Ok(Self {
            client: ClientCredentials::from_request(authorization, &parameters)?,
            token: Credential::new(parameters.required("token")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn parse(body: &str) -> Result<TokenRequest, OAuthError> {
        TokenRequest::parse(None, body)
    }

    #[test]
    fn both_grants_are_read() {
        let code = parse(&format!(
            "grant_type=authorization_code&client_id=a&code=c&code_verifier={VERIFIER}"
        ))
        .unwrap();
        assert!(matches!(
            code.grant,
            GrantRequest::AuthorizationCode {
                redirect_uri: None,
                ..
            }
        ));
        let refresh = parse("grant_type=refresh_token&client_id=a&refresh_token=r&scope=mcp").unwrap();
        assert!(matches!(refresh.grant, GrantRequest::RefreshToken { .. }));
        assert!(refresh.check_resource("https://gw.example/mcp/a").is_ok());
    }

    #[test]
    fn missing_repeated_and_foreign_parameters_are_refused() {
        use ErrorCode as C;
        let with_verifier = |rest: &str| format!("{rest}&code_verifier={VERIFIER}");
        for (body, code) in [
            ("client_id=a".to_owned(), C::InvalidRequest),
            (
                "client_id=a&grant_type=password".to_owned(),
                C::UnsupportedGrantType,
            ),
            (
                "client_id=a&grant_type=client_credentials".to_owned(),
                C::UnsupportedGrantType,
            ),
            (
                "grant_type=authorization_code&client_id=a&code=c".to_owned(),
                C::InvalidRequest,
            ),
            (
                "grant_type=authorization_code&client_id=a&code=c&code_verifier=short".to_owned(),
                C::InvalidRequest,
            ),
            (
                with_verifier("grant_type=authorization_code&client_id=a"),
                C::InvalidRequest,
            ),
            (
                with_verifier("grant_type=authorization_code&client_id=a&code=c&code=d"),
                C::InvalidRequest,
            ),
            (
                with_verifier("grant_type=authorization_code&code=c"),
                C::InvalidClient,
            ),
            (
                "grant_type=refresh_token&client_id=a".to_owned(),
                C::InvalidRequest,
            ),
        ] {
            assert_eq!(parse(&body).unwrap_err().code, code, "{body}");
        }
        let foreign = parse(
            "grant_type=refresh_token&client_id=a&refresh_token=r&resource=https%3A%2F%2Fother.example",
        );
        assert_eq!(
            foreign
                .unwrap()
                .check_resource("https://gw.example/mcp/a")
                .unwrap_err()
                .code,
            C::InvalidTarget
        );
    }

    #[test]
    fn a_response_is_json_and_its_debug_shows_nothing() {
        let answer = TokenResponse::new("at".into(), 3600, "rt".into(), "mcp".into());
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt","scope":"mcp"}"#
        );
        let request = parse("grant_type=refresh_token&client_id=a&refresh_token=hush").unwrap();
        assert!(
            !format!("{answer:?}{request:?}").contains("hush") && !format!("{answer:?}").contains("rt\"")
        );
    }

    #[test]
    fn a_revocation_names_client_and_token() {
        let request =
            RevocationRequest::parse(None, "client_id=a&token=t&token_type_hint=refresh_token").unwrap();
        assert_eq!(request.token.expose(), "t");
        assert!(RevocationRequest::parse(None, "client_id=a").is_err());
        assert!(RevocationRequest::parse(None, "token=t").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_without_panic(body in ".{0,300}") {
            let _ = parse(&body);
            let _ = RevocationRequest::parse(Some(&body), &body);
        }
    }
}
