//! The subject: the one configured claim of the ID token that says who the user is. There is no fallback to another
//! claim, because a value from elsewhere would be another person's, or not a person's at all.

use serde_json::{Map, Value};

/// The longest subject, in characters (OpenID Connect Core section 2 bounds `sub` at 255).
const MAX_CHARACTERS: usize = 255;

/// The reasons against `email` as the subject claim.
pub const EMAIL_CHANGES_HANDS: &str =
    "E-mail addresses change hands: a person who gets someone's old address becomes that person here.";

/// What to do about it.
pub const UNLESS_SURE: &str =
    "Use `sub` unless you are sure that the provider never assigns an address to another person.";

/// Why the configured claim does not identify the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The ID token lacks it.
    #[error("the ID token has no claim `{0}`")]
    Missing(String),
    /// It is of a kind that cannot identify a person.
    #[error("the claim `{claim}` is {kind}, not a string or an integer")]
    Kind {
        /// The configured claim.
        claim: String,
        /// What it is instead, with its article.
        kind: &'static str,
    },
    /// It is the empty string.
    #[error("the claim `{0}` is empty")]
    Empty(String),
    /// It is longer than 255 characters.
    #[error("the claim `{0}` is longer than 255 characters")]
    TooLong(String),
    /// It contains NUL or another control character.
    #[error("the claim `{0}` contains a control character")]
    ControlCharacter(String),
    /// The claim is `email`, and the provider says that the address is not verified.
    #[error("the subject claim is `email`, and the provider says `email_verified: false`")]
    UnverifiedEmail,
}

/// Reads the subject out of the claims of a verified ID token: the value of `claim`, byte for byte, or an integer as
/// its decimal string. Equal texts in another case are other people.
pub fn read(claims: &Map<String, Value>, claim: &str) -> Result<String, SubjectError> {
    let wrong_kind = |kind| SubjectError::Kind {
        claim: claim.to_owned(),
        kind,
    };
    let subject = match claims.get(claim) {
        None => return Err(SubjectError::Missing(claim.to_owned())),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        Some(Value::Number(_)) => return Err(wrong_kind("a number that is not an integer of 64 bits")),
        Some(Value::Null) => return Err(wrong_kind("null")),
        Some(Value::Bool(_)) => return Err(wrong_kind("a boolean")),
        Some(Value::Array(_)) => return Err(wrong_kind("a list")),
        Some(Value::Object(_)) => return Err(wrong_kind("an object")),
    };
    if subject.is_empty() {
        return Err(SubjectError::Empty(claim.to_owned()));
    }
    if subject.chars().nth(MAX_CHARACTERS).is_some() {
        return Err(SubjectError::TooLong(claim.to_owned()));
    }
    if subject.chars().any(char::is_control) {
        return Err(SubjectError::ControlCharacter(claim.to_owned()));
    }
    if claim == "email" && is_email_unverified(claims) {
        return Err(SubjectError::UnverifiedEmail);
    }
    Ok(subject)
}

/// Whether claims say that the address in them is not verified. Some providers send `email_verified` as a string.
pub fn is_email_unverified(claims: &Map<String, Value>) -> bool {
    match claims.get("email_verified") {
        Some(Value::Bool(verified)) => !verified,
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("false"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Result<String, SubjectError> {
        let claims = json!({"uid": value, "sub": "never-a-fallback", "email": "a@example.com"});
        read(claims.as_object().unwrap(), "uid")
    }

    #[rstest]
    #[case(json!("auth0|abc"), "auth0|abc")]
    #[case(json!("1"), "1")]
    #[case(json!(1), "1")]
    #[case(json!(-7), "-7")]
    #[case(json!(18_446_744_073_709_551_615_u64), "18446744073709551615")]
    #[case(json!("Åsa"), "Åsa")]
    #[case(json!("é".repeat(255)), &"é".repeat(255))]
    fn strings_and_integers_identify(#[case] value: Value, #[case] subject: &str) {
        assert_eq!(of(&value).unwrap(), subject);
    }

    #[rstest]
    #[case(json!(null))]
    #[case(json!(true))]
    #[case(json!(1.5))]
    #[case(json!(1.0))]
    #[case(json!(1e30))]
    #[case(json!(["a"]))]
    #[case(json!({"a": 1}))]
    fn other_kinds_do_not(#[case] value: Value) {
        assert!(matches!(of(&value), Err(SubjectError::Kind { .. })), "{value}");
    }

    #[test]
    fn bad_strings_do_not() {
        assert_eq!(of(&json!("")), Err(SubjectError::Empty("uid".into())));
        assert_eq!(
            of(&json!("a".repeat(256))),
            Err(SubjectError::TooLong("uid".into()))
        );
        for text in ["a\0", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(
                of(&json!(text)),
                Err(SubjectError::ControlCharacter("uid".into()))
            );
        }
    }

    #[test]
    fn a_missing_claim_never_falls_back() {
        let claims = json!({"sub": "1", "email": "a@example.com", "UID": "2"});
        assert_eq!(
            read(claims.as_object().unwrap(), "uid"),
            Err(SubjectError::Missing("uid".into()))
        );
    }

    #[rstest]
    #[case(json!({"email": "a@example.com", "email_verified": true}), true)]
    #[case(json!({"email": "a@example.com"}), true)]
    #[case(json!({"email": "a@example.com", "email_verified": "true"}), true)]
    #[case(json!({"email": "a@example.com", "email_verified": false}), false)]
    #[case(json!({"email": "a@example.com", "email_verified": "false"}), false)]
    fn an_unverified_address_does_not_identify_a_person(#[case] claims: Value, #[case] accepted: bool) {
        assert_eq!(read(claims.as_object().unwrap(), "email").is_ok(), accepted);
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_is_the_value_itself(text in ".{0,300}") {
            let claims = json!({"sub": text});
            if let Ok(subject) = read(claims.as_object().unwrap(), "sub") {
                proptest::prop_assert_eq!(&subject, &text);
                proptest::prop_assert!(!subject.is_empty() && subject.chars().count() <= MAX_CHARACTERS);
            }
        }

        #[test]
        fn every_integer_is_its_decimal_string(number: i64) {
            let claims = json!({"sub": number});
            proptest::prop_assert_eq!(read(claims.as_object().unwrap(), "sub").unwrap(), number.to_string());
        }
    }
}
