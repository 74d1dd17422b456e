//! What an endpoint of a provider says went wrong (RFC 6749 section 5.2), also where it says so in words of its own: what is
//! said of the client must be recognised, because another secret, or another way to send it, may be right.

use serde_json::{Map, Value};

use super::excerpt::excerpt;

/// How much of an error code is repeated.
const SHOWN: usize = 60;

/// An error of an endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndpointError {
    /// Its code, made safe to show.
    pub(super) code: String,
    /// What it is about.
    pub(super) kind: ErrorKind,
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// The client: its id, its secret, or how that was sent.
    Client,
    /// The code.
    Grant,
    /// It passes by itself.
    Passing,
    /// Anything else.
    Other,
}

impl EndpointError {
    /// The error of an answer, whatever its HTTP status: some providers send errors with 200. An empty `error` is none, and
    /// some put an object in its place.
    pub(super) fn find(body: &Map<String, Value>) -> Option<Self> {
        let text = |from: &Map<String, Value>, name: &str| {
            let text = from.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let (code, description) = match body.get("error")? {
            Value::String(code) if !code.is_empty() => (code.clone(), text(body, "error_description")),
            Value::Object(inner) => {
                let code = ["code", "type", "error"]
                    .iter()
                    .find_map(|name| text(inner, name));
                let message = text(inner, "message").or_else(|| text(inner, "error_description"));
                (code.or_else(|| message.clone())?, message)
            }
            _ => return None,
        };
        let description = description.or_else(|| text(body, "message"));
        Some(Self {
            kind: ErrorKind::of(&code, description.as_deref().unwrap_or_default()),
            code: excerpt(&code, SHOWN),
        })
    }
}

/// Whether an error code, as it is shown, is about the client.
pub(super) fn says_client(code: &str) -> bool {
    ErrorKind::of(code, "") == ErrorKind::Client
}

impl ErrorKind {
    fn of(code: &str, description: &str) -> Self {
        let code = code.to_ascii_lowercase();
        match code.as_str() {
            "invalid_client" | "unauthorized_client" => return Self::Client,
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
        let description = description.to_ascii_lowercase().replace(['_', '-'], " ");
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
    #[case(json!({"error": "temporarily_unavailable"}), ErrorKind::Passing)]
    #[case(json!({"error": "bad_verification_code"}), ErrorKind::Other)]
    #[case(json!({"error": "invalid_request", "error_description": "redirect_uri"}), ErrorKind::Other)]
    fn what_an_error_is_about_is_told_from_the_words_of_the_vendor(
        #[case] body: Value,
        #[case] kind: ErrorKind,
    ) {
        assert_eq!(find(&body).unwrap().kind, kind);
    }

    #[rstest]
    #[case(json!({"error": ""}))]
    #[case(json!({"error": null}))]
    #[case(json!({"error": []}))]
    #[case(json!({"id_token": "a.b.c"}))]
    fn what_is_no_error_is_none(#[case] body: Value) {
        assert_eq!(find(&body), None);
    }
}
