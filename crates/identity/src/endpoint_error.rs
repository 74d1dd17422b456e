//! What an endpoint of a provider says went wrong (RFC 6749 section 5.2), also if it says so in its own words: what is
//! said about the client must be recognised, because another secret, or another way to send it, may be right.

use serde_json::{Map, Value};

use crate::excerpt::excerpt;

/// How much of an error code is repeated.
const SHOWN: usize = 60;

/// An error of an endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EndpointError {
    /// Its code, made safe to show.
    pub(crate) code: String,
    /// What it is about.
    pub(crate) kind: ErrorKind,
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The client: its id, its secret, or how that was sent.
    Client,
    /// The code.
    Grant,
    /// It is temporary.
    Passing,
    /// Anything else.
    Other,
}

impl EndpointError {
    /// The error of an answer, whatever its HTTP status: some providers send errors with 200. An empty `error` is none, and
    /// some put an object there instead or use another name.
    pub(crate) fn find(body: &Map<String, Value>) -> Option<Self> {
        let text = |from: &Map<String, Value>, name: &str| {
            let text = from.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let (code, description) = match body.get("error") {
            Some(Value::String(code)) if !code.is_empty() => (code.clone(), text(body, "error_description")),
            Some(Value::Object(inner)) => {
                let code = ["code", "type", "error"]
                    .iter()
                    .find_map(|name| text(inner, name));
                let message = text(inner, "message").or_else(|| text(inner, "error_description"));
                (code.or_else(|| message.clone())?, message)
            }
            // Okta has these names for its own error, such as a client id that it does not know.
            _ => (text(body, "errorCode")?, text(body, "errorSummary")),
        };
        let description = description.or_else(|| text(body, "message")).unwrap_or_default();
        let shown = excerpt(&code, SHOWN);
        Some(Self {
            kind: ErrorKind::of(&code, &description),
            code: number(&description).map_or_else(|| shown.clone(), |number| format!("{shown}, {number}")),
        })
    }
}

/// The number that a description of Microsoft's begins with, such as `AADSTS7000222`: it says what the code does not, and
/// people look it up. Nothing else of a description is repeated.
fn number(description: &str) -> Option<&str> {
    let (number, _) = description.split_once(':')?;
    let digits = ["AADSTS", "AADB2C"]
        .into_iter()
        .find_map(|prefix| number.strip_prefix(prefix))?;
    let is_number = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(number)
}

/// Whether an error code, as it is shown, means a temporary condition (RFC 6749 section 4.1.2.1).
pub fn is_passing(shown: &str) -> bool {
    let code = shown.split(',').next().unwrap_or_default();
    ErrorKind::of(code, "") == ErrorKind::Passing
}

impl ErrorKind {
    fn of(code: &str, description: &str) -> Self {
        let code = code.to_ascii_lowercase();
        let description = description.to_ascii_lowercase().replace(['_', '-'], " ");
        match code.as_str() {
            "invalid_client" | "unauthorized_client" => return Self::Client,
            // Azure AD B2C reports a wrong secret like this (AADB2C90081).
            "invalid_grant" if description.contains("client secret does not match") => return Self::Client,
            "invalid_grant" => return Self::Grant,
            "temporarily_unavailable" | "server_error" | "slow_down" => return Self::Passing,
            _ => {}
        }
        let words = code.replace(['_', '-', '.'], " ");
        let of_code = [
            "client secret",
            "client credential",
            "client auth",
            "invalid secret",
            "bad secret",
        ];
        let of_description = ["client secret", "client credential", "client authentication"];
        if of_code.iter().any(|phrase| words.contains(phrase))
            || of_description.iter().any(|phrase| description.contains(phrase))
        {
            Self::Client
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn find(body: &Value) -> Option<EndpointError> {
        EndpointError::find(body.as_object().unwrap())
    }

    #[rstest]
    #[case(json!({"error": "invalid_client"}), ErrorKind::Client)]
    #[case(json!({"error": "incorrect_client_credentials"}), ErrorKind::Client)]
    #[case(json!({"ok": false, "error": "bad_client_secret"}), ErrorKind::Client)]
    #[case(json!({"error": "invalid_client_secret"}), ErrorKind::Client)]
    #[case(json!({"error": {"message": "Error validating client secret.", "type": "OAuthException", "code": 1}}), ErrorKind::Client)]
    #[case(json!({"error": "invalid_request", "error_description": "client_secret is missing"}), ErrorKind::Client)]
    #[case(json!({"error": "invalid_grant", "error_description": "wrong client secret or code"}), ErrorKind::Grant)]
    #[case(json!({"error": "invalid_grant", "error_description": "The client_secret does not match."}), ErrorKind::Client)]
    #[case(json!({"errorCode": "invalid_client", "errorSummary": "Invalid value for 'client_id' parameter."}), ErrorKind::Client)]
    #[case(json!({"error": "temporarily_unavailable"}), ErrorKind::Passing)]
    #[case(json!({"error": "bad_verification_code"}), ErrorKind::Other)]
    #[case(json!({"error": "invalid_request", "error_description": "redirect_uri"}), ErrorKind::Other)]
    fn what_an_error_is_about_is_recognised_in_the_words_of_the_vendor(
        #[case] body: Value,
        #[case] kind: ErrorKind,
    ) {
        assert_eq!(find(&body).unwrap().kind, kind);
    }

    #[rstest]
    #[case(
        "AADSTS7000222: The provided client secret keys are expired.",
        "invalid_client, AADSTS7000222"
    )]
    #[case(
        "AADB2C90081: The specified client_secret is wrong.",
        "invalid_client, AADB2C90081"
    )]
    #[case("AADSTS7000222 without a colon", "invalid_client")]
    #[case("AADSTSsecret: not a number", "invalid_client")]
    #[case("AADSTS12345678901: too long", "invalid_client")]
    #[case("Canary: nothing else of it is shown", "invalid_client")]
    fn a_number_of_microsofts_is_all_that_is_shown_of_a_description(
        #[case] description: &str,
        #[case] shown: &str,
    ) {
        let found = find(&json!({"error": "invalid_client", "error_description": description}));
        assert_eq!(found.unwrap().code, shown);
    }

    #[rstest]
    #[case("temporarily_unavailable", true)]
    #[case("temporarily_unavailable, AADSTS90033", true)]
    #[case("slow_down", true)]
    #[case("invalid_grant", false)]
    #[case("", false)]
    fn what_passes_by_itself_is_known_by_its_code(#[case] shown: &str, #[case] passes: bool) {
        assert_eq!(is_passing(shown), passes);
    }

    #[rstest]
    #[case(json!({"error": ""}))]
    #[case(json!({"errorCode": ""}))]
    #[case(json!({"error": null}))]
    #[case(json!({"error": []}))]
    #[case(json!({"id_token": "a.b.c"}))]
    fn what_is_not_an_error_is_none(#[case] body: Value) {
        assert_eq!(find(&body), None);
    }
}
