//! The user id of Headers mode: whom the holder of the API key speaks for.

use http::{HeaderMap, HeaderName, header::GetAll};

/// The header that names the user.
const USER_ID: HeaderName = HeaderName::from_static("gatewright-user-id");
/// The same for clients that were set up for Arcade.
const USER_ID_ALIAS: HeaderName = HeaderName::from_static("arcade-user-id");
/// Longer values name no one; the subject claim of a User Source has the same limit.
const CHARS_MAX: usize = 255;

/// Why the user id is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// There is none.
    #[error(
        "This request does not say which user it is for: send their user ID in the header Gatewright-User-ID."
    )]
    Missing,
    /// It is empty.
    #[error("The header Gatewright-User-ID is empty; send the user id of the person this request is for.")]
    Empty,
    /// There are two.
    #[error(
        "This request names its user more than once; send Gatewright-User-ID once, and Arcade-User-ID only with the same value."
    )]
    Ambiguous,
    /// It is not text, or holds control characters.
    #[error("The header Gatewright-User-ID contains characters that a user ID cannot have.")]
    Characters,
    /// It is too long.
    #[error("The header Gatewright-User-ID is longer than 255 characters.")]
    TooLong,
}

/// The user id of a request. Its two names may both be there when they say the same.
pub(super) fn user_id(headers: &HeaderMap) -> Result<&str, UserIdError> {
    let own = one(&headers.get_all(&USER_ID))?;
    let alias = one(&headers.get_all(&USER_ID_ALIAS))?;
    match (own, alias) {
        (Some(own), Some(alias)) if own != alias => Err(UserIdError::Ambiguous),
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err(UserIdError::Missing),
    }
}

fn one<'h>(values: &GetAll<'h, http::HeaderValue>) -> Result<Option<&'h str>, UserIdError> {
    let mut values = values.iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(UserIdError::Ambiguous);
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| UserIdError::Characters)?;
    check(text)?;
    Ok(Some(text))
}

/// Whether a text can be a user id.
pub fn check(text: &str) -> Result<(), UserIdError> {
    if text.trim().is_empty() {
        return Err(UserIdError::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(UserIdError::Characters);
    }
    if text.chars().count() > CHARS_MAX {
        return Err(UserIdError::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    fn check(pairs: &[(&'static str, &str)]) -> Result<String, UserIdError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        user_id(&headers).map(str::to_owned)
    }

    #[rstest]
    #[case(&[("gatewright-user-id", "ada")], Ok("ada"))]
    #[case(&[("arcade-user-id", "ada@example.com")], Ok("ada@example.com"))]
    #[case(&[("gatewright-user-id", "ada"), ("arcade-user-id", "ada")], Ok("ada"))]
    #[case(&[("gatewright-user-id", "zoë")], Ok("zoë"))]
    #[case(&[("gatewright-user-id", "ada"), ("arcade-user-id", "bob")], Err(UserIdError::Ambiguous))]
    #[case(&[("gatewright-user-id", "ada"), ("gatewright-user-id", "ada")], Err(UserIdError::Ambiguous))]
    #[case(&[("gatewright_user_id", "ada")], Err(UserIdError::Missing))]
    #[case(&[], Err(UserIdError::Missing))]
    #[case(&[("gatewright-user-id", " ")], Err(UserIdError::Empty))]
    #[case(&[("gatewright-user-id", "")], Err(UserIdError::Empty))]
    #[case(&[("gatewright-user-id", "a\tb")], Err(UserIdError::Characters))]
    #[case(&[("gatewright-user-id", "a\u{85}b")], Err(UserIdError::Characters))]
    fn exactly_one_user_is_named(
        #[case] pairs: &[(&'static str, &str)],
        #[case] expected: Result<&str, UserIdError>,
    ) {
        assert_eq!(check(pairs), expected.map(str::to_owned));
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(check(&[("gatewright-user-id", &"é".repeat(255))]).is_ok());
        assert_eq!(
            check(&[("gatewright-user-id", &"a".repeat(256))]),
            Err(UserIdError::TooLong)
        );
    }
}
