//! Secrets of a project, and the sealed form in which all secrets are stored.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    Invalid, Timestamp,
    header_text::{MAX_VALUE, is_header_text},
    id::{ProjectId, SecretId},
    secret::Secret,
};

/// A secret is for one service, which can have a few hosts.
const MAX_ORIGINS: usize = 20;

/// A sealed value as stored: `v1.<key-id>.<base64>`. Only the keyring opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedText(pub String);

impl SealedText {
    /// The ID of the master key that sealed it.
    pub fn key_id(&self) -> Option<&str> {
        self.0.split('.').nth(1)
    }
}

impl std::fmt::Debug for SealedText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedText([redacted])")
    }
}

/// A secret of a project, for custom headers as `${secret:NAME}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its id.
    pub id: SecretId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// `[A-Z][A-Z0-9_]{0,63}`, unique in the project.
    pub name: String,
    /// The value, sealed for its row.
    pub value: SealedText,
    /// The origins it can be sent to, like `https://api.example.com`.
    pub origins: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the value or the origins last changed.
    pub updated_at: Timestamp,
}

impl StoredSecret {
    /// The context its value is sealed under: table, column and row, so that it cannot be moved.
    pub fn context(id: SecretId) -> String {
        format!("secrets/value/{id}")
    }
}

/// Whether a text is the name of a secret: `[A-Z][A-Z0-9_]{0,63}`.
pub fn check_secret_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Checks a value to be stored: it must fit into a header, because it is sent in one.
pub fn check_secret_value(pointer: &str, value: &Secret) -> Result<(), Invalid> {
    let text = value.expose();
    if text.is_empty() {
        return Err(Invalid::one(
            pointer,
            "A value is required: enter or paste the secret.",
        ));
    }
    if text.len() > MAX_VALUE {
        return Err(Invalid::one(
            pointer,
            format!(
                "The value has more than {MAX_VALUE} characters, which servers refuse in a header: check what you pasted."
            ),
        ));
    }
    if text.trim() != text || !is_header_text(text) {
        return Err(Invalid::one(
            pointer,
            "The value contains a character that is not allowed in a header, such as a line break or a space at its end: paste it \
             again without.",
        ));
    }
    Ok(())
}

/// Checks the origins of a secret and returns them in one spelling, each once.
pub fn check_origins(pointer: &str, origins: &[String]) -> Result<Vec<String>, Invalid> {
    let mut invalid = Invalid::default();
    if origins.is_empty() {
        invalid.add(
            pointer,
            "At least one origin is required: enter where the secret may be sent, like `https://api.example.com`.",
        );
    }
    if origins.len() > MAX_ORIGINS {
        invalid.add(
            pointer,
            format!("There are {} origins: keep at most {MAX_ORIGINS}.", origins.len()),
        );
    }
    let mut checked = Vec::with_capacity(origins.len());
    for (index, text) in origins.iter().enumerate() {
        let here = format!("{pointer}/{index}");
        let parsed = Url::parse(text.trim()).ok();
        let Some((url, origin)) = parsed.and_then(|url| origin_of(&url).map(|origin| (url, origin))) else {
            invalid.add(
                here,
                "This is not an origin: enter scheme and host, and the port if there is one, like `https://api.example.com`.",
            );
            continue;
        };
        let bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !bare {
            invalid.add(
                here,
                format!(
                    "A secret belongs to a whole origin, so remove the rest of the URL: enter `{origin}`."
                ),
            );
        } else if !checked.contains(&origin) {
            checked.push(origin);
        }
    }
    invalid.into_result()?;
    Ok(checked)
}

/// The origin of an `http` or `https` URL, like `https://api.example.com` (RFC 6454 section 6.2).
pub fn origin_of(url: &Url) -> Option<String> {
    let origin = url.origin();
    (matches!(url.scheme(), "http" | "https") && origin.is_tuple()).then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalised() {
        let typed = [
            "https://API.example.com/".to_owned(),
            " https://api.example.com:443".to_owned(),
        ];
        assert_eq!(
            check_origins("/origins", &typed).unwrap(),
            ["https://api.example.com"]
        );
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "https://api.example.com/v1",
            "https://api.example.com?x",
            "https://me:pw@api.example.com",
            "api.example.com",
            "ftp://api.example.com",
            "data:text/plain,x",
            "",
        ] {
            let invalid = check_origins("/origins", &[text.to_owned()]).unwrap_err();
            assert_eq!(invalid.violations()[0].pointer, "/origins/0", "{text}");
        }
        assert!(check_origins("/origins", &[]).is_err());
    }

    #[test]
    fn a_value_must_fit_into_a_header() {
        assert!(check_secret_value("/value", &Secret::new("s3cr3t with space")).is_ok());
        for text in ["", " lead", "tail\n", "a\r\nHost: evil", "\u{0}", "caf\u{e9}"] {
            assert!(
                check_secret_value("/value", &Secret::new(text)).is_err(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn secret_names_are_capitals() {
        assert!(check_secret_name("API_KEY2"));
        for name in ["", "a", "1A", "_A", "A-B", &"A".repeat(65)] {
            assert!(!check_secret_name(name), "{name}");
        }
    }
}
