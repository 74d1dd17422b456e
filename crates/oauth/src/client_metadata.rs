//! Dynamic client registration: the request as read, the response as sent (RFC 7591 sections 2 and 3). Members that this
//! server does not use are ignored, as section 2 asks.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    client_authentication::Method,
    error::{ErrorCode, OAuthError},
    redirect_uri::RedirectUri,
    scope::Scopes,
};

/// The maximum number of redirect URIs of one client. Real clients register one to five.
pub const MAX_REDIRECT_URIS: usize = 10;

/// The maximum length of a client's name in characters.
pub const MAX_NAME_CHARACTERS: usize = 80;

/// What a client registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its redirect URIs; at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// Its name, made harmless; can be empty.
    pub client_name: String,
    /// How it authenticates.
    pub method: Method,
}

impl Registration {
    /// Reads a registration request.
    pub fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(invalid(
                "The registration must be a JSON object (RFC 7591 section 3.1).",
            ));
        };
        let redirect_uris = redirect_uris(&members)?;
        let method = match text(&members, "token_endpoint_auth_method")? {
            // RFC 7591 section 2: the default.
            None => Method::ClientSecretBasic,
            // A client ID that contains everything has no room for keys.
            Some(name) => Method::from_name(name)
                .filter(|method| *method != Method::PrivateKeyJwt)
                .ok_or_else(|| {
                    invalid(
                        "The member token_endpoint_auth_method must be none, client_secret_basic or client_secret_post. \
                         A client that signs with private_key_jwt uses a metadata document, or is registered by the \
                         gateway's administrator.",
                    )
                })?,
        };
        must_contain(&members, "response_types", "code")?;
        must_contain(&members, "grant_types", "authorization_code")?;
        Ok(Self {
            redirect_uris,
            client_name: display_name(text(&members, "client_name")?.unwrap_or_default()),
            method,
        })
    }
}

/// The response to a registration (RFC 7591 section 3.2.1). Absent members are left out: clients fail on `null`.
#[derive(Debug, Clone, Serialize)]
pub struct RegistrationResponse {
    /// The id.
    pub client_id: String,
    /// Whole seconds since the epoch: clients also fail on fractions.
    pub client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<IssuedSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    /// The client's name, made harmless; can be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_name: String,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: &'static str,
    grant_types: [&'static str; 2],
    response_types: [&'static str; 1],
    scope: String,
}

/// A new client secret: once in the response, never in Debug.
#[derive(Clone, Serialize)]
struct IssuedSecret(String);

impl std::fmt::Debug for IssuedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl RegistrationResponse {
    /// The response that returns `client_id` and, to a confidential client, its secret, which does not expire.
    pub fn new(
        registration: &Registration,
        client_id: String,
        issued_at_seconds: i64,
        secret: Option<String>,
    ) -> Self {
        Self {
            client_id,
            client_id_issued_at: issued_at_seconds,
            client_secret_expires_at: secret.is_some().then_some(0),
            client_secret: secret.map(IssuedSecret),
            client_name: registration.client_name.clone(),
            redirect_uris: registration
                .redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            token_endpoint_auth_method: registration.method.as_str(),
            grant_types: ["authorization_code", "refresh_token"],
            response_types: ["code"],
            scope: Scopes::all().to_string(),
        }
    }
}

/// A name chosen by a stranger, made harmless: no control characters, nothing invisible, nothing that changes the text
/// direction, single spaces, at most 80 characters.
pub fn display_name(text: &str) -> String {
    let visible = text
        .chars()
        .filter(|char| !is_invisible(*char))
        .collect::<String>();
    let spaced = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    spaced
        .chars()
        .take(MAX_NAME_CHARACTERS)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Control characters (but not white space), bidirectional controls, zero-width and other format characters, private
/// use, and stacked marks: nothing a name needs.
fn is_invisible(char: char) -> bool {
    (char.is_control() && !char.is_whitespace())
        || matches!(
            u32::from(char),
            0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
                | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xe000..=0xf8ff | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
                | 0xfff0..=0xffff | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0x0010_ffff
                | 0x0300..=0x036f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff
        )
}

/// The `redirect_uris` member: strict, so that developers find a mistake now and not at sign-in.
fn redirect_uris(members: &Map<String, Value>) -> Result<Vec<RedirectUri>, OAuthError> {
    let missing = || {
        OAuthError::new(
            ErrorCode::InvalidRedirectUri,
            "The member redirect_uris must be a list of 1 to 10 URIs.",
        )
    };
    let listed = members
        .get("redirect_uris")
        .and_then(Value::as_array)
        .ok_or_else(missing)?;
    if listed.is_empty() || listed.len() > MAX_REDIRECT_URIS {
        return Err(missing());
    }
    listed
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let text = value.as_str().ok_or_else(missing)?;
            RedirectUri::parse(text).map_err(|error| {
                OAuthError::new(
                    ErrorCode::InvalidRedirectUri,
                    format!("The redirect URI at redirect_uris[{index}] cannot be used: {error}."),
                )
            })
        })
        .collect()
}

/// A text member; `null` counts as absent.
fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, OAuthError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("The member {name} must be a string."))),
    }
}

/// A list member that, if present, must contain `value`; others in it are not granted, which the response shows.
fn must_contain(members: &Map<String, Value>, name: &'static str, value: &str) -> Result<(), OAuthError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(listed)) if listed.is_empty() || listed.iter().any(|listed| listed == value) => {
            Ok(())
        }
        Some(_) => Err(invalid(format!(
            "The member {name} must be a list that contains {value}."
        ))),
    }
}

fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: &Value) -> Result<Registration, OAuthError> {
        Registration::parse(value.to_string().as_bytes())
    }

    #[test]
    fn what_clients_send_is_read() {
        let registration = parse(&json!({
            "redirect_uris": ["http://localhost:3118/callback"],
            "client_name": "Claude Code",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "native",
            "logo_uri": null,
            "scope": "mcp unknown",
        }))
        .unwrap();
        assert_eq!(
            (registration.client_name.as_str(), registration.method),
            ("Claude Code", Method::None)
        );
        let default =
            parse(&json!({"redirect_uris": ["cursor://a/cb"], "token_endpoint_auth_method": null})).unwrap();
        assert_eq!(default.method, Method::ClientSecretBasic);
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_member() {
        use ErrorCode as C;
        let uris = json!(["https://a.example/cb"]);
        for (value, code) in [
            (json!([]), C::InvalidClientMetadata),
            (json!({}), C::InvalidRedirectUri),
            (json!({"redirect_uris": []}), C::InvalidRedirectUri),
            (
                json!({"redirect_uris": "https://a.example/cb"}),
                C::InvalidRedirectUri,
            ),
            (
                json!({"redirect_uris": ["javascript:alert(1)"]}),
                C::InvalidRedirectUri,
            ),
            (
                json!({"redirect_uris": ["https://a.example/cb", 7]}),
                C::InvalidRedirectUri,
            ),
            (
                json!({"redirect_uris": vec!["https://a.example/cb"; 11]}),
                C::InvalidRedirectUri,
            ),
            (
                json!({"redirect_uris": uris, "client_name": 7}),
                C::InvalidClientMetadata,
            ),
            (
                json!({"redirect_uris": uris, "token_endpoint_auth_method": "private_key_jwt"}),
                C::InvalidClientMetadata,
            ),
            (
                json!({"redirect_uris": uris, "response_types": ["token"]}),
                C::InvalidClientMetadata,
            ),
            (
                json!({"redirect_uris": uris, "grant_types": ["client_credentials"]}),
                C::InvalidClientMetadata,
            ),
        ] {
            assert_eq!(parse(&value).unwrap_err().code, code, "{value}");
        }
        let error = parse(&json!({"redirect_uris": ["https://a.example/cb", "file:///x"]})).unwrap_err();
        assert!(error.description.contains("redirect_uris[1]"), "{error}");
    }

    #[test]
    fn an_answer_has_no_null_no_fraction_and_names_the_method() {
        let registration = parse(&json!({"redirect_uris": ["https://a.example/cb"]})).unwrap();
        let secret =
            RegistrationResponse::new(&registration, "id".into(), 1_700_000_000, Some("hush".into()));
        assert!(!format!("{secret:?}").contains("hush"));
        let answer = serde_json::to_value(&secret).unwrap();
        assert_eq!(answer["client_secret"], "hush");
        assert_eq!(answer["client_secret_expires_at"], 0);
        assert_eq!(answer["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!(
            answer["grant_types"],
            json!(["authorization_code", "refresh_token"])
        );
        assert!(answer["client_id_issued_at"].is_i64());
        let public = RegistrationResponse::new(&registration, "id".into(), 1_700_000_000, None);
        let answer = serde_json::to_value(&public).unwrap();
        assert!(answer.as_object().unwrap().values().all(|value| !value.is_null()));
        assert!(answer.get("client_secret").is_none() && answer.get("client_name").is_none());
    }

    #[test]
    fn hostile_names_are_made_harmless() {
        assert_eq!(
            display_name("  Claude\u{202e}edoC\u{200b}\u{0} \n Code "),
            "ClaudeedoC Code"
        );
        assert_eq!(display_name("Zoë 日本 <b>"), "Zoë 日本 <b>");
        assert_eq!(display_name(&"x".repeat(10_000)).len(), 80);
        assert_eq!(display_name("\u{feff}\u{2066}\u{e0041}"), "");
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_without_panic(body: Vec<u8>) {
            let _ = Registration::parse(&body);
        }

        #[test]
        fn names_are_short_and_stable(text in ".{0,200}") {
            let name = display_name(&text);
            proptest::prop_assert!(name.chars().count() <= MAX_NAME_CHARACTERS);
            proptest::prop_assert_eq!(display_name(&name), name);
        }
    }
}
