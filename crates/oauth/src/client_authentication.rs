//! Client authentication at the token and revocation endpoints: none, `client_secret_basic`, `client_secret_post`
//! (RFC 6749 section 2.3.1), `private_key_jwt` (RFC 7523 section 2.2).

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    Credential, client_assertion,
    error::{ErrorCode, OAuthError},
    parameters::Parameters,
};

/// Some clients leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a client is registered to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Not at all: a public client.
    None,
    /// A secret in the `Authorization` header.
    ClientSecretBasic,
    /// A secret in the body.
    ClientSecretPost,
    /// A JWT signed with the client's own key.
    PrivateKeyJwt,
}

impl Method {
    /// The name in metadata and registrations (RFC 7591 section 2).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "client_secret_basic" => Some(Self::ClientSecretBasic),
            "client_secret_post" => Some(Self::ClientSecretPost),
            "private_key_jwt" => Some(Self::PrivateKeyJwt),
            _ => None,
        }
    }

    /// Whether it uses a secret.
    pub const fn has_secret(self) -> bool {
        match self {
            Self::None | Self::PrivateKeyJwt => false,
            Self::ClientSecretBasic | Self::ClientSecretPost => true,
        }
    }
}

/// What a client presented to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The client it claims to be.
    pub client_id: String,
    /// The secret it sent, in either place.
    pub secret: Option<Credential>,
    /// The JWT it sent instead.
    pub assertion: Option<Credential>,
}

impl ClientCredentials {
    /// Reads the `Authorization` header and the body of a request. Two methods in one request are refused
    /// (RFC 6749 section 2.3); a header with another scheme is not client authentication and is ignored.
    pub fn from_request(authorization: Option<&str>, parameters: &Parameters) -> Result<Self, OAuthError> {
        let in_body = parameters.one("client_id")?;
        let secret_in_body = parameters.one("client_secret")?;
        if let Some(assertion) = parameters.one("client_assertion")? {
            if secret_in_body.is_some() || authorization.and_then(basic).is_some() {
                return Err(OAuthError::new(
                    ErrorCode::InvalidRequest,
                    "The client authenticated with a secret and with an assertion. Use only one of them.",
                ));
            }
            return Self::from_assertion(in_body, assertion, parameters);
        }
        let Some((client_id, secret)) = authorization.and_then(basic).transpose()? else {
            let client_id = in_body.ok_or_else(|| {
                OAuthError::new(
                    ErrorCode::InvalidClient,
                    "The parameter client_id is missing. Send it, or authenticate with client_secret_basic.",
                )
            })?;
            return Ok(Self {
                client_id: client_id.to_owned(),
                secret: secret_in_body.map(Credential::new),
                assertion: None,
            });
        };
        if secret_in_body.is_some() {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "The client secret was sent in the header and in the body. Send it once.",
            ));
        }
        if in_body.is_some_and(|in_body| in_body != client_id) {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "The header and the body name different clients. Send one client_id.",
            ));
        }
        Ok(Self {
            client_id,
            // RFC 6749 section 2.3.1 allows an empty secret to mean none.
            secret: Some(secret).filter(|secret| !secret.expose().is_empty()),
            assertion: None,
        })
    }

    fn from_assertion(
        client_id: Option<&str>,
        assertion: &str,
        parameters: &Parameters,
    ) -> Result<Self, OAuthError> {
        if parameters.one("client_assertion_type")? != Some(client_assertion::TYPE) {
            return Err(OAuthError::new(
                ErrorCode::InvalidClient,
                "The parameter client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
            ));
        }
        let client_id = client_id.map(str::to_owned);
        let client_id = client_id.or_else(|| client_assertion::claimed_client(assertion));
        Ok(Self {
            client_id: client_id.ok_or_else(|| {
                OAuthError::new(
                    ErrorCode::InvalidClient,
                    "The client assertion is not a JWT with the client_id in `sub`.",
                )
            })?,
            secret: None,
            assertion: Some(Credential::new(assertion)),
        })
    }
}

/// Reads a Basic header; `None` if it has another scheme.
fn basic(header: &str) -> Option<Result<(String, Credential), OAuthError>> {
    let (scheme, value) = header.trim_start().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = LENIENT
        .decode(value.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    Some(match pair {
        Some((id, secret)) if !id.is_empty() => Ok((form_decoded(id), Credential::new(form_decoded(secret)))),
        _ => Err(OAuthError::new(
            ErrorCode::InvalidClient,
            "The Authorization header is not Basic authentication with a client ID and secret.",
        )),
    })
}

/// ID and secret are form-encoded before they are joined (RFC 6749 section 2.3.1 and appendix B).
fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decoded(&spaced).unwrap_or_else(|| text.to_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = after.get(..2)?;
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(digits[0])? * 16 + digit(digits[1])?;
            bytes.push(u8::try_from(value).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn read(header: Option<&str>, body: &str) -> Result<ClientCredentials, OAuthError> {
        ClientCredentials::from_request(header, &Parameters::parse(body))
    }

    /// An assertion that names no client.
    const TYPED: &str = "client_assertion=e30.e30.e30&client_assertion_type=\
                         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

    fn header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn the_three_ways_are_read() {
        let none = read(None, "client_id=a").unwrap();
        assert_eq!((none.client_id.as_str(), none.secret), ("a", None));
        let post = read(None, "client_id=a&client_secret=s").unwrap();
        assert_eq!(post.secret.unwrap().expose(), "s");
        let basic = read(
            Some(&header("https%3A%2F%2Fa.example%2Fx:p%2Bq+r")),
            "client_id=https%3A%2F%2Fa.example%2Fx",
        )
        .unwrap();
        assert_eq!(basic.client_id, "https://a.example/x");
        assert_eq!(basic.secret.unwrap().expose(), "p+q r");
        assert_eq!(read(Some(&header("a:")), "").unwrap().secret, None);
        assert_eq!(read(Some("Bearer x"), "client_id=a").unwrap().client_id, "a");
        assert_eq!(
            read(Some(header("a:100%").trim_end_matches('=')), "")
                .unwrap()
                .secret
                .unwrap()
                .expose(),
            "100%"
        );
    }

    #[test]
    fn an_assertion_is_read_and_may_name_the_client_alone() {
        let named = read(None, &format!("{TYPED}&client_id=a")).unwrap();
        assert_eq!(named.client_id, "a");
        assert_eq!(named.assertion.unwrap().expose(), "e30.e30.e30");
        // {"sub":"b"}
        let alone = read(None, &TYPED.replace("e30.e30.e30", "e30.eyJzdWIiOiJiIn0.e30")).unwrap();
        assert_eq!((alone.client_id.as_str(), alone.secret), ("b", None));
    }

    #[test]
    fn two_ways_at_once_and_broken_headers_are_refused() {
        for (authorization, body, code) in [
            (None, "", ErrorCode::InvalidClient),
            (None, "client_id=a&client_id=a", ErrorCode::InvalidRequest),
            (
                Some(header("a:s")),
                "client_id=a&client_secret=s",
                ErrorCode::InvalidRequest,
            ),
            (Some(header("a:s")), "client_id=b", ErrorCode::InvalidRequest),
            (Some(header("no colon")), "client_id=a", ErrorCode::InvalidClient),
            (
                Some("Basic ???".to_owned()),
                "client_id=a",
                ErrorCode::InvalidClient,
            ),
            (None, "client_id=a&client_assertion=eyJ", ErrorCode::InvalidClient),
            (None, TYPED, ErrorCode::InvalidClient),
            (
                None,
                &format!("{TYPED}&client_id=a&client_secret=s"),
                ErrorCode::InvalidRequest,
            ),
            (
                Some(header("a:s")),
                &format!("{TYPED}&client_id=a"),
                ErrorCode::InvalidRequest,
            ),
            (
                None,
                &format!("{TYPED}&client_id=a&client_assertion=eyJ"),
                ErrorCode::InvalidRequest,
            ),
        ] {
            assert_eq!(
                read(authorization.as_deref(), body).unwrap_err().code,
                code,
                "{authorization:?} {body}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_panic(text in ".{0,120}", pair in ".{0,60}") {
            let _ = read(Some(&text), "");
            let _ = read(Some(&header(&pair)), "");
        }

        #[test]
        fn what_was_form_encoded_is_read_back(id in ".{1,40}", secret in ".{1,40}") {
            let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let read = read(Some(&header(&format!("{}:{}", encode(&id), encode(&secret)))), "").unwrap();
            proptest::prop_assert_eq!(read.client_id, id);
            let presented = read.secret.unwrap();
            proptest::prop_assert_eq!(presented.expose(), secret.as_str());
        }
    }
}
